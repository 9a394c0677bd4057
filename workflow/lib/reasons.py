"""Why each job of a study ran, and what it asked for: Snakemake knows when it starts, and forgets afterwards.

What is asked for is that of a job's first attempt; profiles let later attempts ask for more.
"""

import json
import time
from pathlib import Path
from typing import Any

from workflow.lib.dags import Dag, Job
from workflow.lib.errors import DataError

ASKED = ("mem_mb", "runtime", "gpu")  # resources: MB, minutes, number
JOURNAL = Path("results/logs/jobs.jsonl")  # one line per job and call of Snakemake


def kinds_of(reason: str) -> list[str]:
    """Return the kinds of a reason, as ``Missing output files``, without the files that it names."""
    return sorted({part.partition(":")[0].strip() for part in reason.split("; ") if part.strip()})


def asked(job: Job) -> dict[str, int | None]:
    """Return what a job asks for; None where it asks for nothing, or where that depends on files to come."""
    found = {name: job.resources.get(name) for name in ASKED}
    return {"threads": job.threads} | {k: v if isinstance(v, int) else None for k, v in found.items()}


def note(dag: Dag, journal: Path = JOURNAL) -> None:
    """Append a line to the journal for each job that is about to run and writes something."""
    begun = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    lines: list[dict[str, Any]] = [
        {
            "begun": begun,
            "rule": str(job.rule),
            "output": str(job.output[0]),
            "reasons": kinds_of(str(dag.reason(job))),
            "stage": Path(job.rule.snakefile).stem,
            "benchmark": str(job.benchmark or ""),
            "log": str(job.log[0] if job.log else ""),
            "asked": asked(job),
        }
        for job in dag.jobs
        if dag.needrun(job) and job.output
    ]
    journal.parent.mkdir(parents=True, exist_ok=True)
    with journal.open("a", encoding="utf-8") as stream:
        stream.writelines(f"{json.dumps(line)}\n" for line in sorted(lines, key=lambda line: line["output"]))


def latest(journal: Path = JOURNAL) -> list[dict[str, Any]]:
    """Return the last line of the journal on each output, by rule; nothing where there is no journal.

    What follows the last end of a line was torn off when the driver was killed, and does not count.

    Raises:
        DataError: Another line is not whole.
    """
    if not journal.exists():
        return []
    found: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(journal.read_text(encoding="utf-8").split("\n")[:-1], start=1):
        try:
            entry = json.loads(line)
            found[entry["output"]] = entry
        except (json.JSONDecodeError, KeyError) as error:
            raise DataError(f"{journal} row {number}: not a whole line. Fix: delete the file.") from error
    return sorted(found.values(), key=lambda entry: (entry["rule"], entry["output"]))
