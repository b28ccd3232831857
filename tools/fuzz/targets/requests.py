"""Requests to the service (api/http, api/routes, the bodies that api/create and api/libpod read).

An input is what a client sends; there is no engine behind it: whatever is asked of it is not found.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any, NoReturn

from crun_py.api import routes, service
from crun_py.api.http import Connection, Exchange
from crun_py.errors import NotFound

MOST = 4096
TOKENS = [
    "GET ", "POST ", "HEAD ", "PUT ", "DELETE ", " HTTP/1.1\r\n", "Host: d\r\n", "\r\n\r\n",
    "Content-Length: ", "Transfer-Encoding: chunked\r\n", "Expect: 100-continue\r\n",
    "Upgrade: tcp\r\nConnection: Upgrade\r\n", "/v1.52", "/v4.0.0/libpod", "/containers/",
    "/images/", "/exec/", "/build", "?filters=", "%7B%22", '{"Image":"x"}', '"HostConfig":{',
    '"Binds":[',
    '"PortBindings":{"80/tcp":[{', '"Mounts":[{"Type":"bind"', '"portmappings":[{', "null",
    "1e999",
]  # fmt: skip


class _Nothing:
    """Whatever is asked of it is not found."""

    def __getattr__(self, name: str) -> _Nothing:
        return self

    def __call__(self, *_: object, **__: object) -> _Nothing:
        return self

    def _no(self) -> NoReturn:
        raise NotFound("nothing is here")

    def __await__(self) -> Iterator[None]:
        yield from ()
        self._no()

    def __aiter__(self) -> _Nothing:
        return self

    async def __anext__(self) -> None:
        self._no()

    async def __aenter__(self) -> _Nothing:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


class _Writer:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.data = b""
        self.transport: Any = self

    def set_write_buffer_limits(self, high: int) -> None:
        assert high > 0

    def write(self, data: bytes) -> None:
        self.data += data

    async def drain(self) -> None:
        return None

    def close(self) -> None:
        return None

    abort = close


def _reraised(error: Exception) -> NoReturn:
    raise AssertionError("an error that is none of ours") from error


routes.internal = _reraised  # type: ignore[assignment]
ROUTES = service.table()


async def _served(data: bytes) -> tuple[bytes, list[Exchange]]:
    reader, writer = asyncio.StreamReader(), _Writer()
    reader.feed_data(data)
    reader.feed_eof()
    seen: list[Exchange] = []

    async def handle(exchange: Exchange) -> None:
        seen.append(exchange)
        await routes.answer(ROUTES, _Nothing(), exchange)  # type: ignore[arg-type]

    await Connection(reader, writer, handle, [("Server", "x")]).serve()  # type: ignore[arg-type]
    return writer.data, seen


def one(data: bytes) -> None:
    answered, seen = asyncio.run(_served(data))
    methods = [exchange.method for exchange in seen]
    number = 0
    while answered:
        head, end, answered = answered.partition(b"\r\n\r\n")
        first, *fields = head.split(b"\r\n")
        assert end and first.startswith(b"HTTP/1.1 "), first
        status = int(first.split(b" ")[1])
        if status == 100:
            continue
        names = dict(field.lower().split(b": ", 1) for field in fields)
        length = int(names.get(b"content-length", b"-1"))
        if length < 0 and status not in (204, 304):
            break  # in pieces, or another protocol: to the end
        if methods[number : number + 1] == ["HEAD"] or status in (204, 304):
            length = 0
        body, answered = answered[:length], answered[length:]
        if status >= 400 and body:
            assert json.loads(body)["message"], "what went wrong is said"
        number += 1
    assert number <= len(seen) + 1, "one answer for a request"


def _request(line: str, body: object = None, *fields: str) -> bytes:
    text = b"" if body is None else json.dumps(body).encode()
    head = [line + " HTTP/1.1", "Host: d", *fields]
    if text:
        head.append(f"Content-Length: {len(text)}")
    return "\r\n".join([*head, "", ""]).encode() + text


_HOST = {
    "Binds": ["/a:/b:ro", "v:/v"], "PortBindings": {"80/tcp": [{"HostPort": "80"}], "1/udp": None},
    "Mounts": [{"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 4096}}],
    "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}, "Memory": 1 << 20,
    "Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 2}], "Devices": [{"PathOnHost": "/dev/null"}],
}  # fmt: skip
_SPEC = {
    "image": "x", "command": ["y"], "env": {"A": "b"}, "netns": {"nsmode": "bridge"},
    "portmappings": [{"container_port": 80, "host_port": 8080, "protocol": "tcp"}],
    "mounts": [{"type": "bind", "source": "/a", "destination": "/b", "options": ["ro"]}],
    "resource_limits": {"memory": {"limit": 4096}}, "r_limits": [{"type": "RLIMIT_NOFILE"}],
}  # fmt: skip


def seeds() -> Iterator[bytes]:
    yield _request("GET /_ping")
    yield _request("GET /v1.52/containers/json?all=1&filters=%7B%22label%22%3A%5B%22a%22%5D%7D")
    yield _request("POST /containers/create?name=x", {"Image": "x", "HostConfig": _HOST})
    yield _request("POST /v5.0.0/libpod/containers/create", _SPEC)
    yield _request("POST /build?t=a&buildargs=%7B%7D&dockerfile=x", None, "Content-Length: 0")
    yield _request("POST /networks/create", {"Name": "n", "IPAM": {"Config": [{"Subnet": "x"}]}})
    yield _request("POST /containers/x/exec", {"Cmd": ["a"], "DetachKeys": "ctrl-a"})
    yield _request("POST /containers/x/attach?stream=1&stdin=1", None, "Upgrade: tcp")
    yield _request("GET /containers/x/attach/ws", None, "Upgrade: websocket",
                   "Connection: Upgrade", "Sec-WebSocket-Version: 13",
                   "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")  # fmt: skip
    yield _request("PUT /containers/x/archive?path=/", None, "Transfer-Encoding: chunked") + (
        b"5\r\nhello\r\n0\r\n\r\n"
    )
    yield _request("POST /secrets/create", {"Name": "s", "Data": "aGk="}) + _request("GET /info")
    yield _request("POST /images/create?fromImage=x", None, "X-Registry-Auth: e30=")
    yield _request("GET /containers/x/logs?stdout=1&since=1.5&tail=x", None, "Expect: 100-continue")
