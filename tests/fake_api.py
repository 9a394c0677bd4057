"""An OpenAI-compatible API on 127.0.0.1: answers by text and seed, with every trouble of a real one."""

import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]
Asked = tuple[str, int]  # text of the user turn, seed


@dataclass
class Reaction:
    """What the server does with one request in place of an answer."""

    kind: str = "json"  # json | raw | half | trickle | reset | hang
    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


def said(content: str | None, end: str = "stop", **message: Any) -> Body:
    """Return a chat completion of 3 + 5 tokens."""
    return {
        "id": "c",
        "object": "chat.completion",
        "model": "served-model",
        "choices": [
            {
                "index": 0,
                "finish_reason": end,
                "message": {"role": "assistant", "content": content, **message},
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
    }


def failed(status: int, code: str = "", message: str = "no", **headers: str) -> Reaction:
    """Return an error as the API words it."""
    body = {"error": {"message": message, "type": "error", "param": None, "code": code or None}}
    return Reaction("json", status, body, {name.replace("_", "-"): value for name, value in headers.items()})


@dataclass
class FakeApi:
    """How the server behaves, and what it was asked."""

    react: Callable[[Asked, int], Reaction | Body | None] = lambda asked, nth: None
    asked: list[Asked] = field(default_factory=list)  # every chat request, in order
    times: list[float] = field(default_factory=list)  # when
    bodies: list[Body] = field(default_factory=list)
    answered: Counter[Asked] = field(default_factory=Counter)
    keys: set[str | None] = field(default_factory=set)  # Authorization of every request
    most_at_once: int = 0
    pause: float = 0.0  # seconds before an answer
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, Body] = field(default_factory=dict)
    submitted: list[bytes] = field(default_factory=list)  # input of each batch
    polls: int = 0  # answers of a batch's status before it ends
    batch_ends: Callable[["FakeApi", Body, bytes], None] | None = None
    create_then_reset: int = 0  # batches that are made although the answer is lost
    address: str = ""
    under_way: int = 0
    lock: Any = field(default_factory=threading.Lock)
    closing: threading.Event = field(default_factory=threading.Event)

    def answer(self, asked: Asked) -> Body:
        """Return the answer to a text with a seed: yes where the seed is odd."""
        text, seed = asked
        return said(f"{len(text)} letters, seed {seed}. The answer is {'yes' if seed % 2 else 'no'}.")

    def run_batch(self, content: bytes) -> tuple[bytes, bytes]:
        """Return output and error file of a batch, backwards."""
        out, errors = [], []
        for line in reversed([json.loads(text) for text in content.splitlines()]):
            asked = (line["body"]["messages"][0]["content"], line["body"]["seed"])
            nth = sum(asked == other for other in self.asked)
            self.asked.append(asked)
            found = self.react(asked, nth)
            if isinstance(found, Reaction):
                response = {"status_code": found.status, "body": found.body}
                errors.append({"custom_id": line["custom_id"], "response": response, "error": None})
            else:
                self.answered[asked] += 1
                response = {"status_code": 200, "body": found or self.answer(asked)}
                out.append({"custom_id": line["custom_id"], "response": response, "error": None})
        return tuple(b"".join(json.dumps(line).encode() + b"\n" for line in rows) for rows in (out, errors))  # type: ignore[return-value]


def end_batch(api: FakeApi, batch: Body, content: bytes) -> None:
    """Complete a batch with an answer for every line."""
    out, errors = api.run_batch(content)
    for name, rows in (("output", out), ("error", errors)):
        if rows:
            api.files[f"{batch['id']}-{name}"] = rows
            batch[f"{name}_file_id"] = f"{batch['id']}-{name}"
    batch["status"] = "completed"


def handler(api: FakeApi) -> type[BaseHTTPRequestHandler]:
    """Return the class that answers for ``api``."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or every answer takes 40 ms

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            api.keys.add(self.headers["Authorization"])
            path = self.path.split("?")[0].removeprefix("/v1/").split("/")
            if path[0] == "files":
                self.send(200, api.files[path[1]], {"Content-Type": "application/octet-stream"})
            elif path == ["batches"]:
                self.json(200, {"object": "list", "data": list(api.batches.values()), "has_more": False})
            else:
                self.batch(path[1])

        def batch(self, key: str) -> None:
            batch = api.batches[key]
            batch["polls"] += 1
            if batch["status"] == "in_progress" and batch["polls"] > api.polls:
                (api.batch_ends or end_batch)(api, batch, api.files[batch["input_file_id"]])
            self.json(200, batch)

        def do_POST(self) -> None:
            api.keys.add(self.headers["Authorization"])
            content = self.rfile.read(int(self.headers["Content-Length"]))
            routes = {"/v1/chat/completions": self.chat, "/v1/files": self.upload, "/v1/batches": self.submit}
            routes[self.path](content)

        def upload(self, content: bytes) -> None:
            boundary = b"--" + self.headers["Content-Type"].split("boundary=")[1].encode()
            part = next(p for p in content.split(boundary) if b'filename="' in p)
            key = f"file-{len(api.files)}"
            api.files[key] = part.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n")
            about = {"id": key, "object": "file", "purpose": "batch", "filename": "f", "bytes": 1}
            self.json(200, {**about, "created_at": 0, "status": "processed"})

        def submit(self, content: bytes) -> None:
            asked = json.loads(content)
            key = f"batch_{len(api.batches)}"
            about = {"object": "batch", "created_at": 0, "polls": 0, "status": "in_progress"}
            api.batches[key] = {"id": key, **about, **asked}
            api.submitted.append(api.files[asked["input_file_id"]])
            if api.create_then_reset:
                api.create_then_reset -= 1
                self.reset()
            else:
                self.json(200, api.batches[key])

        def chat(self, content: bytes) -> None:
            body = json.loads(content)
            asked = (body["messages"][0]["content"], body["seed"])
            with api.lock:
                nth = sum(asked == other for other in api.asked)
                api.asked.append(asked)
                api.times.append(time.monotonic())
                api.bodies.append(body)
                api.under_way += 1
                api.most_at_once = max(api.most_at_once, api.under_way)
                found = api.react(asked, nth)
            time.sleep(api.pause)
            with api.lock:
                api.under_way -= 1
                api.answered[asked] += not isinstance(found, Reaction)
            if not isinstance(found, Reaction):
                found = Reaction(body=found or api.answer(asked))
            kinds = {"json": self.as_json, "raw": self.raw, "half": self.half, "trickle": self.trickle}
            (kinds | {"reset": self.lost, "hang": self.hang})[found.kind](found)

        def as_json(self, found: Reaction) -> None:
            self.json(found.status, found.body, found.headers)

        def raw(self, found: Reaction) -> None:
            self.send(found.status, found.body, {"Content-Type": "application/json"})

        def half(self, _: Reaction) -> None:
            content = json.dumps(said("half")).encode()
            self.send(200, content[: len(content) // 2], {"Content-Type": "application/json"})

        def trickle(self, _: Reaction) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            while not api.closing.wait(0.1):  # each byte in time, the answer never
                self.wfile.write(b" ")

        def lost(self, _: Reaction) -> None:
            self.reset()

        def reset(self) -> None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True

        def hang(self, _: Reaction) -> None:
            api.closing.wait(60)
            self.close_connection = True

        def json(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
            about = {"Content-Type": "application/json", **(headers or {})}
            self.send(status, json.dumps(body).encode(), about)

        def send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            try:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)
            except OSError:  # the client was killed
                self.close_connection = True

        def handle(self) -> None:
            try:
                super().handle()
            except (OSError, ValueError):  # a connection that was reset, by either side
                self.close_connection = True

        def finish(self) -> None:
            try:
                super().finish()
            except (OSError, ValueError):
                self.close_connection = True

    return Handler


class Server(ThreadingHTTPServer):
    """A server that takes many connections at once."""

    daemon_threads = True
    request_queue_size = 128


@contextmanager
def serving(api: FakeApi) -> Iterator[FakeApi]:
    """Serve ``api`` until the block ends."""
    server = Server(("127.0.0.1", 0), handler(api))
    api.address = f"http://127.0.0.1:{server.server_address[1]}/v1"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield api
    finally:
        api.closing.set()
        server.shutdown()
        server.server_close()
