"""Which held-out problems training has seen, as contamination.parquet tells."""

from collections.abc import Mapping, Sequence

from workflow.lib.errors import IntegrityError
from workflow.lib.records import Overlap, Sample, load

Seen = Mapping[tuple[str, str], bool]  # by the dataset trained on and problem_id


def read_seen(files: Mapping[str, str]) -> dict[tuple[str, str], bool]:
    """Return whether a held-out problem is contaminated, from the file of each dataset trained on."""
    rows = ((dataset, row) for dataset, path in files.items() for row in load(path, Overlap))
    return {(dataset, row.problem_id): row.contaminated for dataset, row in rows}


def check_seen(samples: Sequence[Sample], seen: Seen) -> None:
    """Raise an error when nobody looked whether training has seen a problem."""
    missing = sorted({s.problem_id for s in samples if (s.dataset, s.problem_id) not in seen})
    if missing:
        raise IntegrityError(
            f"contamination.parquet: expected every problem of the samples, {len(missing)} are missing, "
            f"as {missing[0]}. Fix: delete results/data/*/contamination.parquet and run again."
        )
