"""Two rounds of DPO from raw data to report, and then the adapter of one study as a teacher in another."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.studies import Study, clone_with, demo_config, smaller
from workflow.lib.files import read_csv, read_json, read_jsonl, sha256
from workflow.lib.lora import SETTINGS, WEIGHTS
from workflow.lib.records import Pair, Verified, load

pytestmark = pytest.mark.demo
ROUND = Path("results/rounds/logic/tiny/dpo/seed-1/round-2")
ADAPTERS = Path("results/adapters/logic/tiny")


@pytest.fixture(scope="module")
def rounds(tmp_path_factory: pytest.TempPathFactory, snapshot) -> Study:
    """Return a study of SFT and two rounds of DPO after it ran."""
    study = smaller(demo_config(), snapshot)
    study["seeds"] = [1]
    study["prompts"] |= {"candidates": ["cot"]}
    study["rationales"]["shards"] = 1
    study["methods"] = {name: study["methods"][name] for name in ("sft", "dpo")}
    sampled = {"samples": 4, "temperature": 0.7, "top_p": 1.0, "max_tokens": 64, "seed": 3}
    study["rounds"] = {"dpo": {"count": 2, "start_from": "previous", **sampled, "max_yield_drop": 0.9}}
    task = study["evaluation"]["tasks"]["logicbench_greedy"]
    study["evaluation"] |= {"tasks": {"logicbench_greedy": task}, "scorers": {}}  # no reward model is trained
    study["study"]["primary"] = {"task": "logicbench_greedy", "method": "dpo-round-2", "against": "sft"}
    made = clone_with(tmp_path_factory.mktemp("rounds") / "clone", study)
    made.run()
    return made


def test_the_adapter_of_round_one_answered_what_round_two_learned_from(rounds):
    first = load(rounds.root / "results/rationales/logic/verified.parquet", Verified)
    second = load(rounds.root / ROUND / "rationales/verified.parquet", Verified)
    assert {row.teacher for row in first} == {"tiny"} and {row.teacher for row in second} == {"dpo"}
    keys = [{(row.problem_id, row.split, row.index) for row in rows} for rows in (first, second)]
    assert keys[0] == keys[1]  # the same problems, as often
    said = {row.text for row in second if row.verdict == "right"}
    pairs = load(rounds.root / ROUND / "preferences/pairs.parquet", Pair)
    assert pairs and {pair.chosen.strip() for pair in pairs} <= {text.strip() for text in said}
    log = (rounds.root / "results/logs/sample_round/logic/tiny/dpo/seed-1/round-2/shard-0.log").read_text()
    assert "the adapter changes a log-probability by up to " in log


def test_round_two_started_from_round_one(rounds):
    run = read_json(rounds.root / ADAPTERS / "dpo-round-2/seed-1/run.json")
    assert run["settings"]["start_from"] == "dpo"
    assert run["inputs"]["start"] == sha256(rounds.root / ADAPTERS / "dpo/seed-1" / WEIGHTS)
    pairs = rounds.root / ROUND / "preferences/pairs.parquet"
    assert run["inputs"]["pairs.parquet"] == sha256(pairs)


def test_round_two_is_scored_compared_and_shown_as_a_method(rounds):
    rows = read_csv(rounds.root / "results/analysis/deltas.csv")
    compared = {(row["method"], row["against"], row["primary"]) for row in rows}
    assert ("dpo-round-2", "sft", "true") in compared and ("dpo-round-2", "base", "false") in compared
    stages = {row["stage"] for row in read_csv(rounds.root / "results/analysis/funnel.csv")}
    assert "round 2 of dpo, tiny, seed 1" in stages
    assert "DPO round-2" in (rounds.root / "results/report.html").read_text()
    card = read_json(rounds.root / ROUND / "card.json")
    assert card["before"]["answered_by"] == ["tiny"]
    assert card["samples"]["all"]["distinct_right"] <= card["samples"]["all"]["kept"]
    assert not rounds.planned()  # nothing is left to do


def test_the_adapter_is_a_teacher_of_another_study(rounds):
    study = yaml.safe_load((rounds.root / "config/study.yaml").read_text())
    adapter = {"kind": "local", "path": str(ADAPTERS / "dpo-round-2/seed-1")}
    study["teachers"]["tuned"] = {**study["teachers"]["tiny"], "kind": "adapter", "adapter": adapter}
    (rounds.root / "config/other.yaml").write_text(yaml.safe_dump(study))
    other = replace(rounds, configfiles=("config/other.yaml",))
    other.run("--nocolor", "results/prompts/logic/tuned/cot.jsonl")
    rows = {
        name: read_jsonl(rounds.root / f"results/prompts/logic/{name}/cot.jsonl")
        for name in ("tiny", "tuned")
    }
    assert [row["seed"] for row in rows["tuned"]] == [row["seed"] for row in rows["tiny"]]
    assert [row["text"] for row in rows["tuned"]] != [row["text"] for row in rows["tiny"]]
    about = read_json(rounds.root / "results/teachers/tuned/manifest.json")
    source = rounds.root / adapter["path"]
    assert about["files"] == {name: sha256(source / name) for name in (WEIGHTS, SETTINGS)}
