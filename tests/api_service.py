"""A `crunpy system service` of a test."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
from typing import Any

import docker
from engine import Engine

NONE = {"network_mode": "none"}


class Served:
    """A service for an engine's store."""

    def __init__(self, engine: Engine, *options: str) -> None:
        self.engine = engine
        self.path = engine.run_root / f"api{os.getpid()}.sock"
        self.process = engine.popen("system", "service", *options, f"unix://{self.path}")
        line = self.process.stderr.readline().decode()
        assert line == f"API listen on unix://{self.path}\n", (
            line + self.process.stderr.read().decode()
        )

    def client(self) -> Any:
        return docker.DockerClient(base_url=f"unix://{self.path}", version="1.41", timeout=60)

    def connect(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(30)
        sock.connect(str(self.path))
        return sock

    def raw(self, data: bytes) -> bytes:
        """What is answered to `data`, until the service closes or 2 s pass without a word."""
        with self.connect() as sock:
            sock.settimeout(2)
            answer = b""
            with contextlib.suppress(TimeoutError, ConnectionError):
                sock.sendall(data)
                while piece := sock.recv(1 << 16):
                    answer += piece
        return answer

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("d")
        connection.sock = self.connect()
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text) if text.strip() else None

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=30) == 0
