"""Compare the samples of a round with those of the round before; stop the study when too few are right.

Self-training narrows what is said, so the card also tells how many different right texts there are.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from workflow.lib.errors import DataError
from workflow.lib.files import read_json, write_json
from workflow.lib.logs import capture
from workflow.lib.records import Verified, load

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

SPLITS = {"all": ("train", "dev"), "train": ("train",), "dev": ("dev",)}
KEPT = "right"  # verdict on a sample that is right and has no flag that rationales.drop names


def measures(rows: Sequence[Verified]) -> dict[str, Any] | None:
    """Return how many samples were kept and how many different texts they are; ``None`` without samples."""
    if not rows:
        return None
    problems = {row.problem_id for row in rows}
    kept = [row for row in rows if row.verdict == KEPT]
    different = {(row.problem_id, row.text) for row in kept}
    return {
        "problems": len(problems),
        "samples": len(rows),
        "kept": len(kept),
        "verified_yield": len(kept) / len(rows),
        "distinct_right": len(different),
        "distinct_right_per_problem": len(different) / len(problems),
        "distinct_share": len(different) / len(kept) if kept else None,
    }


def by_split(path: str, teachers: Sequence[str], hint: str | None) -> dict[str, Any]:
    """Return the measures of what ``teachers`` said in the file ``path`` without a hint, by split."""
    rows = [row for row in load(path, Verified) if row.teacher in teachers and row.prompt != hint]
    return {name: measures([row for row in rows if row.split in of]) for name, of in SPLITS.items()}


def check_yield(stage: str, now: float, before: float, limit: float, method: str) -> None:
    """Fail if the yield ``now`` is more than the share ``limit`` below the one ``before``."""
    if now < before * (1.0 - limit):
        raise DataError(
            f"{stage}: verified yield: expected at most {limit:.1%} below {before:.1%}, the yield before, "
            f"found {now:.1%}. Fix: learn less in each round (learning_rate, start_from: own), stop earlier "
            f"(rounds.{method}.count), or raise rounds.{method}.max_yield_drop."
        )


def main(
    *,
    verified: str,
    before: str,
    rationales: str,
    preferences: str,
    card: str,
    dataset: str,
    model: str,
    method: str,
    number: int,
    seed: int,
    name: str,
    names_before: Sequence[str],
    hint: str | None,
    settings: dict[str, Any],
) -> None:
    """Write the card of round ``number`` of ``method`` and ``seed``, unless its yield fell too far.

    Args:
        verified: Samples of the round.
        before: Samples of the round before.
        rationales: Card of the round's samples.
        preferences: Card of the round's preferences.
        card: File to write.
        dataset: Whose problems were asked.
        model: Base model.
        method: That goes on.
        number: Of the round, 2 or more.
        seed: Of the study.
        name: Method that answered in this round.
        names_before: Who answered in the round before, and is the same model; nobody: nothing is compared.
        hint: Prompt whose samples saw the answer.
        settings: What the config says of the rounds of ``method``.
    """
    stage = f"round {number} of {method}, {model}, seed {seed}"
    now, then = by_split(verified, [name], hint), by_split(before, names_before, hint)
    print(f"{stage}: {name} {now['all']}; before, {names_before}: {then['all']}")
    if then["all"]:
        limit = settings["max_yield_drop"]
        check_yield(stage, now["all"]["verified_yield"], then["all"]["verified_yield"], limit, method)
    about = {
        "dataset": dataset,
        "stage": stage,
        "funnel": [*read_json(rationales)["funnel"], *read_json(preferences)["funnel"]],
        "answered_by": name,
        "samples": now,
        "before": {"answered_by": list(names_before), "samples": then},
        "settings": settings,
    }
    write_json(card, about)


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        verified=snakemake.input.verified,
        before=snakemake.input.before,
        rationales=snakemake.input.rationales,
        preferences=snakemake.input.preferences,
        card=snakemake.output.card,
        dataset=snakemake.wildcards.dataset,
        model=snakemake.wildcards.model,
        method=snakemake.wildcards.method,
        number=int(snakemake.wildcards.round),
        seed=int(snakemake.wildcards.seed),
        name=snakemake.params.name,
        names_before=snakemake.params.names_before,
        hint=snakemake.params.hint,
        settings=snakemake.params.settings,
    )
