"""Logs: whole, without secrets, ending in a line for a person and the right exit code."""

import subprocess
import sys

from workflow.lib.logs import redact

PROGRAM = """
import os, sys
from workflow.lib.errors import NumericalError
from workflow.lib.logs import capture
capture(sys.argv[1])
print("started")
os.system("echo child")
raise NumericalError("loss is nan at step 3 with key " + os.environ["OPENAI_API_KEY"])
"""

LAST_WORD = """
import atexit, gc, sys
atexit.register(lambda: print("frozen:", gc.get_freeze_count() > 0))  # registered first, so called last
from workflow.lib.logs import capture
capture(sys.argv[1])
"""


def test_known_secrets_and_key_shapes_go():
    environment = {"OPENAI_API_KEY": "canary-1234567", "PATH": "/usr/bin", "SHORT_TOKEN": "true"}
    text = "canary-1234567 /usr/bin true hf_abcdefghijklmnopqrst Bearer abcdefghijklmnop1234"
    assert redact(text, environment) == "[OPENAI_API_KEY] /usr/bin true [secret] [secret]"


def test_capture_keeps_output_of_children_and_ends_with_one_clear_line(tmp_path):
    log = tmp_path / "deep" / "job.log"
    environment = {"OPENAI_API_KEY": "canary-1234567", "PATH": "/usr/bin:/bin", "PYTHONPATH": "."}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(log)], env=environment, capture_output=True, text=True
    )
    lines = log.read_text().splitlines()
    assert done.returncode == 5 and done.stdout == done.stderr == ""
    assert lines[0:2] == ["started", "child"]
    assert lines[-1].endswith("loss is nan at step 3 with key [OPENAI_API_KEY]")
    assert lines[-1].startswith("ERROR ") and "canary" not in log.read_text()


def test_the_end_of_a_job_searches_nothing_for_cycles(tmp_path):
    log = tmp_path / "job.log"
    done = subprocess.run([sys.executable, "-c", LAST_WORD, str(log)], env={"PYTHONPATH": "."})
    assert done.returncode == 0 and log.read_text() == "frozen: True\n"
