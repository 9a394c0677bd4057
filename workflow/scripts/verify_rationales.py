"""Read the answer of every sample, judge it, and count what was asked, answered, parsed and right."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from workflow.lib.detection import detection, label_detection
from workflow.lib.errors import DataError, raise_all
from workflow.lib.files import read_jsonl, sha256, write_json
from workflow.lib.hints import read_hinted, told_by_hint
from workflow.lib.logs import capture
from workflow.lib.opinions import about_judging, heard, read_opinions
from workflow.lib.parquet import write_parquet
from workflow.lib.problems import IN_WORDS, Suspicion, signals_of, suspects, vote_statistics
from workflow.lib.records import Problem, ProblemSignals, Rationale, Verified, load, table
from workflow.lib.signals import Limits
from workflow.lib.verification import (
    check_failures,
    counts_by,
    flagged,
    funnel,
    incomplete,
    quality_by,
    verify,
)

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

MOST_SUSPECTS = 20  # shown on the card; problems.parquet has them all


@dataclass(frozen=True)
class VerificationSettings:
    """The section ``rationales`` of the config."""

    shards: int
    hint_failed: str | None  # prompt of the samples that were given the answer
    ambiguous_by: str  # measure of the samples' agreement
    ambiguous_below: float  # agreement under which a problem is ambiguous
    max_failed_fraction: float  # of a teacher's samples, without an answer that could be read
    suspect_share: float  # of the answers read, for one other answer than gold
    suspect_votes: int  # answers read, at least, before a label is suspect
    quality: dict[str, Any]  # see ``Limits``
    judge: dict[str, Any] | None  # see ``workflow.lib.opinions``
    drop: list[str]  # flags of rationales that are not learned from


def read_rationales(paths: list[str], splits: dict[str, str]) -> list[Rationale]:
    """Return the samples in all shards, by problem, teacher and index, after checking that none lacks.

    Args:
        paths: JSON Lines files; all shards of a teacher that was dropped are empty.
        splits: Split of every problem that was asked, by problem.
    """
    shards = [[Rationale(**record) for record in read_jsonl(path)] for path in paths]
    rows = [row for shard in shards for row in shard]
    print(f"{len(rows)} samples in {len(shards)} shards, {shards.count([])} of them empty")
    if not rows:
        raise DataError("no teacher gave any sample. Fix: look at results/prompts/*/choice.json.")
    for teacher in sorted({row.teacher for row in rows}):
        lines = incomplete((row for row in rows if row.teacher == teacher), splits)
        raise_all([f"rationales of teacher '{teacher}': {line}. Fix: sample again." for line in lines])
    return sorted(rows, key=lambda row: (row.problem_id, row.teacher, row.index))


def about(
    rows: list[Verified], signals: list[ProblemSignals], settings: VerificationSettings
) -> dict[str, Any]:
    """Return what the card tells: funnel, counts, quality, votes, and how well marks find bad problems."""
    agreement = IN_WORDS[settings.ambiguous_by]
    suspect = f"{settings.suspect_share} of at least {settings.suspect_votes} answers are one other answer"
    return {
        "stage": "rationales",
        "funnel": funnel(rows),
        "by_teacher": counts_by(rows, "teacher", "prompt"),
        "by_category": counts_by(rows, "teacher", "category"),
        "quality": quality_by(rows, "teacher"),
        "votes": vote_statistics(signals),
        "ambiguity_rule": f"gold answer and {agreement} below {settings.ambiguous_below}",
        "detection": detection(signals, settings.ambiguous_by),
        "suspect_rule": f"gold answer, and {suspect}",
        "suspects": suspects(signals, MOST_SUSPECTS),
        "label_detection": label_detection(signals),
        "settings": asdict(settings),
    }


def main(
    *,
    train: str,
    dev: str,
    rationales: list[str],
    hinted: list[str],
    judged: list[str],
    verified: str,
    problems: str,
    card: str,
    dataset: str,
    settings: dict[str, Any],
) -> None:
    """Judge the samples in ``rationales``; write them, what they say of their problems, and the card."""
    chosen = VerificationSettings(**settings)
    asked = {"train": load(train, Problem), "dev": load(dev, Problem)}
    known = {p.problem_id: p for rows in asked.values() for p in rows}
    splits = {p.problem_id: split for split, rows in asked.items() for p in rows}
    given = [*read_rationales(rationales, splits), *read_hinted(hinted, splits)]
    hint = chosen.hint_failed
    found = verify(given, known, chosen.ambiguous_below, hint, chosen.ambiguous_by)
    opinions = read_opinions(judged, found)
    rows = flagged(heard(told_by_hint(found, hint), opinions), Limits(**chosen.quality), chosen.drop)
    voters = [row for row in rows if row.prompt != hint]
    check_failures(voters, chosen.max_failed_fraction)
    signals = signals_of(voters, known, Suspicion(chosen.suspect_share, chosen.suspect_votes))
    note = {"inputs": [sha256(path) for path in [*rationales, *hinted, *judged]]}
    write_parquet(verified, table(rows, Verified), note)
    write_parquet(problems, table(signals, ProblemSignals), note)
    judging = about_judging(rows, opinions) if judged else None
    write_json(card, {"dataset": dataset, **about(rows, signals, chosen), "judging": judging})


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        train=snakemake.input.train,
        dev=snakemake.input.dev,
        rationales=list(snakemake.input.rationales),
        hinted=list(snakemake.input.hinted),
        judged=list(snakemake.input.judged),
        verified=snakemake.output.verified,
        problems=snakemake.output.problems,
        card=snakemake.output.card,
        dataset=snakemake.wildcards.dataset,
        settings=snakemake.params.settings,
    )
