"""The same chain on real rows of LogicBench and PIQA, with the demo's tiny model."""

import pytest

from tests.studies import ROOT, Study, clone_with, demo_config, smaller
from workflow.lib.files import read_csv, read_json
from workflow.lib.records import Problem, Sample, load

SHARED = ROOT.parent / "shared/data"
pytestmark = [
    pytest.mark.demo,
    pytest.mark.shared_data,
    pytest.mark.skipif(not SHARED.is_dir(), reason="needs the real rows in ../shared/data"),
]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, snapshot) -> Study:
    """Return the study on real rows after it ran."""
    study = smaller(demo_config(), snapshot)
    logicbench = {"name": "logicbench", "kind": "local", "adapter": "logicbench_bqa", "into": "all"}
    piqa = {"name": "piqa", "kind": "local", "adapter": "piqa", "into": "test"}
    study["datasets"]["logic"]["sources"] = [
        {**logicbench, "path": str(SHARED / "LogicBench"), "files": ["data/*Eval*/BQA/**/*.json"]}
    ]
    study["datasets"]["goals"]["sources"] = [{**piqa, "path": str(SHARED / "piqa"), "files": ["data/*"]}]
    # The tiny teacher never saw such English: nothing it says can be verified, so pairs come from gold.
    study["preferences"]["strategy"] = {"logic": "gold_vs_wrong"}
    study["seeds"] = [1]  # one training of each method shows that the rows pass
    study["hardware"]["max_model_len"] = 1024
    for settings in study["methods"].values():
        settings |= {"max_length": 1024} if "max_length" in settings else {}
    made = clone_with(tmp_path_factory.mktemp("real") / "clone", study)
    made.run()
    return made


def test_every_real_row_is_accounted_for(real):
    card = read_json(real.root / "results/data/logic/card.json")
    assert card["funnel"][0]["rows_in"] == 72  # 3 rules: 12 contexts each, twice 2 questions and once 2
    assert sum(card["rows"].values()) == card["funnel"][-1]["rows_out"] == 72
    goals = load(real.root / "results/data/goals/test.parquet", Problem)
    assert len(goals) == 120 and sum(p.choices.index(p.answer) for p in goals) == 66


def test_every_policy_has_a_score_on_every_real_test_row(real):
    tests = load(real.root / "results/data/logic/test.parquet", Problem)
    for method in ("base", "sft", "dpo", "orpo", "ppo"):
        path = real.root / f"results/evaluation/logic/tiny/{method}/seed-1/logicbench_greedy.parquet"
        assert {s.problem_id for s in load(path, Sample)} == {p.problem_id for p in tests}


def test_the_report_is_there(real):
    assert (real.root / "results/report.html").stat().st_size > 50_000
    rows = read_csv(real.root / "results/analysis/accuracy.csv")
    assert {row["task"] for row in rows} == {"logicbench_sampled", "logicbench_greedy", "piqa", "puzzles"}
