"""A hub on 127.0.0.1: one repository at one commit, with every trick that a real one or a mirror may play."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

REVISION = "387b044b2ecdea6a9c38b1b627aeb074228f79d5"


@dataclass
class FakeHub:
    """What the server has, how it behaves, and what it was asked."""

    files: dict[str, bytes]
    repo: str = "org/data"
    large: set[str] = field(default_factory=set)  # in large-file storage: listed with their SHA-256
    serves: dict[str, bytes] = field(default_factory=dict)  # other content than the listing promises
    commit: str = REVISION  # that answers name
    status: int = 200  # of every answer
    ranges: bool = True  # answers with the part of a file that was asked for
    code: str = ""  # the hub's X-Error-Code
    stall_after: int | None = None  # bytes of a file after which nothing comes any more
    redirects_to: str = ""  # address that has the files
    tokens: list[str | None] = field(default_factory=list)  # of every request
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)  # method, path, Range
    sent: int = 0  # bytes of files
    stalled: threading.Event = field(default_factory=threading.Event)
    closing: threading.Event = field(default_factory=threading.Event)
    address: str = ""

    def listing(self) -> list[dict[str, Any]]:
        """Return the files as the hub's tree endpoint lists them."""
        return [self.entry(path, content) for path, content in self.files.items()]

    def entry(self, path: str, content: bytes) -> dict[str, Any]:
        """Return one file of the listing."""
        git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        entry: dict[str, Any] = {"type": "file", "path": path, "size": len(content), "oid": git}
        if path in self.large:
            digest = hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"oid": digest, "size": len(content), "pointerSize": 130}
        return entry


def handler(hub: FakeHub) -> type[BaseHTTPRequestHandler]:
    """Return the class that answers for ``hub``."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_HEAD(self) -> None:
            self.answer(send=False)

        def do_GET(self) -> None:
            self.answer(send=True)

        def answer(self, send: bool) -> None:
            path = unquote(self.path.split("?")[0])
            hub.asked.append((self.command, path, self.headers["Range"]))
            hub.tokens.append(self.headers["Authorization"])
            if hub.status != 200:
                self.head(hub.status, b"{}", {"X-Error-Code": hub.code} if hub.code else {})
            elif "/tree/" in path:
                body = json.dumps(hub.listing()).encode()
                self.head(200, body, {"Content-Type": "application/json"})
            elif "/resolve/" not in path:
                self.head(404, b"", {})  # what the client asks for on its own account
            elif hub.redirects_to:
                self.head(302, b"", {"Location": hub.redirects_to + self.path, "ETag": '"x"'})
            else:
                self.file(path.split("/resolve/")[1].split("/", 1)[1], send)

        def head(self, status: int, body: bytes, headers: dict[str, str], length: int | None = None) -> None:
            self.send_response(status)
            for name, value in {"X-Repo-Commit": hub.commit, **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else body)

        def file(self, name: str, send: bool) -> None:
            content = hub.serves.get(name, hub.files[name])
            asked = self.headers["Range"] if hub.ranges else None
            start = int((asked or "bytes=0-")[6:].split("-")[0])
            headers = {"ETag": '"x"', "Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
            rest = content[start:]
            self.head(206 if asked else 200, b"", headers, len(rest))
            if send:
                until = len(rest) if hub.stall_after is None else hub.stall_after
                self.wfile.write(rest[:until])
                hub.sent += len(rest[:until])
                if until < len(rest):
                    hub.stalled.set()
                    hub.closing.wait(60)

    return Handler


@contextmanager
def serving(hub: FakeHub) -> Iterator[FakeHub]:
    """Serve ``hub`` until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(hub))
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        hub.closing.set()
        server.shutdown()
        server.server_close()


def use(address: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Make this process take the server at ``address`` for the hub, and work in ``folder``."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    template = "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", address + template)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # as the workflow leaves it
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)  # between its attempts
    monkeypatch.delenv("PLUMBLINE_MIRROR", raising=False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.chdir(folder)
