"""The check of a study tells everything at once and ends in the exit code of what is wrong."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.source import ROOT
from tests.studies import demo_config
from workflow.lib.errors import DataError, DependencyError
from workflow.lib.plan import read_presets
from workflow.scripts.check import main


@pytest.fixture(autouse=True)
def elsewhere(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "")
    for name in ("XDG_CACHE_HOME", "HF_HOME"):  # a line for each
        monkeypatch.setenv(name, str(tmp_path_factory.mktemp(name)))


def check(study: dict[str, Any]) -> None:
    presets = read_presets(ROOT / "config/expected/presets.yaml")
    main(config=study, presets=presets, root=os.path.relpath(ROOT), offline=True)


def far(**settings: Any) -> dict[str, Any]:
    flagship = {"kind": "api", "model": "m", "samples": 1, "max_tokens": 9, "api_key_env": "OPENAI_API_KEY"}
    return flagship | settings


def test_a_sound_study_ends_with_what_must_wait(capsys: pytest.CaptureFixture[str]) -> None:
    check(demo_config())
    lines = capsys.readouterr().out.splitlines()
    names = ["config", "secrets", "disk", "disk", "disk", "GPUs", "sources"]
    names += ["chat template", "LoRA", "reward model", "length", "leakage", "leakage"]
    assert [line[9:22].strip() for line in lines[:-1]] == names
    # template, layers, family, context, and rows that are not there yet
    assert lines[-1] == "No problem found; 5 of 13 lines must wait. What it would cost: snakemake -n"


def test_a_missing_secret_alone_is_a_missing_dependency(capsys: pytest.CaptureFixture[str]) -> None:
    study = demo_config()
    study["teachers"]["far"] = far()
    with pytest.raises(DependencyError, match=r"1 of 13 lines are problems: secrets\."):
        check(study)
    assert "problem  secrets       OPENAI_API_KEY: not set" in capsys.readouterr().out


def test_three_problems_are_told_in_one_go(capsys: pytest.CaptureFixture[str]) -> None:
    study = demo_config()
    study["teachers"]["far"] = far()
    study["teachers"]["tiny"]["max_tokens"] = 256  # all of max_model_len
    study["datasets"]["goals"]["sources"][0] |= {"generator": "logic", "seed": 20260}  # the training's rows
    with pytest.raises(DataError, match="3 of 14 lines are problems: leakage, length, secrets"):
        check(study)
    assert capsys.readouterr().out.count("problem  ") == 3


def test_a_key_by_mistake_is_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    study = demo_config()
    study["teachers"]["far"] = far(api_key_env="sk-0123456789abcdefghij")
    with pytest.raises(DependencyError):
        check(study)
    said = capsys.readouterr().out
    assert "0123456789" not in said and "[secret]" in said
    assert not list(Path().iterdir())  # and nothing is left behind
