"""A model hub on this machine: the requests that huggingface_hub makes of the real one, answered from memory.

    with LocalHub({"org/tiny": {"config.json": b"{}", "model.safetensors": weights}}) as hub:
        run(..., env={"HF_ENDPOINT": hub.url})

`cut_after` ends the transfer of a file early, once; `gated` refuses files as the real hub refuses those whose licence
is not accepted; `altered` sends other bytes than the hub states.
"""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class LocalHub:
    """Repositories by name, each a map from file name to content."""

    def __init__(self, repositories: dict[str, dict[str, bytes]]):
        self.repositories = repositories
        self.gated: set[str] = set()
        self.cut_after: dict[str, int] = {}
        self.altered: dict[str, bytes] = {}
        self.ranges: list[str] = []
        self.tokens: set[str | None] = set()

    def __enter__(self) -> LocalHub:
        hub = self

        class Handler(_Handler):
            pass

        Handler.hub = hub
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: LocalHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        self.hub.tokens.add(self.headers.get("authorization"))
        path = self.path.split("?")[0].strip("/")
        if path.startswith("api/models/"):
            name, _, revision = path.removeprefix("api/models/").partition("/revision/")
            self._answer_info(name, revision)
            return
        name, _, rest = path.partition("/resolve/")
        revision, _, file = rest.partition("/")
        if name in self.hub.gated:
            self._send(403, b"", {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted."})
        elif revision == COMMIT and file in self.hub.repositories.get(name, {}):
            self._answer_file(file, self.hub.repositories[name][file], with_body)
        else:
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"})

    def _answer_info(self, name: str, revision: str) -> None:
        if name not in self.hub.repositories:
            self._send(404, b"", {"X-Error-Code": "RepoNotFound"})
        elif revision != COMMIT:
            self._send(404, b"", {"X-Error-Code": "RevisionNotFound"})
        else:
            siblings = [describe(file, content) for file, content in self.hub.repositories[name].items()]
            gated = "manual" if name in self.hub.gated else False
            info = {"id": name, "modelId": name, "sha": COMMIT, "siblings": siblings, "gated": gated}
            self._send(200, json.dumps(info).encode(), {"Content-Type": "application/json"})

    def _answer_file(self, file: str, content: bytes, with_body: bool) -> None:
        headers = {
            "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
            "X-Repo-Commit": COMMIT,
            "Accept-Ranges": "bytes",
        }
        body, status = self.hub.altered.get(file, content), 200
        wanted = self.headers.get("range")
        if wanted and with_body:
            self.hub.ranges.append(wanted)
            start = int(wanted.removeprefix("bytes=").split("-")[0])
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            body, status = body[start:], 206
        cut = self.hub.cut_after.pop(file, None) if with_body else None
        self._send(status, body, headers, with_body, cut)

    def _send(
        self, status: int, body: bytes, headers: dict[str, str], with_body: bool = True, cut: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body[:cut])
        if cut is not None:
            self.close_connection = True


def describe(file: str, content: bytes) -> dict[str, object]:
    """A file as the hub lists it; weights lie in LFS with their sha256."""
    entry: dict[str, object] = {"rfilename": file, "size": len(content), "blobId": hashlib.sha1(content).hexdigest()}
    if file.endswith(".safetensors"):
        entry["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
    return entry
