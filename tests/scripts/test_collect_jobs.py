"""Jobs, what they took and what they had asked for: from the journal and the benchmark files."""

import json
import os
from pathlib import Path

import pytest

from workflow.lib.files import read_csv
from workflow.scripts import collect_jobs

HEAD = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def measure(name: str, ended: float, seconds: float, peak: float = 1000.0) -> None:
    path = Path("results/benchmarks") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{HEAD}{seconds}\t0:00:00\t{peak}\t1\t1\t1\t1\t1\t50.0\t{seconds / 2}\n")
    os.utime(path, (ended, ended))


def entry(
    rule: str, output: str, stage: str = "training", benchmark: str = "", **asked: int
) -> dict[str, object]:
    nothing = {"threads": 1, "mem_mb": None, "runtime": None, "gpu": None}
    about = {
        "begun": "2001-09-09T01:46:40+00:00",
        "log": f"results/logs/{output}.log",
        "rule": rule,
        "output": output,
        "reasons": [],
    }
    return about | {"stage": stage, "benchmark": f"results/benchmarks/{benchmark}", "asked": nothing | asked}


def note(*entries: dict[str, object]) -> None:
    Path("results/logs").mkdir(parents=True, exist_ok=True)
    Path("results/logs/jobs.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in entries))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def collect() -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    collect_jobs.main(timeline="timeline.csv", resources="resources.csv")
    return read_csv("timeline.csv"), read_csv("resources.csv")


def test_every_job_has_a_row_in_the_order_of_its_beginning(capsys: pytest.CaptureFixture[str]) -> None:
    asked = {"mem_mb": 64000, "runtime": 720, "gpu": 1}
    names = {number: f"train/{number}.tsv" for number in (1, 2, 3, 4)}
    note(*(entry("train", f"a{n}", benchmark=name, **asked) for n, name in names.items()))
    measure(
        names[1], ended=1_000_000_060.0, seconds=30.5, peak=512.5
    )  # began 29.5 s after the epoch's billionth
    measure(names[2], ended=1_000_000_020.0, seconds=10.0)
    measure(names[4], ended=1_000_000_090.25, seconds=0.25)
    for name, ended in (
        ("a1", 1_000_000_059.5),
        ("a4", 1_000_000_080.25),
    ):  # Snakemake learned 10 s later of a4
        path = Path(f"results/logs/{name}.log")
        path.write_text("done\n")
        os.utime(path, (ended, ended))
    rows, (rule,) = collect()
    assert [(row["output"], row["begun"], row["seconds"], row["peak_rss_mib"]) for row in rows] == [
        ("a2", "2001-09-09T01:46:50.000+00:00", "10.0", "1000.0"),
        ("a1", "2001-09-09T01:47:09.500+00:00", "30.5", "512.5"),
        ("a4", "2001-09-09T01:48:00.000+00:00", "0.25", ""),  # looked at once
        ("a3", "", "", ""),
    ]
    assert {(r["stage"], r["threads"], r["gpus"], r["mem_mb"], r["runtime_min"]) for r in rows} == {
        ("training", "1", "1", "64000", "720")
    }
    assert (rule["rule"], rule["jobs"], rule["measured"], rule["peak_rss_mib"]) == (
        "train",
        "4",
        "3",
        "1000.0",
    )
    assert rule["mem_used"] == "0.016384"  # 1000 MiB are 1048.576 MB
    assert rule["advice_memory"].endswith("in 3 jobs: 2\u202fGB would do.")  # 1573 MB with half as much again
    assert capsys.readouterr().out == "3 of 4 jobs measured; 0 of calls that noted no requests\n"


def test_what_comes_after_the_tables_is_not_in_them(capsys: pytest.CaptureFixture[str]) -> None:
    before = {"rule": "train", "output": "old", "reasons": [], "begun": "2026-01-01T00:00:00+00:00"}
    note(
        entry("plot", "results/figures/a.svg", "report", "plot/a.tsv"),
        entry("collect_jobs", "timeline.csv", "analysis", "collect_jobs.tsv"),
        entry("collect_costs", "costs.csv", "analysis", "collect_costs.tsv"),
        before,
    )
    for name in ("plot/a.tsv", "collect_jobs.tsv", "collect_costs.tsv"):
        measure(name, ended=1e9, seconds=2.0)
    rows, rules = collect()
    assert [row["output"] for row in rows] == ["costs.csv"]
    assert [rule["rule"] for rule in rules] == ["collect_costs"]
    assert capsys.readouterr().out == "1 of 1 jobs measured; 1 of calls that noted no requests\n"


def test_without_a_journal_there_are_two_empty_tables() -> None:
    assert collect() == ([], [])
    assert Path("timeline.csv").read_text().startswith("stage,rule,output,begun,seconds,")
