"""Numbers and foreign text as a reader sees them: rounding, signs, units, visible control characters.

Nothing is computed here. Shares are shown in percent, their differences in percentage points.
"""

import re

MINUS, NARROW, ELLIPSIS = "\u2212", "\u202f", "\u2026"
SMALLEST_P = 0.001
LONGEST_TEXT = 6_000  # characters of one model text or listing; the file has all of it
HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def value(cell: str) -> float | None:
    """Return the number in a CSV cell, ``None`` where the cell is empty."""
    return float(cell) if cell else None


def decimal(number: float, digits: int = 1) -> str:
    """Return ``number`` with thousands separated and a true minus sign, never ``-0.0``."""
    text = f"{number:,.{digits}f}"
    return text.replace("-", "" if float(text.replace(",", "")) == 0 else MINUS)


def signed(number: float, digits: int = 1) -> str:
    """Return ``number`` with its sign; what rounds to zero has none."""
    text = decimal(number, digits)
    return f"+{text}" if number > 0 and any(c in "123456789" for c in text) else text


def share(cell: str) -> str:
    """Return a share as percent without the sign, ``0.725`` as ``72.5``."""
    return decimal(100 * float(cell)) if cell else "–"


def points(cell: str) -> str:
    """Return a difference of two shares in percentage points, signed."""
    return signed(100 * float(cell)) if cell else "–"


def bracket(low: str, high: str) -> str:
    """Return the interval of a share or of a difference, in percent or points."""
    return f"[{share(low)}, {share(high)}]" if low and high else "[no interval]"


def p_value(cell: str) -> str:
    """Return a p-value with three decimals, or that it is smaller than can be shown so."""
    if not cell:
        return "–"
    return f"<{NARROW}{SMALLEST_P}" if float(cell) < SMALLEST_P else f"{float(cell):.3f}"


def count(cell: str) -> str:
    """Return a whole number with thousands separated."""
    return decimal(float(cell), 0) if cell else "–"


def significant(cell: str, digits: int = 3) -> str:
    """Return a number of any size with ``digits`` significant digits."""
    if not cell:
        return "–"
    number = float(cell)
    if number != 0 and not 1e-3 <= abs(number) < 1e6:
        return f"{number:.{digits - 1}e}".replace("-", MINUS)
    whole = len(str(int(abs(number)))) if abs(number) >= 1 else 0
    return decimal(number, max(0, digits - whole))


def duration(seconds: float) -> str:
    """Return a time in the two largest units that matter, ``3 min 20 s``."""
    if round(seconds) < 60:
        return f"{decimal(seconds, 1 if seconds < 10 else 0)}{NARROW}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}{NARROW}min {rest}{NARROW}s"
    return f"{minutes // 60}{NARROW}h {minutes % 60}{NARROW}min"


def listed(items: list[str]) -> str:
    """Return ``items`` as a phrase: ``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def plural(number: int, noun: str) -> str:
    """Return ``number`` with ``noun`` in the singular or with an s."""
    return f"{decimal(number, 0)} {noun}{'' if number == 1 else 's'}"


def visible(text: str) -> str:
    """Return ``text`` with every control and direction-changing character as a visible code point."""
    return HIDDEN.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", text)


def clip(text: str) -> str:
    """Return ``text`` up to ``LONGEST_TEXT`` characters, and how many are left out."""
    more = len(text) - LONGEST_TEXT
    return text if more <= 0 else f"{text[:LONGEST_TEXT]}\n… {plural(more, 'more character')} in the file"


def shorten(text: str, limit: int) -> str:
    """Return ``text`` on one line, cut at ``limit`` characters with an ellipsis."""
    line = " ".join(visible(text).split())
    return line if len(line) <= limit else line[: limit - 1] + ELLIPSIS
