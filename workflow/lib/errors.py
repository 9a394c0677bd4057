"""Errors that a person can act on, each with the exit code that tells a scheduler what happened.

Exit codes: 2 bad configuration or data, 3 missing dependency or secret, 4 integrity, 5 numerical,
6 out of GPU memory, 75 preempted and resumable (``EX_TEMPFAIL``).
"""


class PlumblineError(Exception):
    """A problem with one clear line for a person; ``exit_code`` is the exit status of the process."""

    exit_code = 1


class DataError(PlumblineError):
    """A configuration or an input file that does not hold what it should."""

    exit_code = 2


class DependencyError(PlumblineError):
    """A package, a program, a device or a secret that is not there."""

    exit_code = 3


class IntegrityError(PlumblineError):
    """A file whose content differs from what was recorded when it was written."""

    exit_code = 4


class NumericalError(PlumblineError):
    """A loss, a gradient or a tensor that is not finite, or a policy that collapsed."""

    exit_code = 5


class DeviceMemoryError(PlumblineError):
    """An accelerator ran out of memory."""

    exit_code = 6


class StuckError(PlumblineError):
    """A job that is stopped again and again before it gets any further: somebody has to look."""

    exit_code = 1


class Preempted(PlumblineError):
    """The job was told to stop and left a checkpoint: run it again to go on."""

    exit_code = 75


class ChildError(PlumblineError):
    """A process that this one started and that ended in a way that no other error stands for."""

    def __init__(self, message: str, exit_code: int) -> None:
        """Take over the exit code of the process."""
        super().__init__(message)
        self.exit_code = exit_code


TOLD = (DataError, DependencyError, IntegrityError, NumericalError, DeviceMemoryError, Preempted)


def error_of(exit_code: int, message: str) -> PlumblineError:
    """Return the error that a process with this exit code ended in."""
    kinds = {kind.exit_code: kind for kind in TOLD}
    return kinds[exit_code](message) if exit_code in kinds else ChildError(message, exit_code)


def problem(where: str, field: str, *, expected: str, found: object, fix: str) -> str:
    """Return the one line that tells where a problem is, what it is, and what to do.

    Args:
        where: File, and row where there is one, as ``raw.json row 17``.
        field: Name of the field, key or column.
        expected: What should stand there.
        found: What stands there.
        fix: What the reader can do about it.
    """
    return f"{where} field '{field}': expected {expected}, found {shorten(found)}. Fix: {fix}"


def shorten(value: object, limit: int = 120) -> str:
    """Return ``repr(value)``, cut in the middle when longer than ``limit`` characters."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit // 2]} … {text[-limit // 2 :]}"


def raise_all(problems: list[str], limit: int = 20) -> None:
    """Raise one ``DataError`` that lists up to ``limit`` problems; do nothing when there are none."""
    if problems:
        more = len(problems) - limit
        tail = [f"… and {more} more"] if more > 0 else []
        raise DataError("\n".join(problems[:limit] + tail))
