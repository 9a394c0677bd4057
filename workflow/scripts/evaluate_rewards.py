"""Rank right above wrong samples of the base on held-out problems with the reward model.

Every right answer of a problem is paired with every wrong one (the same text counts once). The reward of
an answer is the score at its last token, of the conversation as training renders it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from workflow.lib.answer_scores import rewards_of
from workflow.lib.chat import render
from workflow.lib.files import read_json, sha256, write_json
from workflow.lib.logs import capture
from workflow.lib.models import load_scorer, load_tokenizer
from workflow.lib.parquet import write_parquet
from workflow.lib.policies import load_policies
from workflow.lib.records import Sample, load

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

TIE = 0.5  # what a pair with equal rewards counts
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("dataset", "model", "method", "task")),
        ("seed", pa.int64()),
        *((name, pa.string()) for name in ("problem_id", "group_id", "category", "chosen", "rejected")),
        *((name, pa.float64()) for name in ("chosen_reward", "rejected_reward", "correct")),
    ]
)


@dataclass(frozen=True)
class Ranking:
    """A right and a wrong answer to the same prompt."""

    right: Sample
    wrong: Sample


def rankings_of(samples: Sequence[Sample]) -> list[Ranking]:
    """Return all pairs of a right and a wrong answer to the same problem, equal texts taken once."""
    answers: dict[str, dict[str, Sample]] = {}
    for sample in samples:
        answers.setdefault(sample.problem_id, {}).setdefault(sample.text, sample)
    return [
        Ranking(right, wrong)
        for texts in answers.values()
        for right in texts.values()
        for wrong in texts.values()
        if right.score == 1.0 and wrong.score == 0.0
    ]


def row_of(method: str, ranking: Ranking, chosen_reward: float, rejected_reward: float) -> dict[str, Any]:
    """Return the row of one pair as the reward model ``method`` scored it."""
    right = ranking.right
    return {
        "method": method,
        **{name: getattr(right, name) for name in ("dataset", "model", "seed", "task")},
        **{name: getattr(right, name) for name in ("problem_id", "group_id", "category")},
        "chosen": right.text,
        "rejected": ranking.wrong.text,
        "chosen_reward": chosen_reward,
        "rejected_reward": rejected_reward,
        "correct": TIE if chosen_reward == rejected_reward else float(chosen_reward > rejected_reward),
    }


def summary_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return accuracy and mean margin of scored pairs; nulls where there is no pair."""
    margins = [row["chosen_reward"] - row["rejected_reward"] for row in rows]
    return {
        "n": len(rows),
        "groups": len({row["group_id"] for row in rows}),
        "accuracy": fmean(row["correct"] for row in rows) if rows else None,
        "margin": fmean(margins) if rows else None,
    }


def main(
    *,
    samples: str,
    adapter: str,
    settings: str,
    manifest: str,
    snapshot: str,
    scores: str,
    pairs: str,
    method: str,
    hardware: Mapping[str, Any],
) -> None:
    """Write the scored pairs and their summary."""
    rankings = rankings_of(load(samples, Sample))
    tokenizer = load_tokenizer(snapshot)
    about = read_json(manifest)
    base = load_scorer(snapshot, hardware, pad=tokenizer.pad_token_id, seed=0)
    scorer = load_policies(base, {"reward": Path(adapter).parent}, model=about["model"])
    sides = [[render(tokenizer, r.right.prompt, s.text) for s in (r.right, r.wrong)] for r in rankings]
    texts = [text for side in sides for text in side]
    rewards = rewards_of(scorer, tokenizer, texts, hardware["evaluation_batch"])
    rows = [
        row_of(method, ranking, rewards[good], rewards[bad])
        for ranking, (good, bad) in zip(rankings, sides, strict=True)
    ]
    inputs = {"adapter": sha256(adapter), "adapter_config": sha256(settings), "samples": sha256(samples)}
    identity = {**inputs, "base": about["digest"], "hardware": dict(hardware)}
    write_parquet(pairs, pa.Table.from_pylist(rows, schema=SCHEMA), note=inputs)
    write_json(scores, {**summary_of(rows), "plumbline": identity})


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        samples=snakemake.input.samples,
        adapter=snakemake.input.adapter,
        settings=snakemake.input.settings,
        manifest=snakemake.input.manifest,
        snapshot=snakemake.input.snapshot,
        scores=snakemake.output.scores,
        pairs=snakemake.output.pairs,
        method=snakemake.wildcards.method,
        hardware=snakemake.params.hardware,
    )
