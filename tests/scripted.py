"""A registry on loopback that serves one image, and does wrong what a test wants it to."""

from __future__ import annotations

import random
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from images import ARCHITECTURE
from oci_images import MANIFEST, TestImage, entry, free_port, tar

Rule = Callable[["Request", int], bool]


class Request(BaseHTTPRequestHandler):
    """One request; the server's rules may answer it instead of the image that it serves."""

    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.seen.append((self.path, dict(self.headers.items())))
        count = sum(path == self.path for path, _ in self.server.seen)
        for part, rule in self.server.rules:
            if part in self.path and rule(self, count):
                return
        self.serve()

    do_POST = do_HEAD = do_PATCH = do_PUT = do_GET

    def serve(self) -> None:
        name = self.path.rpartition("/")[2]
        image = self.server.image
        if self.path == "/v2/":
            self.answer(200, b"{}")
        elif "/manifests/" in self.path:
            self.answer(200, image.manifest, {"content-type": self.server.media_type})
        elif name in image.blobs:
            self.blob(image.blobs[name])
        else:
            self.answer(404, b'{"errors":[{"code":"NAME_UNKNOWN","message":"no such thing"}]}')

    def blob(self, data: bytes) -> None:
        wanted = self.headers.get("range")
        if not wanted:
            self.answer(200, data)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-"))
        self.answer(
            206, data[start:], {"content-range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
        )

    def answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in {"content-length": str(len(body)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Nothing."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, image: TestImage, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", free_port()), Request)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.image = image
        self.media_type = MANIFEST
        self.rules: list[tuple[str, Rule]] = []
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.host = f"127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def handle_error(self, *_: Any) -> None:
        """A client that gives up is what these tests are about."""


def once(status: int, headers: dict[str, str] | None = None) -> Rule:
    def rule(request: Request, count: int) -> bool:
        if count == 1:
            request.answer(status, b"", headers)
        return count == 1

    return rule


@contextmanager
def serving(image: TestImage, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A server of `image`, which is closed afterwards."""
    server = Server(image, tls)
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def noise(n: int, seed: int) -> bytes:
    """`n` bytes that nothing compresses."""
    return random.Random(seed).randbytes(n)


def layered(size: int, seed: int = 0, count: int = 3) -> TestImage:
    """An image of `count` layers with `size` random bytes each."""
    return TestImage(
        *(tar(entry(f"f{n}", noise(size, seed + n))) for n in range(count)),
        architecture=ARCHITECTURE,
    )


def answer(status: int, body: bytes = b"", **headers: str) -> Rule:
    """Always this answer."""

    def rule(request: Request, count: int) -> bool:
        request.answer(status, body, {k.replace("_", "-"): v for k, v in headers.items()})
        return True

    return rule


def cut(after: int, times: int) -> Rule:
    """The connection breaks off after so many bytes, so many times; ranges are served."""

    def rule(request: Request, count: int) -> bool:
        if count > times:
            return False
        data = request.server.image.blobs[request.path.rpartition("/")[2]]
        start = int(request.headers.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        request.send_response(206 if start else 200)
        request.send_header("content-length", str(len(data) - start))
        request.send_header("content-range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        request.end_headers()
        request.wfile.write(data[start : start + after])
        request.close_connection = True
        return True

    return rule


def slowly(bytes_each: int, pause_s: float) -> Rule:
    """The whole blob in pieces of so many bytes, with a pause after each."""

    def rule(request: Request, count: int) -> bool:
        data = request.server.image.blobs[request.path.rpartition("/")[2]]
        request.send_response(200)
        request.send_header("content-length", str(len(data)))
        request.end_headers()
        try:
            for at in range(0, len(data), bytes_each):
                request.wfile.write(data[at : at + bytes_each])
                time.sleep(pause_s)
        except OSError:
            request.close_connection = True
        return True

    return rule
