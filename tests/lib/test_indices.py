"""The index of an evaluation: the order in which files are read, and that they are what was written."""

from pathlib import Path

import pytest

from workflow.lib.errors import IntegrityError
from workflow.lib.files import read_json, sha256
from workflow.lib.indices import files_of, write_index

POLICIES = ("base/seed-1", "base/seed-2", "dpo/seed-1", "dpo/seed-2")


def evaluated(folder: Path, model: str, task: str) -> str:
    """Write the files and the index of one task on one model; return the index."""
    files = {
        kind: [folder / model / f"{policy}/{task}.{kind}" for policy in POLICIES]
        for kind in ("json", "parquet")
    }
    for path in (path for some in files.values() for path in some):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(path.relative_to(folder)))
    index = folder / model / f"index/{task}.json"
    scores, samples = ([str(path) for path in some] for some in files.values())
    write_index(index, dataset="logic", model=model, task=task, scores=scores, samples=samples)
    return str(index)


def test_files_come_by_model_then_policy_then_task(tmp_path: Path) -> None:
    """As the rules listed them before there was an index, so that tables keep the order of their rows."""
    indices = [evaluated(tmp_path, model, task) for model in ("tiny", "small") for task in ("quiz", "exam")]
    assert files_of(indices, "samples") == [
        f"{tmp_path}/{model}/{policy}/{task}.parquet"
        for model in ("tiny", "small")
        for policy in POLICIES
        for task in ("quiz", "exam")
    ]
    assert files_of(indices[:1], "scores") == [f"{tmp_path}/tiny/{policy}/quiz.json" for policy in POLICIES]
    assert files_of([], "samples") == []


def test_the_index_changes_with_what_it_names(tmp_path: Path) -> None:
    index = evaluated(tmp_path, "tiny", "quiz")
    (first, *_) = read_json(index)["samples"]
    assert first == {"path": f"{tmp_path}/tiny/base/seed-1/quiz.parquet", "sha256": sha256(first["path"])}


@pytest.mark.parametrize("changed", [True, False])
def test_a_file_that_is_not_what_was_written_is_refused(tmp_path: Path, changed: bool) -> None:
    index = evaluated(tmp_path, "tiny", "quiz")
    path = tmp_path / "tiny/dpo/seed-2/quiz.parquet"
    path.write_text("other") if changed else path.unlink()
    with pytest.raises(
        IntegrityError, match=r"dpo/seed-2/quiz\.parquet field 'sha256'.*Fix: delete .*index/quiz"
    ):
        files_of([index], "samples")
    assert len(files_of([index], "scores")) == 4  # the others are whole
