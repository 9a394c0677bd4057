"""An adapter on the model hub: what is sent, under which name, and what the hub says to it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, HfApi, constants
from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled
from huggingface_hub.utils import disable_progress_bars

from workflow.lib.errors import DataError, DependencyError
from workflow.lib.lora import SETTINGS, WEIGHTS

SENT = (WEIGHTS, SETTINGS, "README.md", "curves.parquet", "run.json")
FORBIDDEN = (401, 403)


def contents(folder: Path, manifest: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the files to send by name.

    Here the adapter names its base as the study does; there it must name the base as the hub does.

    Args:
        folder: Of the adapter.
        manifest: Of the base model.

    Raises:
        DataError: The base is not on the hub: nobody else could use the adapter.
    """
    if not manifest["repo"]:
        raise DataError(
            f"{folder}: its base is no model of the hub, so nobody else could load the adapter. "
            "Fix: share a merged model (merge_adapter)."
        )
    names = [*SENT, *(path.name for path in folder.glob("*token*.json"))]
    files = {name: (folder / name).read_bytes() for name in sorted(set(names))}
    config = json.loads(files[SETTINGS])
    config |= {"base_model_name_or_path": manifest["repo"], "revision": manifest["revision"]}
    files[SETTINGS] = (json.dumps(config, indent=2, sort_keys=True) + "\n").encode()
    return files


def token_of(variable: str, environment: Mapping[str, str]) -> str:
    """Return the token in the environment variable of that name."""
    if not environment.get(variable):
        raise DependencyError(
            f"publish.token_env: the environment variable {variable} is not set. Fix: export {variable} with "
            "a token that may write."
        )
    return environment[variable]


def namespace_of(publish: Mapping[str, Any]) -> str:
    """Return the namespace that the section ``publish`` of the config names."""
    if publish["namespace"] is None:
        raise DataError(
            "config 'publish.namespace' is null. Fix: name the user or organisation to publish under."
        )
    return str(publish["namespace"])


def push(files: Mapping[str, bytes], repository: str, *, private: bool, token: str, variable: str) -> str:
    """Send ``files`` to the hub in one commit, in a repository that is made if need be; return the commit.

    Args:
        files: Content by path.
        repository: As owner/name.
        private: Whether a new repository is private; one that is there stays as it is.
        token: That may write there.
        variable: Where the token came from, for messages.
    """
    constants.HF_HUB_OFFLINE = False  # the workflow switches the hub off for everyone else
    disable_progress_bars()
    api = HfApi(token=token)
    operations = [CommitOperationAdd(path, content) for path, content in files.items()]
    with _told(repository, variable):
        api.create_repo(repository, private=private, exist_ok=True)
        done = api.create_commit(repository, operations, commit_message="Adapter trained by Plumbline")
    return str(done.oid)


@contextmanager
def _told(repository: str, variable: str) -> Iterator[None]:
    """Turn what the hub and the network say into one line for a person."""
    try:
        yield
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in FORBIDDEN:
            raise DependencyError(
                f"{repository}: the hub does not let the token in {variable} write (HTTP {status}). Fix: "
                "correct publish.namespace, or export a token that may write there."
            ) from error
        raise DependencyError(
            f"{repository}: the hub answers HTTP {status}. Fix: run again later."
        ) from error
    except (HTTPError, OfflineModeIsEnabled) as error:
        raise DependencyError(
            f"{repository}: cannot reach the hub at {constants.ENDPOINT} ({type(error).__name__}). "
            "Fix: run where the network is."
        ) from error
