"""Families of models beyond those of the studies, through the trainers with all their gates."""

from pathlib import Path

import pytest

from tests.families import FAMILIES, write_tiny
from tests.training import DPO, HARDWARE, PPO, REWARD, SFT, job, parent, write_rows
from workflow.lib.errors import DataError
from workflow.lib.files import read_json
from workflow.lib.records import Pair, Prompt, SftRow
from workflow.scripts import train_dpo, train_ppo, train_reward, train_sft

WITHOUT_CLASSIFIER = {"granite", "cohere2", "hyperclovax"}
VERIFIED = {**PPO, "start_from": "sft", "rewards": [{"kind": "verifier", "weight": 2.0, "unparsed": -1.0}]}


@pytest.mark.parametrize("family", [name for name in FAMILIES if name not in {"llama", "gpt2"}])
def test_a_family_is_trained(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    snapshot = write_tiny(family, tmp_path / "model")
    hardware = {**HARDWARE, "attention": "eager" if family == "gpt_neo" else "sdpa"}  # which has no other
    train_sft.main(
        **job(tmp_path / "sft", snapshot, "sft", SFT, write_rows(tmp_path, SftRow), hardware=hardware)
    )
    start = parent(tmp_path / "sft")
    pairs = write_rows(tmp_path, Pair)
    settings = {**DPO, "start_from": "sft"}
    train_dpo.main(**job(tmp_path / "dpo", snapshot, "dpo", settings, pairs, start=start, hardware=hardware))
    rows = write_rows(tmp_path, Prompt)
    train_ppo.main(**job(tmp_path / "ppo", snapshot, "ppo", VERIFIED, rows, start=start, hardware=hardware))
    steps = {method: read_json(f"{method}/run.json")["steps"] for method in ("sft", "dpo", "ppo")}
    assert steps == {"sft": 3, "dpo": 3, "ppo": 4}  # PPO: 2 updates of 2 epochs
    of_reward = job(tmp_path / "reward", snapshot, "reward", REWARD, pairs, hardware=hardware)
    if family in WITHOUT_CLASSIFIER:
        with pytest.raises(DataError, match=f"found '{family}', of which transformers has no classifier"):
            train_reward.main(**of_reward)
    else:
        train_reward.main(**of_reward)
