"""A teacher behind the API on loopback, its problems, and a process of its own to kill."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.fake_api import Asked, FakeApi
from tests.lib.test_verification import PROBLEM
from workflow.lib.asking import Question
from workflow.lib.endpoint import ApiTeacher, Request
from workflow.lib.files import read_jsonl, write_json
from workflow.lib.journal import merge
from workflow.lib.parquet import write_parquet
from workflow.lib.records import Problem, Rationale, table
from workflow.lib.remote import requests_for

KEY = "canary-teacher-key-0123456789"
TEACHER: dict[str, Any] = {
    "kind": "api",
    "endpoint": "",
    "model": "gpt-x",
    "api_key_env": "TEACHER_KEY",
    "samples": 2,
    "temperature": 0.7,
    "top_p": 0.9,
    "max_tokens": 50,
    "seed": 3,
    "concurrency": 8,
    "requests_per_minute": 6.0e6,
    "tokens_per_minute": 6.0e9,
    "timeout_s": 5.0,
    "stall_s": 20.0,
    "max_attempts": 8,
    "usd_per_million_input": 2.5,
    "usd_per_million_output": 10.0,
    "batch": False,
}
# Runs a script's main as Snakemake does, with shorter waits; the arguments are in a file.
DRIVER = """
import json, sys
from pathlib import Path
from workflow.lib import batches, endpoint
from workflow.lib.logs import capture
from workflow.scripts.ask_teacher import main
endpoint.FIRST_WAIT, endpoint.LONGEST_WAIT, batches.POLL_EVERY = 0.01, 0.05, 0.05
capture(sys.argv[2])
main(**json.loads(Path(sys.argv[1]).read_text()))
"""


def arguments(folder: Path, api: FakeApi, problems: int, **teacher: Any) -> dict[str, Any]:
    """Write the files of one shard below ``folder``, and return the arguments of ``ask_teacher``."""
    folder = folder.resolve()
    made = [replace(PROBLEM, problem_id=f"p{i:03}", question=f"Is {i} odd?") for i in range(problems)]
    half = problems // 2
    for name, rows in {"train": made[:half], "dev": made[half:]}.items():
        write_parquet(folder / f"{name}.parquet", table(rows, Problem))
    (folder / "cot.j2").write_text("{{ question }} Think.")
    write_json(folder / "choice.json", {"choices": {"t": {"prompt": "cot", "kept": True}}})
    return {
        "train": str(folder / "train.parquet"),
        "dev": str(folder / "dev.parquet"),
        "choice": str(folder / "choice.json"),
        "prompts": [str(folder / "cot.j2")],
        "rationales": "shard-0.jsonl",
        "ledger": "shard-0.ledger.json",
        "dataset": "logic",
        "name": "t",
        "teacher": {**TEACHER, "endpoint": api.address, **teacher},
        "shard": 0,
        "shards": 1,
        "examples": {"count": 4, "seed": 17},
    }


def requests(given: dict[str, Any], problems: int, ask: str = "Think.") -> list[Request]:
    """Return the requests that ``given`` should lead to, made here by hand from the problems."""
    asked = [Question(f"p{i:03}", "train", f"Is {i} odd? {ask}") for i in range(problems)]
    return requests_for(asked, "t", "cot", ApiTeacher(**given["teacher"]))


def rows(path: str | Path = "shard-0.jsonl") -> list[Rationale]:
    """Return the rationales in a file."""
    return [Rationale(**record) for record in read_jsonl(path)]


def journaled(work: Path = Path("work")) -> set[str]:
    """Return the ids in all journals of answers below ``work``."""
    folders = {part.parent for part in work.rglob("part-*.jsonl") if part.parent.name != "batches"}
    return set(merge(sorted(folders)).records)


def keys_of(asked: list[Asked], known: list[Request]) -> list[str]:
    """Return the journal ids of what the server was asked."""
    by_content = {(request.text, request.seed): request.key() for request in known}
    return [by_content[content] for content in asked]


def start(folder: Path, given: dict[str, Any], **environment: str) -> "subprocess.Popen[str]":
    """Start the script in a process of its own that works in ``folder`` and logs to ``job.log`` there."""
    folder.mkdir(exist_ok=True)
    (folder / "arguments.json").write_text(json.dumps(given))
    command = [sys.executable, "-c", DRIVER, "arguments.json", "job.log"]
    root = str(Path(__file__).parents[1])
    return subprocess.Popen(
        command,
        cwd=folder,
        env={"PATH": os.defpath, "PYTHONPATH": root, "TEACHER_KEY": KEY, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(folder: Path, given: dict[str, Any], **environment: str) -> tuple[int, str]:
    """Run the script to its end and return its exit code and its log."""
    with start(folder, given, **environment) as process:
        process.communicate(timeout=120)
    return process.returncode, (folder / "job.log").read_text()
