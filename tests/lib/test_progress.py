"""Progress: a line a minute in the log, the first and the last step always, a bar only on a terminal."""

import io
import os
import pty
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from workflow.lib import progress
from workflow.lib.progress import Progress

ROOT = Path(__file__).resolve().parents[2]


def test_a_line_a_minute(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    times = iter([0.0, 1.0, 30.0, 62.0, 90.0, 121.0, 123.0, 124.0])  # at the start, then at each step
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(times))
    told = Progress("step", 7)
    for step in range(1, 8):
        told.at(step, {"loss": step})
    told.close()
    # 1 at 1 s (the first), 3 at 62 s (61 s later), 6 at 123 s (61 s later), 7 (the last)
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == [
        f"step {n} of 7" for n in (1, 3, 6, 7)
    ]


def test_a_bar_on_the_terminal(monkeypatch: pytest.MonkeyPatch):
    screen = io.StringIO()
    monkeypatch.setattr(progress, "terminal", lambda: screen)
    monkeypatch.setattr(progress, "tqdm", partial(progress.tqdm, mininterval=0.0))  # draw every step
    told = Progress("step", 4)
    told.at(2)
    told.at(4)
    told.close()
    assert re.findall(r"step: .*?(\d/4)", screen.getvalue()) == ["0/4", "2/4", "4/4"]


SCRIPT = """
import sys
from workflow.lib.logs import capture
from workflow.lib.progress import Progress
capture(sys.argv[1])
told = Progress("step", 2)
told.at(1)
told.at(2, "done")
"""


@pytest.mark.parametrize("on_terminal", [True, False])
def test_the_log_has_lines_and_the_terminal_the_bar(tmp_path: Path, on_terminal: bool):
    ours, theirs = pty.openpty() if on_terminal else os.pipe()
    log = tmp_path / "job.log"
    subprocess.run([sys.executable, "-c", SCRIPT, str(log)], cwd=ROOT, stderr=theirs, check=True, timeout=60)
    if not on_terminal:
        os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    assert log.read_text().splitlines() == ["step 1 of 2: ", "step 2 of 2: done"]
    assert ("0/2" in shown) == on_terminal and (shown == "") == (not on_terminal)
