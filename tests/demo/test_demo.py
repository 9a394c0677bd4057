"""The demo study, run once from raw data to report: what it finds, and what runs again after a change."""

import json
import os
import shutil
from collections import Counter

import pytest

from tests.studies import CANARIES, ROOT, Study, clone
from workflow.lib.files import read_csv, read_json
from workflow.lib.reasons import JOURNAL, latest

pytestmark = pytest.mark.demo

AFTER_SCORES = Counter(
    {
        "evaluate_again": 1,
        "score_answers": 1,
        "estimate_scores": 1,
        "compare_methods": 1,
        "compare_categories": 1,
        "compare_subsets": 1,
        "rank_methods": 1,
        **{f"estimate_{name}": 1 for name in ("calibration", "lengths", "noise", "frontier", "efficiency")},
        "collect_examples": 1,
        "collect_provenance": 1,
        "pack_samples": 1,
        "collect_jobs": 1,
        "check_results": 1,
        **{"write_methods": 1, "render_report": 1, "write_crate": 1},
    }
)


@pytest.fixture
def study(demo: Study):
    """Yield the demo's clone; whatever a test changes in its sources is put back."""
    yield demo
    for name in ("rules", "workflow", "config"):
        shutil.rmtree(demo.root / name)
    again = clone(demo.root.with_name("sources"), *demo.configfiles)
    for name in ("rules", "workflow", "config"):
        shutil.move(again.root / name, demo.root / name)
    shutil.rmtree(again.root)


def test_every_method_beats_base_with_an_interval_that_excludes_zero(demo):
    rows = read_csv(demo.root / "results/analysis/deltas.csv")
    found = {
        row["method"]: float(row["low"])
        for row in rows
        if (row["task"], row["metric"], row["against"]) == ("logicbench_sampled", "accuracy", "base")
    }
    assert set(found) == {"sft", "dpo", "orpo", "ppo"}
    assert all(low > 0 for low in found.values()), found


def test_the_reward_model_ranks_held_out_pairs(demo):
    rows = read_csv(demo.root / "results/analysis/rewards.csv")
    (overall,) = [row for row in rows if row["seed"] == "all"]
    assert float(overall["estimate"]) >= 0.8 and int(overall["n"]) > 100


def test_base_is_below_its_ceiling_sampled_and_greedy(demo):
    rows = read_csv(demo.root / "results/analysis/accuracy.csv")
    base = {
        row["task"]: (float(row["low"]), float(row["high"]))
        for row in rows
        if (row["method"], row["seed"], row["metric"]) == ("base", "all", "accuracy")
    }
    assert 0.4 < base["logicbench_sampled"][0] < base["logicbench_sampled"][1] < 0.7
    assert 0.6 < base["logicbench_greedy"][0] < base["logicbench_greedy"][1] < 0.96


def test_no_method_collapses(demo):
    rows = read_csv(demo.root / "results/analysis/accuracy.csv")
    unparsed = {
        (row["method"], row["task"]): float(row["estimate"])
        for row in rows
        if row["metric"] == "unparsed" and row["seed"] == "all"
    }
    assert unparsed and all(share < 0.15 for share in unparsed.values()), unparsed


def test_the_prompt_that_asks_for_steps_wins(demo):
    choice = read_json(demo.root / "results/prompts/logic/choice.json")
    assert choice["choices"]["tiny"]["prompt"] == "cot"


def test_every_file_of_the_report_is_there(demo):
    results = demo.root / "results"
    figures = {path.suffix for path in results.glob("figures/accuracy.*")}
    assert figures == {".svg", ".pdf", ".png", ".csv", ".json"}
    assert len(list(results.glob("figures/*.pdf"))) == 15
    page = (results / "report.html").read_text()
    assert len(page) < 10_000_000 and "not run" not in page
    assert read_json(results / "checks.json")["failed"] == 0


def test_the_journal_and_the_page_tell_why_each_job_ran(demo):
    entries = latest(demo.root / JOURNAL)
    counts = Counter(entry["rule"] for entry in entries)
    assert (counts["train"], counts["evaluate"], counts["render_report"]) == (10, 4, 1)
    assert all(entry["reasons"] for entry in entries)
    assert "Why each job ran" in (demo.root / "results/report.html").read_text()


def test_nothing_of_this_machine_is_in_the_results(demo):
    for path in (demo.root / "results").rglob("*"):
        if path.suffix in (".json", ".html", ".csv", ".md", ".svg", ".yaml"):
            assert str(demo.root) not in path.read_text(encoding="utf-8"), path


def test_a_second_run_has_nothing_to_do(demo):
    assert "Nothing to be done" in demo.run("--dry-run")
    assert demo.planned() == Counter()


def test_touching_and_commenting_and_cloning_run_nothing(study, tmp_path):
    for path in (p for folder in ("rules", "workflow", "config") for p in (study.root / folder).rglob("*.*")):
        os.utime(path)
    module = study.root / "workflow/lib/training.py"
    module.write_text(module.read_text() + "\n# a remark\n")
    assert study.planned() == Counter()
    other = clone(tmp_path / "clone", *study.configfiles)
    for name in ("results", ".snakemake"):
        (other.root / name).symlink_to(study.root / name)
    assert other.planned() == Counter()


def test_a_new_beta_runs_dpo_its_scores_and_what_follows(study):
    study.change("config/demo.yaml", "beta: 0.1", "beta: 0.2")
    curves_and_costs = Counter({"collect_curves": 1, "collect_costs": 1})
    figures = Counter({"plot": 12})  # all but funnel, rewards and sweeps
    assert study.planned() == Counter({"train": 2, "evaluate": 4}) + AFTER_SCORES + curves_and_costs + figures
    listed = study.run("--dry-run")
    assert {line.split("/")[-2] for line in listed.splitlines() if "log: results/logs/train/" in line} == {
        "dpo"
    }


EDITS = {
    "figures": (
        "workflow/lib/figures.py",
        Counter(
            {"plot": 15, "pack_samples": 1, "collect_jobs": 1}
            | {"check_results": 1, "write_methods": 1, "render_report": 1, "write_crate": 1}
        ),
    ),
    "one figure": (
        "workflow/scripts/plot_costs.py",
        Counter({"plot": 1, "render_report": 1, "write_crate": 1}),
    ),
    "one method": (
        "workflow/scripts/train_orpo.py",
        Counter({"train": 2, "evaluate": 4, "plot": 12, "collect_curves": 1, "collect_costs": 1})
        + AFTER_SCORES,
    ),
}


@pytest.mark.parametrize(("path", "jobs"), EDITS.values(), ids=EDITS.keys())
def test_an_edit_of_code_runs_its_importers_and_what_follows(study, path, jobs):
    source = study.root / path
    source.write_text(source.read_text() + "\nEDITED = True\n")
    assert study.planned() == jobs


def test_the_plan_ends_a_dry_run(study):
    study.change("config/demo.yaml", "beta: 0.1", "beta: 0.2")
    lines = study.run("--dry-run").splitlines()
    (plan,) = [line for line in lines if line.startswith("Plan:")]
    assert "2 trainings, 5 evaluations" in plan
    (total,) = [line for line in lines if line.startswith("total ")]
    assert "?" not in total and "MB" in total
    assert any("judged by earlier runs here" in line and "presets" not in line for line in lines)


def test_snakemakes_own_report(demo, tmp_path):
    demo.run("--report", str(tmp_path / "provenance.html"))
    assert (tmp_path / "provenance.html").stat().st_size > 100_000


def test_canary_keys_are_nowhere(demo):
    files = [p for name in ("results", ".snakemake") for p in (demo.root / name).rglob("*") if p.is_file()]
    assert len(files) > 300 and len(CANARIES) == 3
    for path in files:
        content = path.read_bytes()
        assert not any(canary.encode() in content for canary in CANARIES.values()), path


def test_lm_eval_layout(demo):
    path = demo.root / "results/evaluation/logic/tiny/dpo/seed-1/logicbench_sampled.json"
    scores = json.loads(path.read_text())
    assert {"results", "configs", "versions", "n-samples", "higher_is_better", "plumbline"} <= set(scores)


def test_the_shipped_configuration_is_what_ran(demo):
    import yaml

    ran = yaml.safe_load((demo.root / "results/config.yaml").read_text())
    assert ran == yaml.safe_load((ROOT / "config/demo.yaml").read_text())
