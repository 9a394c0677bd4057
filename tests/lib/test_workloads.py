"""Requests and tokens of a job, by hand."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.source import ROOT, rules
from tests.studies import demo_config
from workflow.lib.files import write_json
from workflow.lib.workloads import WORKLOADS, Sizes, UnknownError, Work

API = {"kind": "api", "samples": 2, "max_tokens": 100}
VLLM = {"kind": "vllm", "model": "tiny", "samples": 6, "max_tokens": 64}


@pytest.fixture
def study() -> dict[str, Any]:
    study = demo_config()
    study["teachers"] = {"far": API, "near": VLLM}
    study["rationales"] |= {"shards": 4, "judge": {"by": None, "compare": {"pairs": 3}}}
    study["prompts"]["slice"] = 120
    return study


def work(study: dict[str, Any], folder: Path, rule: str, **wildcards: str) -> Work:
    """Return the work of a job, where a prompt has 10 tokens."""
    return WORKLOADS[rule](Sizes(study, 10, folder, ROOT), SimpleNamespace(dataset="logic", **wildcards))


def carded(folder: Path, **rows: int) -> None:
    write_json(folder / "data/logic/card.json", {"rows": rows})


def test_rows_are_those_of_the_card_or_those_that_the_generators_are_asked_for(
    study: dict[str, Any], tmp_path: Path
) -> None:
    sizes = Sizes(study, 10, tmp_path, ROOT)
    # 1,500 of logic: 60 % train, 15 % dev, 25 % test; all 200 goals are test
    assert [sizes.rows("logic", s) for s in ("train", "dev", "test")] == pytest.approx([900, 225, 375])
    assert (sizes.rows("goals", "test"), sizes.rows("goals", "train", "dev")) == (200, 0)
    study["datasets"]["logic"]["sources"][0]["into"] = "train"  # what would be test is train as well
    assert [sizes.rows("logic", s) for s in ("train", "dev", "test")] == pytest.approx([1275, 225, 0])
    carded(tmp_path, train=876, dev=231, test=382)
    assert sizes.rows("logic", "train", "dev") == 1107
    study["datasets"]["goals"]["sources"][0] = {"kind": "hub", "into": "all"}
    with pytest.raises(UnknownError, match=r"rows of dataset 'goals', until `snakemake .*card\.json`"):
        sizes.rows("goals", "test")


def test_a_tournament_and_a_shard(study: dict[str, Any], tmp_path: Path) -> None:
    carded(tmp_path, train=900, dev=100, test=0)
    # 120 problems of dev x 2 samples, 10 tokens to read and 100 to write at the most
    assert work(study, tmp_path, "ask_prompts", teacher="far") == Work(requests=240, read=2400, written=24000)
    # 1,000 problems in 4 shards x 6 samples
    assert work(study, tmp_path, "sample_rationales", teacher="near") == Work("tiny", 0, 15000, 96000)
    # hints go to train alone: 900 / 4 x 6
    assert work(study, tmp_path, "hint_failed", teacher="near").written == 1350 * 64


def test_judges(study: dict[str, Any], tmp_path: Path) -> None:
    carded(tmp_path, train=900, dev=100, test=0)
    # 250 problems of a shard: each its own 2 rationales, and 3 pairs in both orders; 100 tokens of text
    judged = work(study, tmp_path, "ask_judge", teacher="far")
    assert (judged.requests, judged.read) == (250 * 8, 250 * 8 * 110)
    study["rationales"]["judge"] = {"by": "far", "compare": None}
    # all 2 + 6 rationales, no pairs
    assert work(study, tmp_path, "ask_judge", teacher="far").requests == 250 * 8
    study["evaluation"]["judge"] = {"problems": 50}
    # 50 problems x 2 repeats x 4 trained policies x 2 seeds x 2 orders; two answers of 64 tokens are shown
    found = work(study, tmp_path, "ask_judge_of_answers", teacher="far", task="logicbench_sampled")
    assert (found.requests, found.read / found.requests) == (1600, 138)


def test_trainings_by_what_they_learn_from(study: dict[str, Any], tmp_path: Path) -> None:
    carded(tmp_path, train=100, dev=0, test=0)
    study["preferences"] |= {"max_sft_per_problem": 3, "max_pairs_per_problem": 5}
    # 100 problems x 3 completions x 192 tokens x 2 epochs
    assert work(study, tmp_path, "train", method="sft", model="tiny") == Work(
        "tiny", learned=115200, adapters=1
    )
    # 100 x 5 pairs x 2 texts x 192 tokens, once more for a reference
    dpo = Work("tiny", read=192000, learned=192000, adapters=1)
    assert work(study, tmp_path, "train", method="dpo", model="tiny") == dpo
    study["train"]["shares"] = {"dpo": 0.25}
    assert work(study, tmp_path, "train", method="dpo", model="tiny").learned == 48000
    # 30 updates of 32 answers of 10 + 64 tokens: sampled, read by three, learned once
    ppo = Work("tiny", read=960 * 74 * 3, drawn=960 * 64, learned=960 * 74, adapters=1)
    assert work(study, tmp_path, "train", method="ppo", model="tiny") == ppo
    study["hardware"]["rollouts"] = "vllm"
    assert work(study, tmp_path, "train", method="ppo", model="tiny").written == 960 * 64
    card = {"sft": {"train": 7, "dev": 1}, "pairs": {"train": 9, "dev": 1}, "prompts": {"train": 8, "dev": 1}}
    write_json(tmp_path / "preferences/logic/card.json", {"rows_per_split": card})
    assert work(study, tmp_path, "train", method="sft", model="tiny").learned == 7 * 192 * 2
    grpo = {"learns_from": "prompts", "epochs": 2, "group_size": 5, "max_new_tokens": 20}
    study["methods"]["grpo"] = grpo | {"epochs_per_batch": 3}
    # 8 prompts x 2 epochs x 5 answers of 10 + 20 tokens
    assert work(study, tmp_path, "train", method="grpo", model="tiny").learned == 80 * 30 * 3


@pytest.mark.parametrize(
    ("unit", "found"),
    [
        ("tokens", {"learned": 1000}),
        ("steps", {"learned": 1000 * 16 * 2 * 192}),
        ("pairs", {"learned": 1000 * 2 * 192}),
        ("seconds", {"seconds": 1000}),
    ],
)
def test_a_budget_takes_the_place_of_epochs(
    study: dict[str, Any], tmp_path: Path, unit: str, found: dict[str, float]
) -> None:
    study["train"]["budget"] = {"unit": unit, "amount": 1000}
    expected = Work("tiny", adapters=1, **found)
    assert work(study, tmp_path, "train", method="dpo", model="tiny") == expected


def test_scores(study: dict[str, Any], tmp_path: Path) -> None:
    carded(tmp_path, train=0, dev=0, test=100)
    # base, SFT, DPO, ORPO and PPO x 2 seeds x 100 problems x 2 repeats
    sampled = work(study, tmp_path, "evaluate", model="tiny", task="logicbench_sampled")
    assert sampled == Work("tiny", read=20000, drawn=128000)
    study["evaluation"]["backend"] = {"kind": "vllm"}
    assert work(study, tmp_path, "evaluate", model="tiny", task="logicbench_sampled").written == 128000
    # 200 goals, two options each
    options = work(study, tmp_path, "evaluate", model="tiny", task="piqa")
    assert options == Work("tiny", read=200 * 10 * 2 * 10)
    # one reward model reads 200 answers of 74 tokens; scoring: 10 policies, one scorer, and divergence by two
    assert work(study, tmp_path, "evaluate_rewards", model="tiny", task="logicbench_sampled").read == 14800
    scored = work(study, tmp_path, "score_answers", model="tiny", task="logicbench_sampled")
    assert scored.read == 14800 * 10 * 3
    study["sweeps"] = {"problems": 40, "methods": {"dpo": {"beta": [1, 2], "learning_rate": [1, 2, 3]}}}
    trials = work(study, tmp_path, "score_trials", model="tiny", method="dpo", task="logicbench_greedy")
    assert trials.written == 40 * 6 * 64


def test_rounds_and_merging(study: dict[str, Any], tmp_path: Path) -> None:
    carded(tmp_path, train=900, dev=100, test=0)
    study["rounds"] = {"dpo": {"samples": 3, "max_tokens": 50, "count": 2, "start_from": "own"}}
    sampled = work(study, tmp_path, "sample_round", method="dpo", model="tiny")
    assert sampled == Work("tiny", read=250 * 3 * 10, written=250 * 3 * 50)
    assert work(study, tmp_path, "merge_adapter", model="tiny") == Work("tiny")


def test_every_rule_on_a_gpu_or_an_api_has_a_workload() -> None:
    asking = {rule.name for rule in rules() if {"gpu", "api"} & rule.names("resources")}
    assert asking == set(WORKLOADS)
