"""The methods in words as a page shows them: paragraphs and lists, with authors and years for keys of papers.

It reads what workflow/report/methods.md.j2 writes and no other Markdown: blocks apart by an empty line, which
begin with ``# ``, with a lead as ``**Data.**`` or, as the lines of a list, with ``- ``.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from workflow.lib.citations import entries_of

CITATION = re.compile(r" ?\[(@[\w.-]+(?:; @[\w.-]+)*)\]")
LEAD = re.compile(r"\*\*(?P<lead>[^*]+)\*\* (?P<text>.*)", re.DOTALL)
FIELD = re.compile(r"^  (author|year) = \{(.*)\},?$", re.MULTILINE)
ACCENT = re.compile(r"\{?\\(?P<mark>[\"'`^~])\{?(?P<letter>\w)\}*")
COMBINING = {'"': "\u0308", "'": "\u0301", "`": "\u0300", "^": "\u0302", "~": "\u0303"}


@dataclass(frozen=True)
class Paragraph:
    """A paragraph that may begin with a lead, or a list of items."""

    lead: str = ""
    text: str = ""
    listed: list[str] = field(default_factory=list)


def paragraphs(markdown: str, bibliography: str) -> list[Paragraph]:
    """Return the text ``markdown`` without its heading; papers are named as ``bibliography`` says."""
    names = {key: name for key, entry in entries_of(bibliography).items() if (name := name_of(entry))}
    blocks = [block.strip() for block in named(markdown, names).split("\n\n")]
    return [paragraph(block) for block in blocks if block and not block.startswith("# ")]


def paragraph(block: str) -> Paragraph:
    """Return one block as a paragraph or a list."""
    if block.startswith("- "):
        return Paragraph(listed=[line.removeprefix("- ") for line in block.splitlines()])
    found = LEAD.fullmatch(block)
    return Paragraph(lead=found["lead"], text=found["text"]) if found else Paragraph(text=block)


def named(text: str, names: Mapping[str, str]) -> str:
    """Return ``text`` with names for the keys of its citations; keys without a name are left out."""

    def told(citation: re.Match[str]) -> str:
        known = [names[key] for key in citation[1].replace("@", "").split("; ") if key in names]
        return f" ({'; '.join(known)})" if known else ""

    return CITATION.sub(told, text)


def name_of(entry: str) -> str:
    """Return author and year of a BibTeX entry, as ``Hong et al. 2024``; nothing where it has none."""
    fields = dict(FIELD.findall(entry))
    if {"author", "year"} - fields.keys():
        return ""
    surnames = [author.partition(",")[0] for author in fields["author"].split(" and ")]
    several = " et al." if len(surnames) > 2 else "".join(f" and {name}" for name in surnames[1:])
    return f"{plain(surnames[0] + several)} {fields['year']}"


def plain(text: str) -> str:
    """Return BibTeX ``text`` with its accents as letters and without braces."""
    letters = ACCENT.sub(lambda found: found["letter"] + COMBINING[found["mark"]], text)
    return unicodedata.normalize("NFC", letters.replace("{", "").replace("}", ""))
