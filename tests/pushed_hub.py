"""A hub on 127.0.0.1 that takes commits: what was sent, by whom, and what it answers."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "c" * 40


@dataclass
class Receiver:
    """What the server got, and how it behaves."""

    status: int = 200  # of every answer
    created: list[dict[str, Any]] = field(default_factory=list)  # repositories that were asked for
    files: dict[str, bytes] = field(default_factory=dict)  # of all commits
    commits: list[str] = field(default_factory=list)  # the paths that they went to
    tokens: set[str | None] = field(default_factory=set)  # of every request that sends something
    address: str = ""


def _handler(hub: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            self.say({})  # the client asks on its own account, without a token

        def do_POST(self) -> None:
            size = self.headers["Content-Length"]
            body = self.rfile.read(int(size)) if size else b"".join(self.chunks())
            path = self.path.split("?")[0]
            if path != "/api/validate-yaml":  # which says nothing of whom it is for
                hub.tokens.add(self.headers["Authorization"])
            if hub.status != 200:
                self.say({"error": "no"})
            elif path == "/api/repos/create":
                made = json.loads(body)
                hub.created.append(made)
                self.say({"url": f"{hub.address}/{made['organization']}/{made['name']}"})
            elif "/preupload/" in path:
                asked = [entry["path"] for entry in json.loads(body)["files"]]
                self.say(
                    {"files": [{"path": p, "uploadMode": "regular", "shouldIgnore": False} for p in asked]}
                )
            elif "/commit/" in path:
                hub.commits.append(path)
                for line in filter(None, body.split(b"\n")):
                    entry = json.loads(line)
                    if entry["key"] == "file":
                        hub.files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
                self.say(
                    {"commitUrl": f"{hub.address}/me/x/commit/{COMMIT}", "commitOid": COMMIT, "success": True}
                )
            else:
                self.say({"errors": [], "warnings": []})  # /api/validate-yaml, of the card

        def chunks(self) -> Iterator[bytes]:
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()

        def say(self, answer: dict[str, Any]) -> None:
            content = json.dumps(answer).encode()
            self.send_response(hub.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler


@contextmanager
def receiving(hub: Receiver) -> Iterator[Receiver]:
    """Serve ``hub`` until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
