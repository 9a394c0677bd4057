"""Lists of files, and what a change in one of them does."""

import shutil
from pathlib import Path

import pytest

from workflow.lib.errors import DataError, IntegrityError
from workflow.lib.files import sha256
from workflow.lib.manifests import check_files, count_parameters, describe_model, list_files


def test_files_are_listed_by_path_with_size_and_digest(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "b.txt").write_text("abc")
    (tmp_path / "a.txt").write_text("")
    listed = list_files(tmp_path)
    assert [(e["path"], e["bytes"]) for e in listed] == [("a.txt", 0), ("in/b.txt", 3)]
    assert listed[1]["sha256"] == sha256(tmp_path / "in" / "b.txt")
    assert list_files(tmp_path / "in", tmp_path)[0]["path"] == "in/b.txt"


def test_a_changed_or_missing_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    listed = list_files(tmp_path)
    check_files(tmp_path, listed)
    (tmp_path / "a.txt").write_text("two")
    with pytest.raises(IntegrityError, match=r"a\.txt: sha256: expected"):
        check_files(tmp_path, listed)
    (tmp_path / "a.txt").unlink()
    with pytest.raises(IntegrityError, match="found no file"):
        check_files(tmp_path, listed)


def test_parameters_are_counted_from_the_header(tiny_llama: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_llama)
    expected = sum(parameter.numel() for parameter in model.parameters())
    assert count_parameters(tiny_llama / "model.safetensors") == expected


def test_the_digest_of_a_model_depends_on_its_files_alone(tiny_llama: Path) -> None:
    one, two = (describe_model(tiny_llama, model=name) for name in ("one", "two"))
    assert one["digest"] == two["digest"]
    assert (one["model"], two["model"]) == ("one", "two")
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {e["path"] for e in one["files"]}


def test_a_folder_without_weights_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(DataError, match=r"\*\.safetensors missing"):
        describe_model(tmp_path)


def test_a_classifier_may_have_its_vocabulary_alone(tiny_llama: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_llama, tmp_path / "m")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(DataError, match=r"tokenizer\.json missing"):
        describe_model(folder)
    (folder / "vocab.txt").write_text("[PAD]\n")
    assert "vocab.txt" in {entry["path"] for entry in describe_model(folder)["files"]}
