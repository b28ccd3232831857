"""A registry on loopback that serves one image, and does wrong what a test wants it to."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from oci_images import MANIFEST, TestImage, free_port

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
        if "/manifests/" in self.path:
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
