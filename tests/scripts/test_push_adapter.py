"""An adapter goes to the hub in one commit, with the token that was named, and only if one asks for it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fake_hub import use
from tests.pushed_hub import COMMIT, Receiver, receiving
from workflow.lib.errors import DataError, DependencyError
from workflow.lib.files import read_json, sha256, write_json
from workflow.scripts.push_adapter import main

NAMES = ["README.md", "adapter_config.json", "adapter_model.safetensors", "curves.parquet", "run.json"]
TOKENIZER = ["tokenizer.json", "tokenizer_config.json"]
HUB = {"kind": "hub", "repo": "org/base", "revision": "b" * 40, "digest": "d"}
TOKEN = "not-a-real-token"  # nor shaped like one


def push(folder: Path, **change: Any) -> dict[str, Any]:
    """Push the adapter in ``folder`` with a changed section ``publish``; return the receipt."""
    main(
        adapter=str(folder / "adapter_model.safetensors"),
        manifest=str(folder.parent / "manifest.json"),
        receipt=str(folder.parent / "receipt.json"),
        name="logic-tiny-dpo-seed-1",
        publish={"namespace": "me", "private": True, "token_env": "OWN_TOKEN", **change},
    )
    return dict(read_json(folder.parent / "receipt.json"))


@pytest.fixture
def adapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "adapter"
    folder.mkdir()
    for name in [*NAMES, *TOKENIZER, "notes.txt"]:
        (folder / name).write_text(json.dumps({"base_model_name_or_path": "tiny", "r": 4, "name": name}))
    write_json(tmp_path / "manifest.json", HUB)
    use("http://127.0.0.1:9", monkeypatch, tmp_path)  # nobody listens there
    monkeypatch.setenv("OWN_TOKEN", TOKEN)
    return folder


def test_one_commit_with_every_file_and_a_receipt(
    adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with receiving(Receiver()) as hub:
        use(hub.address, monkeypatch, tmp_path)
        receipt = push(adapter)
    assert hub.tokens == {f"Bearer {TOKEN}"}
    assert [(made["name"], made["organization"], made["visibility"]) for made in hub.created] == [
        ("logic-tiny-dpo-seed-1", "me", "private")
    ]
    assert hub.commits == ["/api/models/me/logic-tiny-dpo-seed-1/commit/main"]
    assert sorted(hub.files) == sorted([*NAMES, *TOKENIZER])  # notes.txt stays here
    same = {name for name in hub.files if hub.files[name] == (adapter / name).read_bytes()}
    assert set(hub.files) - same == {"adapter_config.json"}
    # here the base has the study's name, there the hub's
    config = json.loads(hub.files["adapter_config.json"])
    assert (config["base_model_name_or_path"], config["revision"], config["r"]) == ("org/base", "b" * 40, 4)
    assert (receipt["repository"], receipt["commit"]) == ("me/logic-tiny-dpo-seed-1", COMMIT)
    assert receipt["files"]["README.md"] == sha256(adapter / "README.md")
    assert set(receipt["files"]) == set(hub.files)


def test_without_the_token_nothing_is_sent(adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OWN_TOKEN")
    with receiving(Receiver()) as hub:
        use(hub.address, monkeypatch, tmp_path)
        with pytest.raises(DependencyError, match="environment variable OWN_TOKEN is not set"):
            push(adapter)
    assert not hub.tokens
    assert not (tmp_path / "receipt.json").exists()


def test_without_a_namespace_nothing_is_sent(adapter: Path):
    with pytest.raises(DataError, match=r"publish\.namespace' is null"):
        push(adapter, namespace=None)


def test_an_adapter_that_nobody_could_load_is_not_sent(adapter: Path, tmp_path: Path):
    write_json(tmp_path / "manifest.json", {**HUB, "kind": "scratch", "repo": None})
    with pytest.raises(DataError, match="its base is no model of the hub"):
        push(adapter)


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_may_not_write_is_named_and_never_printed(
    adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
):
    with receiving(Receiver(status=status)) as hub:
        use(hub.address, monkeypatch, tmp_path)
        with pytest.raises(
            DependencyError, match=rf"the token in OWN_TOKEN write \(HTTP {status}\)"
        ) as caught:
            push(adapter)
    assert TOKEN not in str(caught.value)


def test_without_network_it_says_so(adapter: Path):
    with pytest.raises(DependencyError, match=r"cannot reach the hub at http://127\.0\.0\.1:9"):
        push(adapter)
