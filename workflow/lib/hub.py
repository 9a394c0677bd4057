"""Files of a repository on the hub at a pinned revision, downloaded so that a killed download goes on.

``snapshot_download`` of huggingface_hub starts a file anew after a kill, hands over what it has when the hub
is away, and compares neither commit nor content. So here: its requests and retries, but bytes are appended
to ``<file>.partial``, the server must name the pinned commit, and every file is compared with its digest in
the listing of that commit (SHA-256 of large files, git's SHA-1 of others) before it gets its name.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from huggingface_hub import HfApi, constants, get_hf_file_metadata, get_token, hf_hub_url
from huggingface_hub.errors import (
    HfHubHTTPError,
    HTTPError,  # of its HTTP client: no connection, a time-out, a broken answer
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import http_get
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import build_hf_headers, disable_progress_bars, get_session

from workflow.lib.archives import is_plain
from workflow.lib.errors import DataError, DependencyError, IntegrityError
from workflow.lib.fetching import files_below, mirrored, place
from workflow.lib.files import CHUNK, sha256

PARALLEL = 4  # downloads at a time
REACH = 5.0  # seconds to get any answer
FORBIDDEN = (401, 403)
WITHOUT_NETWORK = (
    "run `snakemake --cores 1 --until fetch_model fetch_adapter fetch_dataset` where the network is (a login "
    "node), or point PLUMBLINE_MIRROR or HF_ENDPOINT at a mirror (docs/datasets.md)"
)


class UnreachableError(DependencyError):
    """The hub does not answer from here; it may from elsewhere."""


@dataclass(frozen=True)
class Repository:
    """A repository on the hub, pinned."""

    kind: str  # dataset or model
    name: str  # owner/name
    revision: str

    def __str__(self) -> str:
        """Return the repository as messages name it."""
        return f"{self.name}@{self.revision}"


@dataclass(frozen=True)
class RemoteFile:
    """A file as the listing of the commit has it."""

    path: str
    bytes: int
    algorithm: str  # sha256, or sha1 of git
    digest: str


Choice = Callable[[list[str]], list[str]]  # the paths to take of those that there are


def provide(
    repository: Repository, choice: Choice, folder: Path, begun: Path, megabytes: float, mirror: str | None
) -> None:
    """Put the chosen files of ``repository`` below ``folder``, from ``mirror`` alone where there is one.

    Args:
        repository: Where the files are from.
        choice: Which of its files to take.
        folder: Where they go.
        begun: Folder that keeps what a killed download has got so far.
        megabytes: Expected size of all files.
        mirror: Folder to take them from instead of the hub, as ``workflow.lib.fetching.mirrored`` has it.
    """
    if mirror:
        root = mirrored(Path(mirror), repository.kind, repository.name, repository.revision)
        place(choice(files_below(root)), root, folder)
    else:
        place(download(repository, choice, begun, megabytes), begun, folder)


def download(repository: Repository, choice: Choice, folder: Path, megabytes: float) -> list[str]:
    """Download the chosen files into ``folder``, print a line about each, and return their paths.

    More than twice the expected ``megabytes`` are refused, before they fill a disk.
    """
    disable_progress_bars()
    with _told(repository):
        wanted = _wanted(repository, choice, megabytes)
        with ThreadPoolExecutor(PARALLEL) as pool:
            for line in pool.map(partial(_download_file, repository, folder), wanted):
                print(line)
    return [file.path for file in wanted]


def probe(repository: Repository, choice: Choice, megabytes: float) -> float:
    """Return the MB of the chosen files after asking the hub for their list and for access to one of them.

    Raises what ``download`` would raise before it downloads; gated repositories list their files to anyone.
    """
    constants.HF_HUB_OFFLINE = False
    with _told(repository):
        get_session().head(constants.ENDPOINT, timeout=REACH)  # or the list would be asked for six times
        wanted = _wanted(repository, choice, megabytes)
        for file in wanted[:1]:
            _check_commit(repository, file, _address(repository, file))
    return sum(file.bytes for file in wanted) / 1e6


def _wanted(repository: Repository, choice: Choice, megabytes: float) -> list[RemoteFile]:
    """Return the chosen files of the listing, once their paths stay inside and their size is as expected."""
    constants.HF_HUB_OFFLINE = False  # the workflow switches the hub off for everyone else
    listed = {file.path: file for file in _listing(repository)}
    wanted = [listed[path] for path in choice(sorted(listed))]
    for file in wanted:
        if not is_plain(file.path):
            raise IntegrityError(
                f"{repository}: expected paths that stay inside, found {file.path!r}. Fix: report it."
            )
    size = sum(file.bytes for file in wanted) / 1e6
    if size > 2 * megabytes + 1:
        raise DataError(
            f"{repository}: megabytes: expected about {megabytes:g}, found {size:.0f}. "
            "Fix: narrow 'files', or correct 'megabytes'."
        )
    return wanted


def _listing(repository: Repository) -> Iterator[RemoteFile]:
    tree = HfApi().list_repo_tree(
        repository.name, repo_type=repository.kind, revision=repository.revision, recursive=True
    )
    for entry in tree:
        if isinstance(entry, RepoFile):
            large = entry.lfs
            algorithm, digest = ("sha256", large.sha256) if large else ("sha1", entry.blob_id)
            yield RemoteFile(entry.path, large.size if large else entry.size, algorithm, digest)


def _download_file(repository: Repository, folder: Path, file: RemoteFile) -> str:
    """Download one file, going on where an earlier attempt stopped, and return a line about it."""
    target = folder / file.path
    if target.is_file():  # it was compared before it got its name
        return f"{file.path}: here already"
    url = _address(repository, file)
    _check_commit(repository, file, url)
    begun = target.with_name(f"{target.name}.partial")
    begun.parent.mkdir(parents=True, exist_ok=True)
    here = begun.stat().st_size if begun.is_file() else 0
    here = here if here <= file.bytes else 0
    with begun.open("r+b" if here else "wb") as stream:
        stream.seek(here)
        if here < file.bytes:
            headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
            http_get(url, stream, resume_size=here, headers=headers)
        stream.flush()
        os.fsync(stream.fileno())
    _compare(repository, file, begun)
    begun.replace(target)
    return f"{file.path}: {file.bytes} bytes, {here} of them from an earlier attempt"


def _address(repository: Repository, file: RemoteFile) -> str:
    return str(
        hf_hub_url(repository.name, file.path, repo_type=repository.kind, revision=repository.revision)
    )


def _check_commit(repository: Repository, file: RemoteFile, url: str) -> None:
    """Fail unless the server hands ``file`` out, and of the pinned commit."""
    served = get_hf_file_metadata(url, retry_on_errors=True).commit_hash
    if served != repository.revision:
        raise IntegrityError(
            f"{repository.name}: {file.path}: revision: expected {repository.revision}, found {served}. "
            "Fix: fetch from the hub itself, or pin the revision that you mean."
        )


def _compare(repository: Repository, file: RemoteFile, path: Path) -> None:
    """Fail, and delete the file at ``path``, unless its content is what the listing promised."""
    found = sha256(path) if file.algorithm == "sha256" else sha1_of_git(path)
    if found != file.digest:
        path.unlink()
        raise IntegrityError(
            f"{repository}: {file.path}: {file.algorithm}: expected {file.digest}, found {found}. "
            "Fix: run again; if it stays, the server has another file than its listing says."
        )


def sha1_of_git(path: Path) -> str:
    """Return the SHA-1 that git gives the file at ``path``: of a header and its content."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def _told(repository: Repository) -> Iterator[None]:
    """Turn what the hub and the network say into one line for a person."""
    try:
        yield
    except RevisionNotFoundError as error:
        raise IntegrityError(
            f"{repository.name}: revision: expected {repository.revision}, found none of that name: it was "
            "moved or deleted. Fix: pin a revision that exists."
        ) from error
    except RemoteEntryNotFoundError as error:
        raise IntegrityError(
            f"{repository}: expected every file of its listing, found that one is gone "
            f"({error.response.url.path}). Fix: run again, or pin another revision."
        ) from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        if isinstance(error, RepositoryNotFoundError) or status in FORBIDDEN:
            sent = "was" if get_token() else "was not"
            raise DependencyError(
                f"{repository}: the hub gives no access (HTTP {status}). Fix: check the name, accept the "
                f"terms on its page, and export HF_TOKEN of an account that has access (a token {sent} sent)."
            ) from error
        raise DependencyError(
            f"{repository}: the hub answers HTTP {status}. Fix: run again later; the download goes on."
        ) from error
    except (HTTPError, OfflineModeIsEnabled) as error:
        raise UnreachableError(
            f"{repository}: cannot reach the hub at {constants.ENDPOINT} ({type(error).__name__}). "
            f"Fix: {WITHOUT_NETWORK}."
        ) from error
