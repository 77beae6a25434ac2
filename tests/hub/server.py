"""A hub on this machine with one model on it, and faults on demand."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlparse

HUB_ID = "somebody/gemma-4-tiny-it"


@dataclass
class FakeHub:
    """What it serves, how it fails, and what it was asked.

    Attributes:
        files: content by name; those over 1000 bytes are large (LFS) files.
        commit: of the newest state.
        old: content by name at earlier commits.
        status: answered to every request, with the hub's X-Error-Code, instead of what is asked.
        cut_after: bytes of a large file after which the connection is dropped, one per request.
        stall_after: the same, but nothing comes any more.
        busy: how many requests for files are answered with 429 first.
        ignore_range: answer with the whole file whatever is asked.
        damaged: names of files that come with a wrong byte.
        ranges: first bytes that large files were asked from, in order.
    """

    files: dict[str, bytes]
    commit: str = "a" * 40
    old: dict[str, dict[str, bytes]] = field(default_factory=dict)
    status: tuple[int, str] | None = None
    cut_after: list[int] = field(default_factory=list)
    stall_after: list[int] = field(default_factory=list)
    busy: int = 0
    ignore_range: bool = False
    damaged: set[str] = field(default_factory=set)
    ranges: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def record(self) -> dict:
        """As the hub's API describes a model with all of its files."""
        return {
            "id": HUB_ID,
            "sha": self.commit,
            "siblings": [sibling(name, data) for name, data in self.files.items()],
        }


def is_large(data: bytes) -> bool:
    return len(data) > 1000


def sibling(name: str, data: bytes) -> dict:
    entry = {"rfilename": name, "size": len(data), "blobId": blob_id(data)}
    if is_large(data):
        entry["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        entry["lfs"]["pointerSize"] = 130
    return entry


def blob_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@contextmanager
def serve(hub: FakeHub) -> Iterator[FakeHub]:
    """Serve it on a port of this machine."""

    class Handler(_Handler):
        pass

    Handler.hub = hub
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = unquote(urlparse(self.path).path)
        self.hub.asked.append(path)
        if self.hub.status is not None:
            self._refuse(*self.hub.status)
        elif path.startswith("/api/models/"):
            self._describe(path)
        elif self.hub.busy:
            self.hub.busy -= 1
            self._refuse(429, "")
        else:
            self._send_file(path)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _describe(self, path: str) -> None:
        hub_id, _, revision = path.removeprefix("/api/models/").partition("/revision/")
        if hub_id != HUB_ID:
            self._refuse(404, "RepoNotFound")
        elif revision not in ("", "main", self.hub.commit):
            self._refuse(404, "RevisionNotFound")
        else:
            self._send(200, json.dumps(self.hub.record()).encode(), {})

    def _send_file(self, path: str) -> None:
        commit, _, name = path.removeprefix(f"/{HUB_ID}/resolve/").partition("/")
        files = self.hub.files if commit == self.hub.commit else self.hub.old.get(commit, {})
        if name not in files:
            self._refuse(404, "EntryNotFound")
            return
        data = files[name]
        start = int(self.headers.get("Range", "bytes=0-").split("=")[1].rstrip("-"))
        large = is_large(data)
        if large:
            self.hub.ranges.append(start)
        if name in self.hub.damaged:
            data = bytes([data[0] ^ 1]) + data[1:]
        if self.hub.ignore_range or not start:
            self._send_content(200, data, {}, large)
        elif start >= len(data):
            self._refuse(416, "")
        else:
            span = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self._send_content(206, data[start:], {"Content-Range": span}, large)

    def _send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self._begin(status, {**headers, "Content-Length": str(len(data))})
        self.wfile.write(data)

    def _send_content(self, status: int, data: bytes, headers: dict[str, str], large: bool) -> None:
        faults = (self.hub.cut_after or self.hub.stall_after) if large else []
        self._begin(status, {**headers, "Content-Length": str(len(data))})
        stall_s = 0.0 if self.hub.cut_after else 0.5
        if not faults:
            self.wfile.write(data)
            return
        self.wfile.write(data[: faults.pop(0)])
        self.wfile.flush()
        time.sleep(stall_s)
        self.close_connection = True

    def _begin(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()

    def _refuse(self, status: int, code: str) -> None:
        self._send(status, b"", {"X-Error-Code": code})
