"""A study whose teacher is behind an API: planned without the key, stopped without it, asked with it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.api_teacher import TEACHER
from tests.fake_api import FakeApi, failed, serving
from tests.studies import CANARIES, Study, clone_with, demo_config
from workflow.lib.config import load_schema, study_problems
from workflow.lib.files import read_json, read_jsonl

ROOT = Path(__file__).parents[2]
ENTRY = "results/prompts/logic/gpt/cot.jsonl"


def api_study(address: str, **changes: Any) -> dict[str, Any]:
    """Return the demo study, small, with a second teacher at ``address``."""
    study = demo_config()
    for dataset in study["datasets"].values():
        for source in dataset["sources"]:
            source["size"] = 160
    teacher = {**TEACHER, "endpoint": address, "api_key_env": "OPENAI_API_KEY", **changes}
    study["teachers"]["gpt"] = teacher
    study["prompts"]["slice"] = 8
    return study


def test_the_plan_needs_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = api_study("http://127.0.0.1:9/v1", api_key_env="NOBODYS_API_KEY")
    monkeypatch.delenv("NOBODYS_API_KEY", raising=False)
    planned = clone_with(tmp_path / "clone", study).planned()
    assert {rule: planned[rule] for rule in ("ask_prompts", "ask_teacher")} == {
        "ask_prompts": len(study["prompts"]["candidates"]),
        "ask_teacher": study["rationales"]["shards"],
    }
    assert planned["compare_prompts"] == len(study["prompts"]["candidates"])  # the vLLM teacher's
    assert planned["sample_rationales"] == study["rationales"]["shards"]


def files_of(study: Study) -> list[str]:
    """Return the text of every file that a run wrote."""
    folders = [study.root / name for name in ("results", "work", ".snakemake")]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return [path.read_text(errors="replace") for path in files]


def test_a_run_asks_and_leaves_no_key_behind(tmp_path: Path) -> None:
    with serving(FakeApi()) as api:
        study = clone_with(tmp_path / "clone", api_study(api.address))
        api.react = lambda asked, nth: failed(401, "", f"wrong key {CANARIES['OPENAI_API_KEY']}")
        out = study.run("--nocolor", ENTRY, expect=1)
        log = (study.root / "results/logs/ask_prompts/logic/gpt/cot.log").read_text()
        assert log.strip().splitlines()[-1].startswith("ERROR ask_prompts: teacher 'gpt': http://127.0.0.1:")
        assert "HTTP 401: 'wrong key [OPENAI_API_KEY]'. Fix: export OPENAI_API_KEY=" in log
        api.react = lambda asked, nth: None
        out += study.run("--nocolor", ENTRY)
        assert len(read_jsonl(study.root / ENTRY)) == 2 * 8
        assert read_json(study.root / ENTRY.replace("jsonl", "ledger.json"))["asked"]["requests"] == 16
        assert api.keys == {f"Bearer {CANARIES['OPENAI_API_KEY']}"}
    texts = files_of(study)
    assert len(texts) > 10
    assert not [value for value in CANARIES.values() for text in [out, *texts] if value in text]


SOUND = api_study("https://api.openai.com/v1")
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "kind": ({"kind": "apy"}, "teachers.gpt.kind: expected one of vllm, adapter, api, found 'apy'"),
    "key in place of its name": (
        {"api_key_env": "sk-abcdefghijklmnop1234"},
        "Name of the environment variable",
    ),
    "name that logs do not know": ({"api_key_env": "OPENAI"}, "teachers.gpt.api_key_env: found 'OPENAI'"),
    "key in the address": ({"endpoint": "https://me:key@host/v1"}, "teachers.gpt.endpoint: found"),
    "no address": ({"endpoint": "api.openai.com"}, "teachers.gpt.endpoint: found 'api.openai.com'"),
    "none at a time": ({"concurrency": 0}, "teachers.gpt.concurrency: found 0"),
    "typing error": ({"batsh": True}, "teachers.gpt.batsh: not a known key. Did you mean 'batch'?"),
}


def problems(study: dict[str, Any], folder: Path) -> list[str]:
    """Return what is wrong with a study."""
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(study))
    return study_problems(study, load_schema(ROOT / "config/schemas/config.schema.yaml"), [path], ROOT)


@pytest.mark.parametrize(("changes", "said"), CASES.values(), ids=CASES)
def test_a_mistake_is_told(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    (line,) = problems(api_study("https://api.openai.com/v1", **changes), tmp_path)
    assert said in line


def test_a_model_at_an_endpoint_is_no_model_of_the_study(tmp_path: Path) -> None:
    assert problems(SOUND, tmp_path) == []
    assert problems(api_study("http://127.0.0.1:8000/v1", api_key_env=None), tmp_path) == []
    study = api_study("https://api.openai.com/v1")
    study["teachers"]["tiny"]["model"] = "tini"
    (line,) = problems(study, tmp_path)
    assert "teachers.tiny.model: 'tini' is not among models. Did you mean 'tiny'?" in line


def test_a_key_in_the_config_by_mistake_is_not_printed(tmp_path: Path) -> None:
    key = "sk-abcdefghijklmnop1234"
    study = clone_with(tmp_path / "clone", api_study("http://127.0.0.1:9/v1", api_key_env=key))
    out = study.run("--dry-run", expect=2)
    assert "teachers.gpt.api_key_env" in out and key not in out
