"""The plan that ends a dry run: from earlier runs here, or from measured runs that ship."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.source import rules
from workflow.lib.plan import plan_summary, read_expected

EXPECTED = Path(__file__).parents[2] / "config/expected/cpu.csv"


def dag(*names: str) -> SimpleNamespace:
    jobs = [
        SimpleNamespace(rule=SimpleNamespace(name=name), output=[f"{name}.out"], benchmark=f"{name}.tsv")
        for name in names
    ]
    everything = SimpleNamespace(rule=SimpleNamespace(name="all"), output=[], benchmark=None)
    return SimpleNamespace(jobs=[*jobs, everything], needrun=lambda job: job.rule.name != "done")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_earlier_runs_here_count_first(tmp_path: Path) -> None:
    folder = tmp_path / "results/benchmarks/train/deep"
    folder.mkdir(parents=True)
    for number, seconds in enumerate((30, 90, 60)):
        (folder / f"{number}.tsv").write_text(f"s\th:m:s\n{seconds}\t0:00:00\n")
    (tmp_path / "results/benchmarks/plot.tsv").write_text("s\th:m:s\n6\t0:00:00\n")
    (tmp_path / "train.out").write_bytes(b"x" * 3_000_000)
    text = plan_summary(
        dag("train", "train", "evaluate", "plot"),
        {"train": (900.0, 90.0), "evaluate": (24.0, 3.0), "plot": (900.0, 1.0)},
        {},
    )
    assert "4 jobs, 2 trainings, 1 evaluations" in text
    # the median of 30, 60 and 90 s is 60 s: 2 x 60 + 24 + 6 s = 2.5 minutes; 2 x 3 + 3 + 1 MB
    assert "about 2.5 minutes" in text and "about 10 MB" in text and "unknown" not in text


def test_trials_of_a_sweep_count_as_trainings_and_evaluations() -> None:
    jobs = dag("train", "try_settings", "try_settings", "score_trials", "choose_settings")
    assert plan_summary(jobs, {}, {}).startswith("Plan: 5 jobs, 3 trainings, 1 evaluations.")


def test_what_nobody_measured_is_said() -> None:
    assert "1 jobs of unknown length" in plan_summary(dag("train", "plot"), {"plot": (6.0, 1.0)}, {})
    assert "no run on this kind of device" in plan_summary(dag("train"), {}, {})


def test_nothing_to_do() -> None:
    assert plan_summary(dag("done"), {}, {}) == "Plan: nothing to do."


def fetching(rule: str, **wildcards: str) -> SimpleNamespace:
    job = dag(rule).jobs[0]
    job.wildcards = SimpleNamespace(**wildcards)
    return job


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
    }
    jobs = [fetching("fetch_model", model="own"), fetching("fetch_dataset", dataset="d")]
    jobs += [fetching("fetch_model", model="m"), fetching("fetch_adapter", teacher="t"), *dag("plot").jobs]
    lines = plan_summary(SimpleNamespace(jobs=jobs, needrun=lambda job: True), {}, study).splitlines()
    assert lines[-6:] == [
        "Fetches: 5, about 4.1 GB on top.",
        f"  d/one: org/x@{'0' * 40}, 2.0 GB, CC0",
        "  d/two: folder in, 0.75 MB, CC0",
        f"  m: org/x@{'0' * 40}, 2.0 GB, MIT",
        "  own: folder in, 9.4 MB, licence not stated",
        f"  t (adapter): org/x@{'0' * 40}, 84 MB, MIT",
    ]


# The demo, which was measured, does not run them: they wait for a network, a hub or a wish.
NOT_IN_THE_DEMO = {
    *("fetch_dataset", "fetch_model", "ask_prompts", "ask_teacher", "hint_failed"),
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
    assert read_expected(EXPECTED.with_name("none.csv")) == {}
