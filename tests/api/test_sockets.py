"""Attach by WebSocket, spoken to by wsproto and by hand."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from api_service import NONE, Served
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    Pong,
    Request,
    TextMessage,
)


class Browser:
    """The client's side."""

    def __init__(self, served: Served, path: str) -> None:
        self.socket = served.connect()
        self.ws = WSConnection(ConnectionType.CLIENT)
        self.socket.sendall(self.ws.send(Request(host="d", target=path)))
        self.events = self._events()
        assert isinstance(next(self.events), AcceptConnection)

    def _events(self) -> Iterator[Any]:
        while data := self.socket.recv(1 << 16):
            self.ws.receive_data(data)
            yield from self.ws.events()

    def send(self, event: Any) -> None:
        self.socket.sendall(self.ws.send(event))

    def read(self) -> bytes:
        """Everything that is said until the other side closes."""
        found = b""
        for event in self.events:
            if isinstance(event, CloseConnection):
                break
            assert isinstance(event, BytesMessage)
            found += event.data
        return found


QUERY = "?stdin=1&stdout=1&stderr=1&stream=1"


def test_words_both_ways(client: Any, served: Served) -> None:
    made = client.containers.create("busybox", ["head", "-n2"], stdin_open=True, **NONE)
    browser = Browser(served, f"/v1.52/containers/{made.id}/attach/ws{QUERY}")
    made.start()
    browser.send(Ping(payload=b"there?"))
    answer = next(browser.events)
    assert isinstance(answer, Pong) and answer.payload == b"there?"
    browser.send(BytesMessage(data=b"one\n"))
    browser.send(TextMessage(data="two\n"))
    assert browser.read() == b"one\ntwo\n"
    browser.socket.close()
    assert made.wait()["StatusCode"] == 0


def test_who_leaves_leaves_the_container(client: Any, served: Served) -> None:
    made = client.containers.run("busybox", ["sleep", "1000"], detach=True, **NONE)
    browser = Browser(served, f"/containers/{made.id}/attach/ws{QUERY}")
    browser.send(CloseConnection(code=1000))
    assert isinstance(next(browser.events), CloseConnection)
    browser.socket.close()
    made.reload()
    assert made.status == "running"


HEAD = "GET /containers/{}/attach/ws HTTP/1.1\r\nHost: d\r\n"


@pytest.mark.parametrize(
    "fields",
    ["", "Upgrade: websocket\r\nConnection: Upgrade\r\n",
     "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"],
)  # fmt: skip
def test_no_handshake(client: Any, served: Served, fields: str) -> None:
    made = client.containers.create("busybox", ["true"], **NONE)
    answer = served.raw((HEAD.format(made.id) + fields + "\r\n").encode())
    assert answer.startswith(b"HTTP/1.1 400"), answer


def test_broken_frames_end_the_connection_alone(client: Any, served: Served) -> None:
    made = client.containers.run("busybox", ["sleep", "1000"], detach=True, **NONE)
    browser = Browser(served, f"/containers/{made.id}/attach/ws{QUERY}")
    browser.socket.sendall(b"\xff" * 100)  # an unknown frame, not masked
    browser.socket.settimeout(20)
    while browser.socket.recv(1 << 16):
        pass
    browser.socket.shutdown(socket.SHUT_RDWR)
    browser.socket.close()
    assert served.ask("GET", f"/containers/{made.id}/json")[1]["State"]["Running"]
