"""All outcomes and texts of a study in one packed file, the same bytes for the same seed."""

import gzip
import json

import pytest

from tests.hand_samples import SETTINGS, sample, write_samples
from workflow.lib.errors import IntegrityError
from workflow.lib.parquet import write_parquet
from workflow.lib.records import Overlap, table
from workflow.scripts import pack_samples


def run(folder, rows, unknown=None, **settings):
    paths = [write_samples(folder / f"{number}.parquet", some) for number, some in enumerate(rows)]
    packed = folder / "samples.jsonl.gz"
    names = sorted({one.problem_id for some in rows for one in some})
    overlaps = [Overlap("logic", name, 1.0, name == "p7", "") for name in names if name != unknown]
    write_parquet(folder / "seen.parquet", table(overlaps, Overlap))
    seen = {"contamination": {"logic": str(folder / "seen.parquet")}}
    pack_samples.main(samples=paths, **seen, packed=str(packed), settings=SETTINGS | settings)
    return packed.read_bytes()


def test_files_of_a_study_become_one(tmp_path):
    methods = ("dpo-ipo", "base", "dpo")
    rows = [[sample(method=m, problem_id=f"p{n}") for n in range(30)] for m in methods]
    packed = run(tmp_path, rows)
    index, *texts = [json.loads(line) for line in gzip.decompress(packed).decode().splitlines()]
    assert index["labels"] == {"base": "Base", "dpo": "DPO", "dpo-ipo": "DPO ipo"}
    assert index["shelves"][0]["methods"] == ["base", "dpo", "dpo-ipo"]  # the order of all figures and tables
    assert index["shelves"][0]["seen"].count("1") == 1
    assert index["shelves"][0]["problems"][index["shelves"][0]["seen"].index("1")][0] == "p7"
    assert len(texts) == 30
    assert packed == run(tmp_path, rows)
    assert packed != run(tmp_path, rows, seed=2)


def test_what_there_is_no_room_for_is_left_out_and_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pack_samples, "ROOM", 0)
    packed = run(tmp_path, [[sample(problem_id=f"p{n}") for n in range(3)]])
    assert gzip.decompress(packed).count(b"\n") == 1
    assert "3 outcomes; texts of 0 of 3 problems, seeds and repeats" in capsys.readouterr().out


def test_a_problem_that_nobody_looked_up_in_training_is_refused(tmp_path):
    with pytest.raises(IntegrityError, match="1 are missing, as p2"):
        run(tmp_path, [[sample(problem_id=f"p{n}") for n in range(3)]], unknown="p2")
