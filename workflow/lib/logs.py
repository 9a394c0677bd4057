"""One log file per job, without secrets, that ends in a line a person can act on."""

import atexit
import gc
import os
import re
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO

from workflow.lib.errors import PlumblineError

SECRET_NAME = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD)S?$")
SECRET_SHAPE = re.compile(r"\b(sk-[\w-]{16,}|hf_\w{16,}|Bearer\s+[\w.~+/-]{16,})")
SHORTEST_SECRET = 8  # characters; shorter values of such variables are words like "true"
_screens: list[IO[str]] = []  # the terminal that this process was started from, if ``capture`` saw one


def redact(text: str, environment: Mapping[str, str]) -> str:
    """Return ``text`` without the secrets of ``environment`` and without anything shaped like a key."""
    for name, value in environment.items():
        if SECRET_NAME.search(name) and len(value) >= SHORTEST_SECRET:
            text = text.replace(value, f"[{name}]")
    return SECRET_SHAPE.sub("[secret]", text)


def capture(path: str) -> None:
    """Send everything this process and its children print to the file at ``path``.

    An uncaught error ends the log with one line, ``ERROR <script>: …``, and the process with the
    exit code of the error (see ``workflow.lib.errors``).
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    if sys.stderr.isatty():
        _screens.append(os.fdopen(os.dup(sys.stderr.fileno()), "w"))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(descriptor, stream.fileno())
    os.close(descriptor)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.excepthook = report
    atexit.register(gc.freeze)  # or Python's end searches all that torch has made for cycles: a second


def terminal() -> IO[str] | None:
    """Return the terminal that ``capture`` took the output away from; ``None`` where there was none."""
    return _screens[-1] if _screens else None


def report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print the traceback, then the line for a person, and leave with the error's exit code."""
    trail = "".join(traceback.format_exception(kind, error, trace))
    script = Path(sys.argv[0]).stem.rpartition(".")[2]  # Snakemake runs a copy named tmp….<script>.py
    name = "" if isinstance(error, PlumblineError) else f"{kind.__name__}: "
    told = redact(f"{trail}\nERROR {script}: {name}{error}", os.environ)
    print(told, file=sys.__stderr__, flush=True)  # libraries put other streams in the place of sys.stderr
    os._exit(error.exit_code if isinstance(error, PlumblineError) else 1)
