"""The table that ends a dry run: by stage, with what is known and how it was judged."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.source import ROOT, rules
from tests.studies import demo_config
from workflow.lib.earlier import read_earlier
from workflow.lib.estimates import Estimator
from workflow.lib.files import write_json
from workflow.lib.plan import STAGES, UNKNOWN, Amount, hours, plan_summary, read_expected, read_presets
from workflow.lib.workloads import Sizes

EXPECTED = ROOT / "config/expected/cpu.csv"
PRESETS = read_presets(EXPECTED.with_name("presets.yaml"))
STAGE = {"train": "training", "try_settings": "sweeps", "score_trials": "sweeps", "choose_settings": "sweeps"}
STAGE |= {"evaluate": "evaluation", "plot": "report", "ask_teacher": "rationales", "fetch_model": "models"}
STAGE |= {"fetch_dataset": "data", "fetch_adapter": "models", "normalise_dataset": "data", "done": "data"}


def job(rule: str, gpu: int = 0, **wildcards: str) -> SimpleNamespace:
    """Return a job of ``rule``, whose benchmark and output are named after it."""
    return SimpleNamespace(
        rule=SimpleNamespace(name=rule, snakefile=f"/somewhere/rules/{STAGE[rule]}.smk"),
        output=[f"{rule}.out"],
        benchmark=f"results/benchmarks/{'/'.join([rule, *wildcards.values()])}.tsv",
        wildcards=SimpleNamespace(**wildcards),
        resources=SimpleNamespace(**({"gpu": gpu} if gpu else {})),
    )


def dag(*jobs: SimpleNamespace) -> SimpleNamespace:
    """Return a graph of ``jobs`` and of a target that does nothing."""
    everything = SimpleNamespace(rule=SimpleNamespace(name="all"), output=[], benchmark=None)
    return SimpleNamespace(jobs=[*jobs, everything], needrun=lambda job: job.rule.name != "done")


def told(
    *jobs: SimpleNamespace, study: dict[str, Any] | None = None, expected: dict[str, Any] | None = None
) -> list[str]:
    """Return the lines of the plan, in which a prompt has 500 tokens; by default of the demo."""
    sizes = Sizes(study or demo_config(), 500, Path("results"), ROOT)
    estimator = Estimator(sizes, PRESETS, read_earlier(Path("results")))
    return plan_summary(dag(*jobs), expected or {}, estimator).splitlines()


def row(lines: list[str], stage: str) -> list[str]:
    """Return the cells of a stage: jobs, hours, GPU-hours, disk, dollars."""
    (line,) = [line for line in lines if line.startswith(f"{stage} ")]
    return re.split(r"  +", line)[1:]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_earlier_runs_here_count_first(tmp_path: Path) -> None:
    folder = tmp_path / "results/benchmarks/train/deep"
    folder.mkdir(parents=True)
    for number, seconds in enumerate((1800, 5400, 3600)):
        (folder / f"{number}.tsv").write_text(f"s\th:m:s\n{seconds}\t0:00:00\n")
    (tmp_path / "train.out").write_bytes(b"x" * 3_000_000)
    one = job("train", gpu=2, dataset="logic", model="tiny", method="sft", seed="1")
    lines = told(one, one, job("plot"), expected={"train": (9.0, 9.0), "plot": (720.0, 1.0)})
    assert lines[0] == "Plan: 3 jobs, 2 trainings, 0 evaluations."
    # the median of 0.5, 1 and 1.5 hours is one, twice, on two GPUs each; 2 x 3 MB; 12 minutes of plotting
    assert row(lines, "training") == ["2", "2.0", "4.0", "6 MB", "-"]
    assert row(lines, "report") == ["1", "0.2", "-", "1 MB", "-"]
    assert row(lines, "total") == ["3", "2.2", "4.0", "7 MB", "-"]
    assert (
        lines[-1]
        == "Hours are of jobs one after the other. Jobs judged by earlier runs here 2, by presets 1."
    )


def test_a_job_on_gpus_is_judged_by_its_tokens_and_at_their_price(tmp_path: Path) -> None:
    study = demo_config()
    study["hardware"]["precision"] = "bfloat16"
    study["prices"]["usd_per_gpu_hour"] = 2.5
    study["train"]["budget"] = {"unit": "tokens", "amount": 10**9}
    write_json(tmp_path / "results/models/tiny/manifest.json", {"parameters": 10**9})
    sft = job("train", gpu=4, dataset="logic", model="tiny", method="sft", seed="1")
    lines = told(sft, study=study, expected={"train": (1.0, 1.0)})
    # 6 x 1e9 x 1e9 FLOP at 0.3 x 3.12e14 x 4 GPUs: 16,026 s, and 120 s to start: 4.48 hours, 17.94 GPU-hours
    # rank 8 x 0.033 % of 1e9 weights x 4 bytes
    assert row(lines, "total") == ["1", "at most 4.5", "at most 17.9", "at most 10.6 MB", "-"]
    assert "GPUs: at most 44.85 dollars, at 2.5 an hour." in lines


def far(study: dict[str, Any]) -> dict[str, Any]:
    """Add a teacher behind an API that answers twice, at 1 and 10 dollars per million tokens."""
    study["teachers"]["far"] = {
        **{"kind": "api", "samples": 2, "max_tokens": 1000, "requests_per_minute": 100},
        **{"tokens_per_minute": 10**6, "usd_per_million_input": 1.0, "usd_per_million_output": 10.0},
    }
    return study


def test_dollars_of_an_api_from_rows_and_prices(tmp_path: Path) -> None:
    write_json(tmp_path / "results/data/logic/card.json", {"rows": {"train": 800, "dev": 200, "test": 9}})
    asks = [job("ask_teacher", dataset="logic", teacher="far", shard=shard) for shard in "01"]
    lines = told(*asks, study=far(demo_config()))
    # 1,000 problems x 2 answers x (500 x 1 + 1,000 x 10) per million; 100 requests a minute: 20 minutes
    assert row(lines, "rationales") == ["2", "at most 0.3", "-", "at most 8 MB", "at most 21.00"]
    part = {"requests": 10, "input_tokens": 3000, "output_tokens": 2000, "without_usage": 0}
    ledger = {"asked": part, "reused": dict.fromkeys(part, 0)}
    write_json(tmp_path / "results/prompts/logic/far/cot.ledger.json", ledger)
    # 2,000 answers x (300 x 1 + 200 x 10) per million, as the tournament's took
    assert row(told(*asks, study=far(demo_config())), "rationales")[-1] == "4.60"


def test_what_cannot_be_known_is_said_with_what_it_waits_for() -> None:
    study = far(demo_config())
    study["datasets"]["logic"]["sources"] = [{"kind": "hub", "into": "all"}]
    asks = job("ask_teacher", dataset="logic", teacher="far", shard="0")
    evaluate = job("evaluate", gpu=1, dataset="logic", model="tiny", task="logicbench_greedy")
    lines = told(asks, evaluate, job("plot"), study=study, expected={"plot": (36.0, 1.0)})
    assert row(lines, "rationales") == ["1", "?", "-", "?", "?"]
    assert row(lines, "evaluation") == ["1", "?", "?", "?", "-"]
    assert row(lines, "total") == ["3", "0.010 + ?", "?", "1 MB + ?", "?"]
    card = "results/data/logic/card.json"
    waits = f"Not known: the rows of dataset 'logic', until `snakemake {card}` has counted them"
    # 2 answers to each of 1,000 problems x (500 x 1 + 1,000 x 10) per million
    price = "; at most 21.00 dollars for each thousand of them. Waiting for it: ask_teacher (1)."
    assert [line for line in lines if line.startswith("Not known")] == [
        f"{waits}{price}",
        f"{waits}. Waiting for it: evaluate (1).",
    ]
    assert "Jobs judged by presets 1, not known 2." in "\n".join(lines)


def test_a_rule_that_nobody_measured_is_unknown_and_not_free() -> None:
    assert row(told(job("plot")), "total") == ["1", "?", "-", "?", "-"]


def test_jobs_count_under_their_own_names_in_another_workflow() -> None:
    """It renames rules and has others; a job without a benchmark, as ``all``, costs nothing."""
    ours = [job("train", dataset="logic", model="tiny", method="sft", seed="1"), job("plot")]
    for one in ours:
        one.rule.name = f"ours_{one.rule.name}"
    other = job("train")
    other.benchmark = "benchmarks/train.tsv"
    lines = told(*ours, other, expected={"train": (36.0, 9.0), "plot": (72.0, 1.0)})
    assert lines[0] == "Plan: 2 jobs, 1 trainings, 0 evaluations."
    assert row(lines, "total")[:2] == ["2", "0.030"]


def test_trials_of_a_sweep_count_as_trainings_and_evaluations() -> None:
    named = {"dataset": "logic", "model": "tiny", "method": "dpo", "trial": "0", "seed": "1"}
    study = demo_config()
    study["sweeps"] = {"problems": 4, "methods": {"dpo": {"beta": [0.1, 0.2]}}}
    jobs = [job("train", **named), job("try_settings", **named), job("try_settings", **named)]
    jobs += [job("score_trials", **named, task="logicbench_greedy"), job("choose_settings", **named)]
    lines = told(*jobs, study=study)
    assert lines[0] == "Plan: 5 jobs, 3 trainings, 1 evaluations."
    assert (row(lines, "sweeps")[0], row(lines, "training")[0]) == ("4", "1")


def test_nothing_to_do() -> None:
    assert told(job("done")) == ["Plan: nothing to do."]


def test_amounts_keep_what_is_known_of_them() -> None:
    assert (Amount(1) + Amount(2, at_most=True)).told("3") == "at most 3"
    assert (Amount(1) + UNKNOWN).told("1") == "1 + ?"
    assert UNKNOWN.told("-") == "?"
    assert (Amount(0) + Amount(0)).told("-") == "-"
    assert [hours(s) for s in (0, 1, 36, 360, 36000)] == ["-", "< 0.001", "0.010", "0.1", "10.0"]


def test_stages_are_the_files_of_rules_in_their_order() -> None:
    included = re.findall(r'include: "rules/(\w+)\.smk"', (ROOT / "Snakefile").read_text())
    assert tuple(included) == ("common", "inputs", "check", *STAGES)


def test_what_is_fetched_is_listed_with_its_size_and_licence(tmp_path: Path) -> None:
    (tmp_path / "in/deep").mkdir(parents=True)
    for name, size in (("in/a.json", 400_000), ("in/deep/b.json", 350_000), ("in/c.txt", 9_000_000)):
        (tmp_path / name).write_bytes(bytes(size))
    hub = {"kind": "hub", "repo": "org/x", "revision": "0" * 40, "megabytes": 2000, "licence": "MIT"}
    sources = [
        {"name": "one", **hub},
        {"name": "two", "kind": "local", "path": "in", "files": ["**/*.json"]},
    ]
    study = {
        "datasets": {"d": {"sources": sources, "licence": "CC0"}},
        "models": {"m": hub, "own": {"kind": "local", "path": "in"}},
        "teachers": {"t": {"kind": "adapter", "adapter": hub | {"megabytes": 84}}},
        "prices": {"usd_per_gpu_hour": None},
    }
    jobs = [job("fetch_model", model="own"), job("fetch_dataset", dataset="d")]
    jobs += [job("fetch_model", model="m"), job("fetch_adapter", teacher="t"), job("plot")]
    lines = told(*jobs, study=study, expected={"plot": (36.0, 1.0)})
    assert lines[-6:] == [
        "Fetches: 5, about 4.1 GB, in as long as your network takes.",
        f"  d/one: org/x@{'0' * 40}, 2.0 GB, CC0",
        "  d/two: folder in, 0.75 MB, CC0",
        f"  m: org/x@{'0' * 40}, 2.0 GB, MIT",
        "  own: folder in, 9.4 MB, licence not stated",
        f"  t (adapter): org/x@{'0' * 40}, 84 MB, MIT",
    ]
    # disk is known, and time is the network's
    assert row(lines, "data") == ["1", "?", "-", "2.0 GB", "-"]
    assert row(lines, "total") == ["5", "0.010 + ?", "-", "4.1 GB", "-"]


# The demo, which was measured, does not run them: they wait for a network, a hub or a wish.
NOT_IN_THE_DEMO = {
    *("check", "fetch_dataset", "fetch_model", "ask_prompts", "ask_teacher", "hint_failed"),
    *("judge_rationales", "ask_judge", "judge_answers", "ask_judge_of_answers"),
    *("fetch_adapter", "check_round"),
    *("take_given_pairs", "take_prompts", "export_preferences"),
    *("merge_adapter", "push_adapter"),
    *("try_settings", "score_trials", "choose_settings"),
    *("sample_round", "hint_round", "verify_round", "pair_round"),
}


def test_shipped_measurements_know_every_rule_of_the_demo() -> None:
    named = {rule.name for rule in rules()}
    shipped = read_expected(EXPECTED)
    assert set(shipped) | NOT_IN_THE_DEMO == named and not set(shipped) & NOT_IN_THE_DEMO
    assert all(seconds > 0 for seconds, _ in shipped.values())
