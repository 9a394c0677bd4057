"""Downloads from a hub on loopback: what is asked of it, what is kept, what is refused."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.fake_hub import REVISION, FakeHub, serving, use
from tests.studies import ROOT
from workflow.lib.errors import DataError, DependencyError, IntegrityError, PlumblineError
from workflow.lib.fetching import choose
from workflow.lib.hub import Repository, download, sha1_of_git

REPOSITORY = Repository("dataset", "org/data", REVISION)
FILES = {"data/a/x.json": b'{"x": 1}', "data/b/y.json": b"[]", "README.md": b"about", "data/none": b""}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with serving(FakeHub(dict(FILES), large={"data/b/y.json"})) as served:
        use(served.address, monkeypatch, tmp_path)
        yield served


def get(*patterns: str, megabytes: float = 1.0) -> list[str]:
    choice = partial(choose, patterns=patterns, where=str(REPOSITORY))
    return download(REPOSITORY, choice, Path("got"), megabytes)


def gets(hub: FakeHub) -> list[str]:
    return [path.rpartition(f"{REVISION}/")[2] for method, path, _ in hub.asked if method == "GET"]


def test_only_the_chosen_files_come_and_they_are_whole(hub: FakeHub) -> None:
    assert get("data/**/*.json", "data/none") == ["data/a/x.json", "data/b/y.json", "data/none"]
    found = {p.relative_to("got").as_posix(): p.read_bytes() for p in Path("got").rglob("*") if p.is_file()}
    assert found == {path: content for path, content in FILES.items() if path != "README.md"}
    assert "README.md" not in gets(hub)
    about = [path for _, path, _ in hub.asked if "org/data" in path]
    assert len(about) == 6  # the listing, three questions about files, two files that are not empty
    assert all(REVISION in path for path in about)  # never the tip of a branch


def test_what_is_here_is_not_asked_for_again(hub: FakeHub) -> None:
    get("data/a/*.json")
    hub.asked.clear()
    get("data/**/*.json")
    assert not [path for path in gets(hub) if path == "data/a/x.json"]
    assert "data/b/y.json" in gets(hub)


def test_another_commit_than_the_pinned_one_is_an_error(hub: FakeHub) -> None:
    hub.commit = "f" * 40
    with pytest.raises(IntegrityError, match=f"revision: expected {REVISION}, found {'f' * 40}") as caught:
        get("data/a/*.json")
    assert caught.value.exit_code == 4
    assert not [path for path in Path("got").rglob("*") if path.is_file()]


@pytest.mark.parametrize(("path", "algorithm"), [("data/a/x.json", "sha1"), ("data/b/y.json", "sha256")])
def test_content_that_the_listing_does_not_promise_is_an_error(
    hub: FakeHub, path: str, algorithm: str
) -> None:
    entry = hub.entry(path, FILES[path])
    promised = entry["lfs"]["oid"] if "lfs" in entry else entry["oid"]
    hub.serves[path] = FILES[path].replace(b"x", b"z").replace(b"[]", b"{}")
    with pytest.raises(IntegrityError, match=f"{path}: {algorithm}: expected {promised}, found "):
        get(path)
    assert not [path for path in Path("got").rglob("*") if path.is_file()]  # nothing to go on from
    del hub.serves[path]
    assert get(path) == [path]


def test_a_listing_cannot_lead_out_of_the_folder(hub: FakeHub) -> None:
    hub.files["../outside.json"] = b"{}"
    with pytest.raises(IntegrityError, match=r"found '\.\./outside\.json'"):
        get("**/*.json")
    assert not Path("outside.json").exists()


def test_far_more_than_expected_is_refused_before_it_is_downloaded(hub: FakeHub) -> None:
    hub.files["data/big.json"] = bytes(3_500_000)
    with pytest.raises(DataError, match="megabytes: expected about 1, found 4"):
        get("data/**/*.json")
    assert hub.sent == 0
    get("data/**/*.json", megabytes=3.0)


@pytest.mark.parametrize(
    ("status", "code", "kind", "told"),
    [
        (401, "", DependencyError, "no access (HTTP 401). Fix: check the name, accept the terms"),
        (
            403,
            "GatedRepo",
            DependencyError,
            "export HF_TOKEN of an account that has access (a token was sent)",
        ),
        (403, "", DependencyError, "no access (HTTP 403)"),
        (404, "RepoNotFound", DependencyError, "no access (HTTP 404)"),
        (404, "RevisionNotFound", IntegrityError, f"expected {REVISION}, found none of that name"),
        (404, "EntryNotFound", IntegrityError, "found that one is gone"),
        (418, "", DependencyError, "answers HTTP 418. Fix: run again later"),
    ],
)
def test_refusals_are_one_line_without_the_token(
    hub: FakeHub,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    code: str,
    kind: type[PlumblineError],
    told: str,
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_canary0123456789canary")
    hub.status, hub.code = status, code
    with pytest.raises(kind) as caught:
        get("data/a/*.json")
    line = str(caught.value)
    assert told in line and "org/data" in line and REVISION in line
    assert "canary" not in line and "\n" not in line


def test_without_a_network_the_line_says_where_to_run_what(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use("http://127.0.0.1:9", monkeypatch, tmp_path)  # nobody listens there
    with pytest.raises(DependencyError, match=r"cannot reach the hub at http://127\.0\.0\.1:9") as caught:
        get("data/a/*.json")
    assert "snakemake --cores 1 --until fetch_model fetch_adapter fetch_dataset" in str(caught.value)
    assert "PLUMBLINE_MIRROR" in str(caught.value) and caught.value.exit_code == 3


def test_digest_of_git_is_git_s_own(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"what is up, doc?")  # the example of the book Pro Git, chapter 10.2
    assert sha1_of_git(tmp_path / "f") == "bd9dbf5aae1a3862dd1526723246b20206e5fc37"


def test_the_token_goes_to_the_hub_and_not_to_where_it_keeps_large_files(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_canary0123456789canary")
    with serving(FakeHub(dict(FILES))) as store:
        hub.redirects_to = store.address.replace("127.0.0.1", "localhost")
        get("data/b/*.json")
        assert Path("got/data/b/y.json").read_bytes() == FILES["data/b/y.json"]
        assert hub.sent == 0 and store.sent == 2
        assert "Bearer hf_canary0123456789canary" in hub.tokens and set(store.tokens) == {None}


def begin(path: str, content: bytes) -> Path:
    begun = Path("got", f"{path}.partial")
    begun.parent.mkdir(parents=True)
    begun.write_bytes(content)
    return begun


@pytest.mark.parametrize(("ranges", "sent"), [(True, 5), (False, 8)])
def test_a_begun_file_is_continued_or_starts_anew_where_the_server_cannot(
    hub: FakeHub, ranges: bool, sent: int
) -> None:
    hub.ranges = ranges
    begun = begin("data/a/x.json", FILES["data/a/x.json"][:3])
    get("data/a/x.json")
    assert Path("got/data/a/x.json").read_bytes() == FILES["data/a/x.json"] and hub.sent == sent
    assert not begun.exists()


@pytest.mark.parametrize("rest", [b"zzz", b"z" * 8])
def test_a_begun_file_of_other_content_is_told_once_and_then_fetched_anew(hub: FakeHub, rest: bytes) -> None:
    begin("data/a/x.json", rest)
    with pytest.raises(IntegrityError, match="sha1: expected"):
        get("data/a/x.json")
    get("data/a/x.json")
    assert Path("got/data/a/x.json").read_bytes() == FILES["data/a/x.json"]


def test_a_begun_file_that_is_too_long_is_dropped(hub: FakeHub) -> None:
    begin("data/a/x.json", b"z" * 9)
    get("data/a/x.json")
    assert Path("got/data/a/x.json").read_bytes() == FILES["data/a/x.json"]


KILLED = """
import sys
from pathlib import Path
from workflow.lib.hub import Repository, download
from tests.fake_hub import REVISION
download(Repository("dataset", "org/data", REVISION), lambda paths: paths, Path("got"), 100.0)
"""


def test_a_killed_download_goes_on_where_it_was(tmp_path: Path) -> None:
    size, stop = 40_000_000, 25_000_000
    content = bytes(range(256)) * (size // 256)
    files = {"big.bin": content, "small.json": b"{}"}
    with serving(FakeHub(files, large={"big.bin"}, stall_after=stop)) as hub:
        environment = {**os.environ, "HF_ENDPOINT": hub.address, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", KILLED]
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)
        assert hub.stalled.wait(60)
        begun = tmp_path / "got/big.bin.partial"
        while not (begun.exists() and begun.stat().st_size >= 10_000_000):
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        here = begun.stat().st_size
        hub.stall_after, hub.sent = None, 0
        hub.asked.clear()
        hub.closing.set()
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, stdout=subprocess.DEVNULL)
        assert ("GET", f"/datasets/org/data/resolve/{REVISION}/big.bin", f"bytes={here}-") in hub.asked
        assert hub.sent <= len(content) - here + 2
    assert 10_000_000 <= here <= stop
    assert (tmp_path / "got/big.bin").read_bytes() == content and not begun.exists()
    assert json.loads((tmp_path / "got/small.json").read_text()) == {}
