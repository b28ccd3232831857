"""Messages on a socket: whole or an error, whatever comes."""

from __future__ import annotations

import array
import os
import random
import resource
import socket
import struct
import threading
import time

import pytest
from working import descriptors, nothing_left

from crun_py.errors import CrunpyError, InvalidArgument
from crun_py.model.descriptor import Descriptor
from crun_py.worker import wire


@pytest.fixture
def ends() -> object:
    pair = wire.pair(socket.SOCK_STREAM)
    yield pair
    for end in pair:
        end.close()


Ends = tuple[socket.socket, socket.socket]


def test_one_message_after_another(ends: Ends) -> None:
    incoming = wire.Incoming()
    for value in (1, b"x", (b"", b"yy", b""), None):
        wire.send(ends[0], "kind", value)
    for value in (1, b"x", (b"", b"yy", b""), None):
        message = wire.receive(ends[1], incoming)
        assert (message.kind, message.value) == ("kind", value)
    ends[0].close()
    with pytest.raises(EOFError):
        wire.receive(ends[1], incoming)


def test_many_and_large_blobs(ends: Ends) -> None:
    value = (os.urandom(1 << 20) * 100, *[bytes([n % 256]) * 3 for n in range(3000)])
    sender = threading.Thread(target=wire.send, args=(ends[0], "k", value))
    began = time.perf_counter()
    sender.start()
    found = wire.receive(ends[1], wire.Incoming()).value
    took = time.perf_counter() - began
    sender.join()
    assert found == value
    assert took < 5


def test_descriptors_come_with_their_message(ends: Ends) -> None:
    with nothing_left():
        heard, told = os.pipe()
        wire.send(ends[0], "k", {"many": [Descriptor(told) for _ in range(250)]})
        wire.send(ends[0], "k", 1)
        incoming = wire.Incoming()
        found = wire.receive(ends[1], incoming).value["many"]  # type: ignore[index]
        assert len({d.fd for d in found}) == 250 and not any(
            os.get_inheritable(d.fd) for d in found
        )
        assert wire.receive(ends[1], incoming).value == 1
        os.close(told)
        del found
        assert os.read(heard, 1) == b""
        os.close(heard)


def test_limits_of_what_is_sent() -> None:
    with pytest.raises(CrunpyError, match="251 descriptors: at most 250"):
        wire.Outgoing("k", [Descriptor(0)] * 251)
    with pytest.raises(CrunpyError, match="header"):
        wire.Outgoing("k", "x" * (65 << 20))
    deep: list[object] = []
    for _ in range(100000):
        deep = [deep]
    with pytest.raises(CrunpyError, match="recursion"):
        wire.Outgoing("k", deep)


def encoded(value: object) -> bytes:
    a, b = socket.socketpair()
    wire.send(a, "k", value)
    a.close()
    with b:
        return b.recv(1 << 20)


def refused(data: bytes, fds: tuple[int, ...] = ()) -> str:
    """The error for `data`; nothing else may come of it."""
    a, b = socket.socketpair()
    with b, a:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        a.sendmsg([data], rights)
        a.shutdown(socket.SHUT_WR)
        with pytest.raises(CrunpyError) as caught:
            wire.receive(b, wire.Incoming())
        return caught.value.message


@pytest.mark.parametrize(
    "header",
    [b"x", b"[]", b"[1,2,[]]", b'["k",1,2]', b'["k",1,[-1]]', b'["k",1,[1.0]]', b'["k",1,[true]]',
     b'["k",{"b":5},[]]', b'["k",1,[9999999999999]]', b"[" * 100000,
     b'["k",' + b"9" * 5000 + b",[]]",
     b"\xff\xfe", b'{"a":1}', b'["k",{"fd":0},[]]'],
)  # fmt: skip
def test_malformed_headers(header: bytes) -> None:
    message = struct.pack("<IIQ", len(header), 0, 7) + header + struct.pack("<Q", 7)
    assert "malformed" in refused(message)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\0", "a text has a NUL"), ("\\\0", "a text has a NUL"),
        ("\ud800", "not a whole character"), ("\\u0000", ""), ("\udcff", ""), ("é\U0001f600", ""),
    ],
)  # fmt: skip
def test_texts_that_no_system_call_takes(text: str, said: str) -> None:
    """In what is asked for; what is answered may have them, as a container's output has."""
    wire.Outgoing("item", (text,))
    if not said:
        wire.Outgoing("call", ("a.b", (text,), {text: 1}))
        return
    given: list[tuple[object, object]] = [((text,), {}), ((), {"x": [{"y": text}]})]
    for arguments, keywords in given:
        with pytest.raises(InvalidArgument, match=said):
            wire.Outgoing("call", ("a.b", arguments, keywords))


def test_malformed_frames() -> None:
    good = encoded(b"abc")
    assert refused(b"\xff" * 100) == "reading a message: malformed: limits are exceeded"
    assert "malformed" in refused(struct.pack("<IIQ", 0, 0, 0))
    assert refused(good[:-1]) == refused(good[:5]) == "reading a message: it was cut off"
    assert "cut off" in refused(good[:-8] + bytes(8))
    # a child that is killed in the midst, and the worker's word behind it
    assert "cut off" in refused(good[:-9] + encoded("killed"))


def test_descriptors_that_nobody_announced_are_closed() -> None:
    with nothing_left():
        heard, told = os.pipe()
        assert "descriptors came" in refused(encoded(1), (told,))
        os.close(told)
        assert os.read(heard, 1) == b""
        os.close(heard)


def test_no_room_for_a_descriptor(ends: Ends) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wire.send(ends[0], "k", [Descriptor(0)] * 100)
    before = descriptors()
    tenth_free = [fd for fd in range(1000) if str(fd) not in before][9]
    resource.setrlimit(resource.RLIMIT_NOFILE, (tenth_free, hard))
    try:
        with pytest.raises(CrunpyError, match="too many open files") as caught:
            wire.receive(ends[1], wire.Incoming())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "ulimit -n" in caught.value.hint
    del caught
    assert descriptors() == before


def test_anything_at_all_is_a_message_or_an_error() -> None:
    chance = random.Random(7)
    heard, told = os.pipe()
    good = [
        encoded(v) for v in (1, "text", (b"abc", {"a": b"", 2: (1.5, None)}), {"x": [b"q"] * 9})
    ]
    with nothing_left():
        outcomes = set()
        for _ in range(3000):
            data = bytearray(chance.choice(good))
            for _ in range(chance.randrange(4)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            if chance.random() < 0.2:
                del data[chance.randrange(len(data)) :]
            a, b = socket.socketpair()
            with a, b:
                fds = array.array("i", [told] * chance.choice((0, 0, 0, 1, 3)))
                if data:
                    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)] if fds else []
                    a.sendmsg([data], rights)
                a.shutdown(socket.SHUT_WR)
                try:
                    outcomes.add(type(wire.receive(b, wire.Incoming())))
                except (CrunpyError, EOFError) as e:
                    outcomes.add(type(e))
        assert outcomes == {wire.Message, CrunpyError, EOFError}
    os.close(told)
    assert os.read(heard, 1) == b""
    os.close(heard)
