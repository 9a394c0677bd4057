"""A real ``vllm serve`` on loopback as a teacher behind an API."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api_teacher import arguments, rows
from tests.fake_api import FakeApi
from workflow.lib.files import read_json
from workflow.scripts.ask_teacher import main

pytestmark = pytest.mark.demo
START = 180.0  # seconds that the server may take


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def endpoint(tiny_llama: Path, vllm_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a server that has the tiny Llama as ``tiny``."""
    port, log = free_port(), tmp_path_factory.mktemp("server") / "log"
    command = [str(Path(sys.executable).with_name("vllm")), "serve", str(tiny_llama)]
    command += [
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--served-model-name",
        "tiny",
        "--dtype",
        "float32",
    ]
    command += ["--max-model-len", "64", "--enforce-eager", "--no-enable-chunked-prefill"]
    command += ["--max-num-batched-tokens", "4096", "--kv-cache-memory-bytes", str(8 << 20)]
    settings = {"VLLM_CACHE_ROOT": str(vllm_cache), "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    settings |= {"OMP_NUM_THREADS": "1", "PATH": os.defpath, "HOME": str(log.parent)}
    with log.open("wb") as stream:
        process = subprocess.Popen(command, env=settings, stdout=stream, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + START
        while not healthy(f"http://127.0.0.1:{port}/health"):
            assert process.poll() is None and time.monotonic() < until, log.read_text()[-3000:]
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(60)


def healthy(address: str) -> bool:
    """Return whether the server answers."""
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_a_served_model_is_a_teacher(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    local = {"api_key_env": None, "model": "tiny", "max_tokens": 16, "temperature": 1.0, "top_p": 1.0}
    given = arguments(Path(), FakeApi(address=endpoint), 30, **local, timeout_s=60.0)
    main(**given)
    found = rows()
    assert [(row.problem_id, row.index) for row in found] == [
        (f"p{i:03}", j) for i in range(30) for j in (0, 1)
    ]
    # "Is 7 odd? Think." has 16 characters, each a token, and there are 3 turn marks
    assert [row.prompt_tokens for row in found] == [
        len(f"Is {int(row.problem_id[1:])} odd? Think.") + 3 for row in found
    ]
    assert {row.finish_reason for row in found} <= {"stop", "length"}
    assert all(row.tokens == 16 for row in found if row.finish_reason == "length")
    assert len({row.text for row in found}) > 50
    ledger = read_json("shard-0.ledger.json")
    assert ledger["served_models"] == {"tiny": 60}
    assert ledger["asked"]["output_tokens"] == sum(row.tokens for row in found)
    Path("work").rename("before")
    main(**given)
    assert rows() == found  # the server honours seeds


def test_a_question_without_room_is_a_row_and_a_wrong_name_stops(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    local = {"api_key_env": None, "model": "tiny", "max_tokens": 8}
    given = arguments(Path(), FakeApi(address=endpoint), 2, **local)
    Path("cot.j2").write_text("{{ question }}" + " very" * 20)  # more than 100 of 64 tokens
    main(**given)
    assert {(row.finish_reason, row.text) for row in rows()} == {("prompt_too_long", "")}
    with pytest.raises(Exception, match=r"HTTP 404: .*correct model \('tine'\)"):
        main(**arguments(Path(), FakeApi(address=endpoint), 2, **{**local, "model": "tine"}))
