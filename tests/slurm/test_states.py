"""States that a real SLURM does not give at will, on commands that only pretend to be one.

``sbatch`` keeps the command. ``squeue`` says what the test says, a word for each call: at "down" it does not
answer, and before it says COMPLETED the job runs.
"""

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

from tests.slurm.drivers import PATIENCE, driving, said, write_study
from tests.studies import Study

TARGET = "results/raw/goals/manifest.json"
SBATCH = """\
while [ $# -gt 0 ]; do case "$1" in
  --wrap=*) printf '%s\\n' "${1#--wrap=}" > FOLDER/job;;
  --wrap) shift; printf '%s\\n' "$1" > FOLDER/job;;
  --requeue) touch FOLDER/requeue;;
  --exclude=*) touch FOLDER/excluded;;
esac; shift; done
echo . >> FOLDER/submitted
wc -l < FOLDER/submitted
"""
SQUEUE = """\
state=$(head -n 1 FOLDER/states); sed -i '1{$!d}' FOLDER/states
[ "$state" = down ] && { echo "Unable to contact slurm controller" >&2; exit 1; }
[ "$state" = COMPLETED ] && SLURM_JOB_ID=1 sh FOLDER/job >> FOLDER/job.log 2>&1
echo "$(wc -l < FOLDER/submitted)|$state"
"""
SRUN = """\
while case "$1" in -*) true;; *) false;; esac; do shift; [ "$1" = n1 ] && shift; done
exec sh -c "$*"
"""
COMMANDS = {
    "sbatch": SBATCH,
    "squeue": SQUEUE,
    "srun": SRUN,
    "scontrol": 'echo "MinJobAge = 300 sec"\n',
    "sinfo": 'echo "short*"\n',
    "scancel": "exit 0\n",
    "sacct": "exit 1\n",
    "sacctmgr": "exit 1\n",
    "sshare": "exit 1\n",
}


def run(folder: Path, snapshot: Path, states: list[str]) -> tuple[Study, int]:
    """Run one job while ``squeue`` says ``states``, the last of them for ever; return the exit code."""
    study = write_study(folder, snapshot)
    (folder / "states").write_text("\n".join(states) + "\n")
    (folder / "bin").mkdir()
    for name, text in COMMANDS.items():
        command = folder / "bin" / name
        command.write_text("#!/bin/sh\n" + text.replace("FOLDER", str(folder)))
        command.chmod(command.stat().st_mode | stat.S_IXUSR)
    # Asked again each second, so that the test does not take minutes.
    quick = ("--max-status-checks-per-second", "1", "--slurm-init-seconds-before-status-checks", "1")
    with driving(study, f"{folder / 'bin'}:{os.environ['PATH']}", *quick, "--", TARGET) as driver:
        try:
            return study, driver.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            pytest.fail(f"it waits for ever: {said(study)[-3000:]}")


def submitted(study: Study) -> int:
    """Return how many jobs were submitted."""
    return len((study.root.parent / "submitted").read_text().splitlines())


def test_a_silent_controller_and_bad_ends_cost_no_job(tmp_path: Path, tiny_llama: Path) -> None:
    # Five answers in a row that fail are what the plugin would lose its jobs after.
    states = [*["down"] * 7, "OUT_OF_MEMORY", "NODE_FAIL", "COMPLETED"]
    study, code = run(tmp_path, tiny_llama, states)
    assert code == 0 and (study.root / TARGET).exists(), said(study)
    assert submitted(study) == 2  # again by Snakemake after OUT_OF_MEMORY, by SLURM after NODE_FAIL
    told = re.findall(r"mem_mb=(\d+)", said(study))
    assert sorted(set(told), key=int) == ["4000", "8000"]
    assert (tmp_path / "requeue").exists() and "requeue is enabled" in said(study)
