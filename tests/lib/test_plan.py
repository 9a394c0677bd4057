"""The plan that ends a dry run, from the benchmark files of earlier runs."""

from types import SimpleNamespace

from workflow.lib.plan import plan_summary


def dag(*names: str) -> SimpleNamespace:
    jobs = [
        SimpleNamespace(rule=SimpleNamespace(name=name), output=[f"{name}.out"], benchmark=f"{name}.tsv")
        for name in names
    ]
    everything = SimpleNamespace(rule=SimpleNamespace(name="all"), output=[], benchmark=None)
    return SimpleNamespace(jobs=[*jobs, everything], needrun=lambda job: job.rule.name != "done")


def test_counts_times_and_disk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results/benchmarks/train/deep"
    folder.mkdir(parents=True)
    for number, seconds in enumerate((30, 90, 60)):
        (folder / f"{number}.tsv").write_text(f"s\th:m:s\n{seconds}\t0:00:00\n")
    (tmp_path / "train.out").write_bytes(b"x" * 3_000_000)
    text = plan_summary(dag("train", "train", "evaluate"))
    assert "3 jobs, 2 trainings, 1 evaluations" in text
    # the median of 30, 60 and 90 s is 60 s; two trainings are 2 minutes, the evaluation is unknown
    assert "about 2.0 minutes" in text and "1 jobs have no earlier run" in text
    assert "about 6 MB" in text


def test_nothing_to_do():
    assert plan_summary(dag("done")) == "Plan: nothing to do."
