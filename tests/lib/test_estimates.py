"""Seconds, MB and dollars of work, by hand."""

from pathlib import Path
from typing import Any

import pytest

from tests.source import ROOT
from tests.studies import demo_config
from workflow.lib.earlier import Earlier
from workflow.lib.estimates import Estimator
from workflow.lib.files import write_json
from workflow.lib.plan import read_presets
from workflow.lib.workloads import Sizes, UnknownError, Work

PRESETS: dict[str, Any] = {
    "flops_per_second": {"bfloat16": 1e12, "float32": 1e11},
    "utilisation": {"learned": 0.5, "read": 0.4, "written": 0.1, "drawn": 0.02},
    "startup_seconds": 60,
    "prompt_tokens": 500,
    "bytes_per_token": 4,
    "adapter_share_of_rank": 1e-3,
    "bytes_per_adapter_weight": 4,
}
TEACHER = {
    "kind": "api",
    "samples": 2,
    "max_tokens": 1000,
    "requests_per_minute": 100,
    "tokens_per_minute": 60000,
    "usd_per_million_input": 2.5,
    "usd_per_million_output": 10.0,
}


@pytest.fixture
def study() -> dict[str, Any]:
    study = demo_config()
    hub = {"kind": "hub", "repo": "org/x", "revision": "0" * 40, "megabytes": 20, "licence": "MIT"}
    study["models"]["small"] = hub
    study["teachers"]["far"] = TEACHER
    study["hardware"]["precision"] = "bfloat16"
    return study


def estimator(study: dict[str, Any], results: Path, tokens: dict[Any, Any] | None = None) -> Estimator:
    return Estimator(Sizes(study, 500, results, ROOT), PRESETS, Earlier({}, tokens or {}))


def test_weights_are_those_of_the_manifest_or_two_bytes_each(study: dict[str, Any], tmp_path: Path) -> None:
    judge = estimator(study, tmp_path)
    assert judge.weights("small") == 1e7  # 20 MB
    with pytest.raises(UnknownError, match="size of model 'tiny', until it is trained"):
        judge.weights("tiny")
    write_json(tmp_path / "models/tiny/manifest.json", {"parameters": 949760})
    assert judge.weights("tiny") == 949760


def test_seconds_on_gpus(study: dict[str, Any], tmp_path: Path) -> None:
    judge = estimator(study, tmp_path)
    # 6 x 1e7 x 1e6 = 6e13 FLOP at half of 1e12 a second: 120 s after the start
    assert judge.gpu_seconds(Work("small", learned=1e6), 1) == pytest.approx(180)
    # 2 x 1e7 x 1e6 = 2e13 FLOP: 50 s to read, 200 s to write, 1,000 s to draw; two GPUs share them
    assert judge.gpu_seconds(Work("small", read=1e6), 1) == pytest.approx(110)
    assert judge.gpu_seconds(Work("small", written=1e6), 1) == pytest.approx(260)
    assert judge.gpu_seconds(Work("small", drawn=1e6), 2) == pytest.approx(560)
    assert judge.gpu_seconds(Work("small", seconds=100), 1) == 160
    study["hardware"]["precision"] = "float32"
    assert judge.gpu_seconds(Work("small", learned=1e6), 1) == pytest.approx(1260)


def test_seconds_that_an_api_allows(study: dict[str, Any], tmp_path: Path) -> None:
    judge = estimator(study, tmp_path)
    # 10 requests of 1,500 tokens: 6 s by requests, 15 s by tokens; then 1,000 short ones
    assert judge.api_seconds(Work(requests=10, read=5000, written=10000), TEACHER) == 15
    assert judge.api_seconds(Work(requests=1000, read=1000, written=1000), TEACHER) == 600


def test_megabytes_of_answers_and_of_adapters(study: dict[str, Any], tmp_path: Path) -> None:
    judge = estimator(study, tmp_path)
    assert judge.megabytes(Work("small", read=9e9, written=1e6, drawn=5e5)) == 6
    # rank 8 x 0.1 % of 1e7 weights x 4 bytes, three times; answers of a training are not kept
    assert judge.megabytes(Work("small", adapters=3, drawn=1e6)) == pytest.approx(0.96)


def test_dollars(study: dict[str, Any], tmp_path: Path) -> None:
    asked = Work(requests=10, read=5000, written=10000)
    # 5,000 x 2.5 + 10,000 x 10 dollars per million
    assert estimator(study, tmp_path).dollars("ask_teacher", "far", asked) == (pytest.approx(0.1125), True)
    known = {("ask_teacher", "far"): (100.0, 200.0)}
    # 10 x (100 x 2.5 + 200 x 10) per million
    found = estimator(study, tmp_path, known).dollars("ask_teacher", "far", asked)
    assert found == (pytest.approx(0.0225), False)
    assert estimator(study, tmp_path).dollars("ask_teacher", "far", Work())[0] == 0


def test_the_presets_that_ship_have_these_keys() -> None:
    shipped = read_presets(ROOT / "config/expected/presets.yaml")
    assert set(shipped) == set(PRESETS)
    for key in ("flops_per_second", "utilisation"):
        assert set(shipped[key]) == set(PRESETS[key])
    assert all(0 < share < 1 for share in shipped["utilisation"].values())
