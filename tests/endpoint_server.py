"""A server with the API of chat completions for tests, on a port of this machine; it misbehaves as it is told.

    with ChatServer() as server:
        server.faults = [error(429, "slow down", {"Retry-After": "1"}), CUT]     one for each of the next requests
        server.answer = lambda body: completion("a red circle")

`server.bodies` are the requests that were answered or refused, `server.headers` theirs.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-tests-4f1d0c7a9b"
KEY_VARIABLE = "KEY_OF_THE_TESTS"

Body = dict[str, Any]
Reply = tuple[int, dict[str, str], bytes] | None  # status, headers, body; None cuts the connection


def completion(text: str | None, model: str = "tiny-2026-11-01", finish: str = "stop", **message: Any) -> Reply:
    """A chat completion."""
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, **message}}
    usage = {"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107}
    return as_json({"id": "c1", "object": "chat.completion", "model": model, "choices": [choice], "usage": usage})


def as_json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    return status, {"Content-Type": "application/json", **(headers or {})}, json.dumps(value).encode()


def error(status: int, message: str = "no", headers: dict[str, str] | None = None, **fields: Any) -> Reply:
    """An error as OpenAI's API has it."""
    return as_json({"error": {"message": message, "type": "error", **fields}}, status, headers)


CUT: Reply = None
GARBAGE: Reply = (200, {"Content-Type": "text/html"}, b"<html>a proxy's page</html>")
HALF: Reply = (200, {"Content-Type": "application/json", "Content-Length": "5000"}, b'{"choices": [')


def text_of(body: Body) -> str:
    """The text of the last message."""
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


class ChatServer:
    """What the server says and what it was asked."""

    def __init__(self) -> None:
        self.answer: Callable[[Body], Reply] = lambda body: completion(f"caption of {len(text_of(body))} characters")
        self.faults: list[Reply] = []
        self.bodies: list[Body] = []
        self.headers: list[dict[str, str]] = []
        self.seconds = 0.0  # that an answer takes
        self.at_once = self.most_at_once = 0
        self.times: list[float] = []
        self.lock = threading.Lock()
        self.base_url = ""

    def reply(self, body: Body, headers: dict[str, str]) -> Reply:
        with self.lock:
            self.bodies.append(body)
            self.headers.append(headers)
            self.times.append(time.monotonic())
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            fault = self.faults.pop(0) if self.faults else "none"
        time.sleep(self.seconds)
        with self.lock:
            self.at_once -= 1
        return self.answer(body) if fault == "none" else fault


@contextmanager
def chat_server() -> Iterator[ChatServer]:
    """A running server."""
    state = ChatServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            assert self.path == "/v1/chat/completions", self.path
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            reply = state.reply(body, {name.lower(): value for name, value in self.headers.items()})
            self.close_connection = True
            if reply is None:
                return
            status, headers, content = reply
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), "Connection": "close", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    state.base_url = f"http://127.0.0.1:{server.server_port}/v1"
    yield state
    server.shutdown()
    server.server_close()
