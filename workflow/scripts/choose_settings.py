"""Choose the settings of one method by the study's rule, from the scores of its trials on dev."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow.lib.files import read_json, write_json
from workflow.lib.logs import capture
from workflow.lib.records import Sample, load
from workflow.lib.statistics import Settings
from workflow.lib.sweeps import IN_WORDS, Trial, chosen, entries_of

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def read_trial(folder: str, scores: str) -> Trial:
    """Return the trial in ``folder`` with its answers among the ``scores``, none where it failed."""
    outcome = read_json(Path(folder) / "trial.json")
    path = Path(scores) / f"trial-{outcome['trial']}.parquet"
    samples = load(path, Sample) if outcome["failure"] is None else []
    return Trial(outcome["trial"], outcome["settings"], samples, outcome["failure"])


def main(
    *,
    trials: Sequence[str],
    scores: str,
    choice: str,
    sweep: Mapping[str, Any],
    dataset: str,
    model: str,
    method: str,
) -> None:
    """Write the table of all trials and the choice among them."""
    tried = [read_trial(folder, scores) for folder in trials]
    entries = entries_of(tried, Settings(**sweep["intervals"], examples=0))
    taken = chosen(entries, sweep["rule"])
    about = {
        **{"dataset": dataset, "model": model, "method": method},
        **{key: sweep[key] for key in ("task", "seed", "rule")},
        "rule_in_words": IN_WORDS[sweep["rule"]],
        "trials": len(tried),
        "failed": sum(trial.failure is not None for trial in tried),
        "trial": taken.trial.number,
        "settings": dict(taken.trial.settings),
        "table": [entry.row() for entry in entries],
    }
    print(f"{about['trials']} trials, {about['failed']} failed; choice: {about['settings']}")
    write_json(choice, about)


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        trials=snakemake.input.trials,
        scores=snakemake.input.scores,
        choice=snakemake.output.choice,
        sweep=snakemake.params.sweep,
        dataset=snakemake.wildcards.dataset,
        model=snakemake.wildcards.model,
        method=snakemake.wildcards.method,
    )
