"""The worker's loop, spoken to without a channel."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import wait_for
from working import alive, nothing_left

from crun_py.errors import CrunpyError
from crun_py.worker import wire
from crun_py.worker.spawn import Link, Settings

TOY = Settings(root="/tmp/r", run="/tmp/toy-run", package="toy", preload=("toy.containers",))


@pytest.fixture
def link() -> Iterator[Link]:
    with nothing_left():
        made = Link(TOY)
        yield made
        assert made.last_words() is None
        made.end()
        made.wait()


def ask(link: Link, kind: str, value: object) -> wire.Message:
    """The answer to one request."""
    with link.request(wait=True) as sock:
        wire.send(sock, kind, value)
        return wire.receive(sock, wire.Incoming())


def parent(link: Link) -> int:
    found = ask(link, "call", ("containers.parent", (), {})).value
    assert isinstance(found, int)
    return found


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


@pytest.mark.parametrize(
    "value", [None, ("containers.nothing",), (1, (), {}), ("containers.nothing", {}, ())]
)
def test_a_request_that_is_none(link: Link, value: object) -> None:
    for kind in ("call", "else"):
        message = ask(link, kind, value)
        assert message.kind == "error" and "malformed" in str(message.value)
    assert ask(link, "call", ("containers.echo", (1,), {})).value == (1,)


def test_noise_in_a_request_hurts_nobody_else(link: Link) -> None:
    worker = parent(link)
    for noise in (b"\xff" * 64, struct.pack("<IIQ", 5, 0, 0) + b"[1,2]", b"x"):
        with link.request(wait=True) as sock:
            sock.sendall(noise)
            sock.shutdown(socket.SHUT_WR)
            message = wire.receive(sock, wire.Incoming())
            assert message.kind == "error" and isinstance(message.value, CrunpyError)
    assert parent(link) == worker


def test_a_caller_that_says_nothing_and_goes(link: Link) -> None:
    worker = parent(link)
    for _ in range(5):
        link.request(wait=True).close()
    waiting = [link.request(wait=True) for _ in range(5)]
    wait_for(lambda: len(children(worker)) == 5)
    for sock in waiting:
        sock.close()
    wait_for(lambda: not children(worker))


def test_a_packet_without_a_descriptor_is_nothing(link: Link) -> None:
    worker = parent(link)
    link._control.send(b"hello")
    heard, told = os.pipe()
    socket.send_fds(link._control, [b"two"], [told, told])  # no request: neither is a socket
    os.close(told)
    os.close(heard)
    assert parent(link) == worker


def test_children_keep_no_request_of_others(link: Link) -> None:
    """A caller hears at once that its child has ended, whoever else is at work."""
    with link.request(wait=True) as long:
        wire.send(long, "call", ("containers.sleep", (30,), {}))
        assert wire.receive(long, wire.Incoming()).kind == "event"
        with link.request(wait=True) as sock:
            wire.send(sock, "call", ("containers.nothing", (), {}))
            incoming = wire.Incoming()
            assert wire.receive(sock, incoming).kind == "result"
            began = time.monotonic()
            with pytest.raises(EOFError):
                wire.receive(sock, incoming)
            assert time.monotonic() - began < 5


def test_the_worker_keeps_nothing_of_a_request(link: Link) -> None:
    worker = parent(link)

    def files() -> list[str]:
        return os.listdir(f"/proc/{worker}/fd")

    wait_for(lambda: not children(worker))
    time.sleep(0.1)  # what is reaped is closed
    before = files()
    for name, arguments in (("nothing", ()), ("missing", ()), ("killed", (9,)), ("exits", (9,))):
        for _ in range(20):
            ask(link, "call", (f"containers.{name}", arguments, {}))
    wait_for(lambda: files() == before)


def test_requests_that_come_before_the_worker_works() -> None:
    with nothing_left():
        link = Link(TOY)
        socks = [link.request(wait=True) for _ in range(50)]
        for sock in socks:
            wire.send(sock, "call", ("containers.parent", (), {}))
        found = {wire.receive(sock, wire.Incoming()).value for sock in socks}
        assert len(found) == 1
        for sock in socks:
            sock.close()
        link.end()
        link.wait()
        assert not alive(found.pop())  # type: ignore[arg-type]
