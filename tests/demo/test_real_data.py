"""The same chain on real rows of LogicBench and PIQA, with the demo's tiny model."""

from copy import deepcopy
from typing import Any

import pytest

from tests.studies import ROOT, Study, clone_with, demo_config, smaller
from workflow.lib.files import read_csv, read_json
from workflow.lib.records import Pair, Problem, Sample, Verified, load

SHARED = ROOT.parent / "shared/data"
pytestmark = [
    pytest.mark.demo,
    pytest.mark.shared_data,
    pytest.mark.skipif(not SHARED.is_dir(), reason="needs the real rows in ../shared/data"),
]


RATIONALES_OF_PIQA = "results/preferences/piqa/card.json"  # and all that it is made from


def on_real_rows(study: dict[str, Any]) -> dict[str, Any]:
    """Return ``study`` with real rows in place of generated ones; PIQA's are tested on, and asked as well."""
    logicbench = {"name": "logicbench", "kind": "local", "adapter": "logicbench_bqa", "into": "all"}
    piqa = {"name": "piqa", "kind": "local", "adapter": "piqa", "into": "test"}
    study["datasets"]["logic"]["sources"] = [
        {**logicbench, "path": str(SHARED / "LogicBench"), "files": ["data/*Eval*/BQA/**/*.json"]}
    ]
    piqa |= {"path": str(SHARED / "piqa"), "files": ["data/*"]}
    study["datasets"]["goals"]["sources"] = [piqa]
    study["datasets"]["piqa"] = {
        **deepcopy(study["datasets"]["goals"]),
        "sources": [{**deepcopy(piqa), "into": "all"}],
        "split": {"seed": 7, "dev": 0.2, "test": 0.2},
    }
    # The tiny teacher never saw such English: nothing it says can be verified, so pairs come from gold.
    study["preferences"]["strategy"] = {"logic": "gold_vs_wrong", "piqa": "gold_vs_wrong"}
    study["seeds"] = [1]  # one training of each method shows that the rows pass
    study["hardware"]["max_model_len"] = 1024
    for settings in study["methods"].values():
        settings |= {"max_length": 1024} if "max_length" in settings else {}
    return study


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, snapshot) -> Study:
    """Return the study on real rows after it ran."""
    study = on_real_rows(smaller(demo_config(), snapshot))
    made = clone_with(tmp_path_factory.mktemp("real") / "clone", study)
    made.run()
    made.run("--", RATIONALES_OF_PIQA)
    return made


def test_every_real_row_is_accounted_for(real):
    card = read_json(real.root / "results/data/logic/card.json")
    assert card["funnel"][0]["rows_in"] == 72  # 3 rules: 12 contexts each, twice 2 questions and once 2
    assert sum(card["rows"].values()) == card["funnel"][-1]["rows_out"] == 72
    goals = load(real.root / "results/data/goals/test.parquet", Problem)
    assert len(goals) == 120 and sum(p.choices.index(p.answer) for p in goals) == 66


@pytest.mark.parametrize("dataset", ["logic", "piqa"])
def test_the_teacher_is_asked_every_real_problem_and_every_answer_is_judged(real, dataset):
    folders = {
        stage: real.root / f"results/{stage}/{dataset}" for stage in ("data", "rationales", "preferences")
    }
    asked = {
        p.problem_id: p
        for split in ("train", "dev")
        for p in load(folders["data"] / f"{split}.parquet", Problem)
    }
    rows = load(folders["rationales"] / "verified.parquet", Verified)
    assert sorted((r.problem_id, r.index) for r in rows) == sorted((p, i) for p in asked for i in range(4))
    funnel = read_json(folders["rationales"] / "card.json")["funnel"]
    assert funnel[0]["rows_in"] == 4 * len(asked) > 200
    assert {r.verdict for r in rows} <= {"right", "wrong", "unparsed", "truncated"}
    assert all(r.parsed in asked[r.problem_id].choices for r in rows if r.verdict in ("right", "wrong"))
    pairs = load(folders["preferences"] / "pairs.parquet", Pair)
    assert {p.problem_id for p in pairs} == {
        key for key in asked if key not in left_out(folders["preferences"])
    }
    for pair in pairs:
        problem = asked[pair.problem_id]
        assert pair.chosen == problem.answer and {pair.chosen, pair.rejected} == set(problem.choices)


def left_out(folder):
    """Return the problems that a card of preferences says were left out."""
    return {key for keys in read_json(folder / "card.json")["left_out"].values() for key in keys}


def test_every_policy_has_a_score_on_every_real_test_row(real):
    tests = load(real.root / "results/data/logic/test.parquet", Problem)
    for method in ("base", "sft", "dpo", "orpo", "ppo"):
        path = real.root / f"results/evaluation/logic/tiny/{method}/seed-1/logicbench_greedy.parquet"
        assert {s.problem_id for s in load(path, Sample)} == {p.problem_id for p in tests}


def test_the_report_is_there(real):
    assert (real.root / "results/report.html").stat().st_size > 50_000
    rows = read_csv(real.root / "results/analysis/accuracy.csv")
    assert {row["task"] for row in rows} == {"logicbench_sampled", "logicbench_greedy", "piqa", "puzzles"}
