"""Estimate how far each policy's confidence can be believed, on the tasks that score options.

The reliability table has the accuracy of the answers of like confidence, the selective table that of the most
confident share of all answers, chosen once and not anew in each resample.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from workflow.lib.calibration import (
    BINS,
    Confidences,
    bins_of,
    calibration_error,
    confidences,
    most_confident,
)
from workflow.lib.files import write_csv
from workflow.lib.indices import files_of
from workflow.lib.logs import capture
from workflow.lib.samples import grouped, load_samples
from workflow.lib.statistics import Estimate, Settings, mean, rounded

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

RUN = ["dataset", "model", "task", "method"]
NUMBERS = ["n", "groups", "estimate", "low", "high", "interval"]
CALIBRATION = [*RUN, "quantity", *NUMBERS]
RELIABILITY = [*RUN, "bin_low", "bin_high", "confidence", *NUMBERS]
SELECTIVE = [*RUN, "coverage", "least_confidence", *NUMBERS]
COVERAGES = [share / 10 for share in range(1, 11)]

Row = dict[str, Any]


def of_places(found: Confidences, places: Any, settings: Settings) -> Estimate:
    """Return the accuracy of the answers at ``places``."""
    return mean(found.right[places], [found.groups[place] for place in places], settings)


def calibration(found: Confidences, settings: Settings) -> Iterator[Row]:
    """Yield mean confidence, accuracy, calibration error and Brier score."""
    yield {"quantity": "confidence"} | mean(found.confidence, found.groups, settings).cells("estimate")
    yield {"quantity": "accuracy"} | mean(found.right, found.groups, settings).cells("estimate")
    yield {"quantity": "calibration_error"} | calibration_error(found, settings).cells("estimate")
    yield {"quantity": "brier"} | mean(found.brier, found.groups, settings).cells("estimate")


def reliability(found: Confidences, settings: Settings) -> Iterator[Row]:
    """Yield mean confidence and accuracy of each bin that has answers."""
    owners = bins_of(found.confidence)
    for number in range(BINS):
        places = np.flatnonzero(owners == number)
        if len(places):
            ends = {"bin_low": number / BINS, "bin_high": (number + 1) / BINS}
            stated = {"confidence": rounded(float(found.confidence[places].mean()))}
            yield ends | stated | of_places(found, places, settings).cells("estimate")


def selective(found: Confidences, settings: Settings) -> Iterator[Row]:
    """Yield the accuracy among the most confident answers, from a tenth of them to all."""
    for share in COVERAGES:
        places = most_confident(found.confidence, share)
        least = {"least_confidence": rounded(float(found.confidence[places].min()))}
        yield {"coverage": share} | least | of_places(found, places, settings).cells("estimate")


def main(
    *,
    samples: Sequence[str],
    calibrations: str,
    reliabilities: str,
    selectives: str,
    settings: dict[str, Any],
) -> None:
    """Write the three tables of the samples in the files ``samples``."""
    chosen = Settings(**settings)
    scored = [sample for sample in load_samples(samples) if sample.loglikelihoods]
    tables: dict[str, list[Row]] = {calibrations: [], reliabilities: [], selectives: []}
    for names, answers in grouped(scored, *RUN).items():
        about, found = dict(zip(RUN, names, strict=True)), confidences(answers)
        tables[calibrations] += [about | row for row in calibration(found, chosen)]
        tables[reliabilities] += [about | row for row in reliability(found, chosen)]
        tables[selectives] += [about | row for row in selective(found, chosen)]
    for (path, rows), columns in zip(tables.items(), (CALIBRATION, RELIABILITY, SELECTIVE), strict=True):
        write_csv(path, rows, columns)
    print(f"{len(scored)} answers whose options were scored, of {len(samples)} files")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        samples=files_of(snakemake.input.answers, "samples"),
        calibrations=snakemake.output.calibration,
        reliabilities=snakemake.output.reliability,
        selectives=snakemake.output.selective,
        settings=snakemake.params.settings,
    )
