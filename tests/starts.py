"""Adapters on a tiny model that trainings on prompts start from, or are rewarded by."""

from dataclasses import replace
from pathlib import Path

from tests.training import REWARD, SFT, job, parent, write_rows
from workflow.lib.parquet import write_parquet
from workflow.lib.records import Pair, SftRow, load, table
from workflow.scripts import train_reward, train_sft


def train_scorer(folder: Path, snapshot: Path) -> list[str]:
    """Return a trained reward adapter."""
    train_reward.main(**job(folder / "reward", snapshot, "reward", REWARD, write_rows(folder, Pair)))
    return parent(folder / "reward")


def train_to_say_both(folder: Path, snapshot: Path) -> list[str]:
    """Return an SFT adapter that says yes and no to every prompt, each about every other time."""
    path = Path(write_rows(folder, SftRow))
    both = [
        replace(row, row_id=f"{row.row_id}-{word}", completion=f"answer:{word}")
        for row in load(path, SftRow)
        for word in ("yes", "no")
    ]
    write_parquet(path, table(both, SftRow))
    train_sft.main(**job(folder / "sft", snapshot, "sft", {**SFT, "epochs": 30}, str(path)))
    return parent(folder / "sft")
