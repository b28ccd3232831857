"""The few words of D-Bus, and what comes of a bus that is not what it should be."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from crun_py.cgroup import dbus
from crun_py.cgroup.dbus import Bus, encode


@pytest.mark.parametrize(
    "signature,values,expected",
    [
        ("y", [1], b"\1"),
        ("yu", [1, 2], b"\1\0\0\0\2\0\0\0"),
        ("b", [True], b"\1\0\0\0"),
        ("t", [2**40], b"\0\0\0\0\0\1\0\0"),
        ("s", ["\xe4b"], b"\3\0\0\0\xc3\xa4b\0"),
        ("g", ["a(sv)"], b"\5a(sv)\0"),
        ("v", [("u", 7)], b"\1u\0\0\7\0\0\0"),
        ("ay", [b"\1\2"], b"\2\0\0\0\1\2"),
        ("au", [[]], b"\0\0\0\0"),
        ("at", [[]], b"\0\0\0\0\0\0\0\0"),  # padded as if something came
        ("a(st)", [[("a", 1)]], b"\x10\0\0\0\0\0\0\0\1\0\0\0a\0\0\0\1\0\0\0\0\0\0\0"),
        ("sa(sv)", ["x", []], b"\1\0\0\0x\0\0\0\0\0\0\0\0\0\0\0"),
    ],
)
def test_values_on_the_wire(signature: str, values: list[object], expected: bytes) -> None:
    """Worked out by hand from the specification, "Marshaling"."""
    assert encode(signature, values) == expected


def a_bus(path: Path, answer: Callable[[socket.socket, bytes], None]) -> threading.Thread:
    """A bus of one client at `path`; `answer` gets the connection and what came first."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        with listener, listener.accept()[0] as client:
            answer(client, client.recv(4096))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


def message(kind: int, fields: list[tuple[int, tuple[str, object]]], body: bytes = b"") -> bytes:
    head = bytearray(encode("yyyyuu", [ord("l"), kind, 0, 1, len(body), 9]))
    dbus._put(head, "a(yv)", fields)
    return bytes(head) + bytes(-len(head) % 8) + body


RETURN = message(2, [(5, ("u", 1)), (8, ("g", "s")), (6, ("s", ":1.7"))], encode("s", [":1.7"]))
ERROR = message(
    3, [(4, ("s", "org.example.Bad")), (5, ("u", 2)), (8, ("g", "s"))], encode("s", ["It is bad."])
)
SIGNAL = message(
    4, [(1, ("o", "/a")), (3, ("s", "JobRemoved")), (8, ("g", "uoss"))],
    encode("uoss", [3, "/job/3", "a.scope", "done"]),
)  # fmt: skip


def test_calls_and_what_comes(tmp_path: Path) -> None:
    def answer(client: socket.socket, first: bytes) -> None:
        assert first.startswith(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\nl")
        client.sendall(b"DATA\r\nOK 0123\r\n")
        whole = RETURN + ERROR + SIGNAL
        for at in range(len(whole)):  # in as small pieces as can be
            client.sendall(whole[at : at + 1])
        client.recv(4096)

    thread = a_bus(tmp_path / "bus", answer)
    bus = Bus(str(tmp_path / "bus"), 5)
    first, second, third = bus.next(), bus.next(), bus.next()
    assert (first.answers, first.error, first.body) == (1, "", [":1.7"])
    assert (second.answers, second.error) == (2, "org.example.Bad")
    assert (third.member, third.body) == ("JobRemoved", [3, "/job/3", "a.scope", "done"])
    bus.close()
    bus.close()
    thread.join(5)


@pytest.mark.parametrize(
    "said", [b"REJECTED EXTERNAL\r\nERROR\r\n", b"DATA\r\nREJECTED\r\n", b"", b"DATA\r\n"]
)
def test_a_bus_that_does_not_let_us_in(tmp_path: Path, said: bytes) -> None:
    thread = a_bus(tmp_path / "bus", lambda client, first: client.sendall(said))
    bus = Bus(str(tmp_path / "bus"), 5)
    with pytest.raises(OSError):
        bus.next()
    bus.close()
    thread.join(5)


@pytest.mark.parametrize("said", [
    b"B" + RETURN[1:],  # another byte order
    RETURN[:4] + b"\xff\xff\xff\x7f" + RETURN[8:],  # longer than any message
    RETURN[:40] + b"\xff" * 30 + RETURN[70:],
    message(2, [(5, ("u", 1)), (8, ("g", "s"))], b"\xff\0\0\0a\0"),  # a string beyond it
    message(2, [(5, ("u", 1)), (8, ("g", "u"))], b"\xff"),
])  # fmt: skip
def test_what_is_no_message(tmp_path: Path, said: bytes) -> None:
    def answer(client: socket.socket, first: bytes) -> None:
        client.sendall(b"DATA\r\nOK 0\r\n" + said)
        client.recv(4096)

    thread = a_bus(tmp_path / "bus", answer)
    bus = Bus(str(tmp_path / "bus"), 5)
    with pytest.raises(ValueError):
        bus.next()
    bus.close()
    thread.join(5)


def test_a_bus_that_says_nothing(tmp_path: Path) -> None:
    thread = a_bus(tmp_path / "bus", lambda client, first: (client.recv(1), None)[1])
    bus = Bus(str(tmp_path / "bus"), 0.1)
    with pytest.raises(TimeoutError):
        bus.next()
    bus.close()
    thread.join(5)


def reply(number: int, signature: str, *values: object) -> bytes:
    return message(2, [(5, ("u", number)), (8, ("g", signature))], encode(signature, values))


def test_a_start_waits_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Greeting, subscription and the units of a start go out together, and nothing is waited for
    before the container's cgroup is needed."""
    from crun_py.cgroup import manager
    from crun_py.cgroup.systemd import Systemd, Unit

    heard: list[bytes] = []
    go = threading.Event()

    def answer(client: socket.socket, first: bytes) -> None:
        heard.append(first)
        assert go.wait(5)  # no answer yet: `start` has returned all the same
        said = [b"DATA\r\nOK 0123\r\n", reply(1, "s", ":1.7"), reply(3, "o", "/job/3")]
        client.sendall(b"".join([*said, reply(4, "o", "/job/4"), SIGNAL]))
        client.sendall(SIGNAL.replace(b"/job/3", b"/job/4"))
        assert client.recv(4096) == b""  # nothing more was to be asked

    thread = a_bus(tmp_path / "bus", answer)
    monkeypatch.setattr(manager, "bus", lambda *, rootless: str(tmp_path / "bus"))
    systemd = Systemd(rootless=True)
    units = [Unit("a.scope", [("Slice", ("s", "x.slice"))]), Unit("b.scope", [])]
    systemd.start(*units)
    go.set()
    for unit in units:
        systemd.finish(unit)
    systemd.close()
    thread.join(5)
    assert not thread.is_alive()
    (all_of_it,) = heard
    assert [all_of_it.count(word) for word in (b"Hello", b"AddMatch", b"StartTransientUnit")] == [
        1, 1, 2]  # fmt: skip
