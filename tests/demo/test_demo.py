"""The demo study, run once from raw data to report: what it finds, and what it leaves behind."""

import json
from collections import Counter

import pytest

from tests.studies import CANARIES, ROOT
from workflow.lib.files import read_csv, read_json
from workflow.lib.reasons import JOURNAL, latest

pytestmark = pytest.mark.demo


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


def test_the_plan_ends_a_dry_run(study):
    study.change("config/demo.yaml", "beta: 0.1", "beta: 0.2")
    lines = study.run("--dry-run").splitlines()
    (plan,) = [line for line in lines if line.startswith("Plan:")]
    assert "2 trainings, 7 evaluations" in plan
    (total,) = [line for line in lines[lines.index(plan) :] if line.startswith("total ")]
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
