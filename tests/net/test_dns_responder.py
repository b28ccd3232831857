"""The DNS responder: real processes launched through a plan, asked by real clients."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import netns
import pytest
from dns_peers import (
    AAAA,
    ANY,
    AXFR,
    FORMERR,
    MX,
    NOERROR,
    NOTIMP,
    NXDOMAIN,
    OWNER,
    PTR,
    REFUSED,
    SERVFAIL,
    TXT,
    A,
    Answer,
    Container,
    container,
    gone,
    opt,
    other,
    own,
    query,
    receive_tcp,
    reply,
    server,
    status,
    until,
    wire,
)
from engine import REACHABLE, USER

from crun_py import _native
from crun_py.net import dns

pytestmark = netns.needs_root
FIRST, SECOND = "127.0.1.1", "127.0.1.2"


@pytest.fixture(autouse=True)
def private() -> Iterator[None]:
    with netns.private_network():
        yield


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Container]:
    """One on the networks front, with others, and back; what is not ours nobody answers."""
    with container(tmp_path / "dns", FIRST) as made:
        made.write(
            own("10.1.0.2", "me", "a" * 12),
            own("10.2.0.2", "me", network="back.net"),
            other("b", "10.1.0.3", "web", "Alias", "www.example"),
            other("b", "fd00::3", "web", "alias"),
            other("c", "10.1.0.4", "cache", "alias"),
            other("d", "10.2.0.5", "db", network="back.net"),
            other("e", "10.3.0.6", "secret", network="elsewhere"),
        )
        yield made


# ---- names of ours ----


def test_names_and_names_with_their_network(web: Container) -> None:
    assert web.ask("web").data == ["10.1.0.3"]
    assert web.ask("web.front").data == ["10.1.0.3"]
    assert web.ask("www.example").data == ["10.1.0.3"]
    assert web.ask("db.back.net").data == ["10.2.0.5"]
    assert web.ask("web", AAAA).data == ["fd00::3"]
    assert sorted(web.ask("me").data) == ["10.1.0.2", "10.2.0.2"]
    assert web.ask("me.back.net").data == ["10.2.0.2"]
    assert sorted(web.ask("web", ANY).data) == ["10.1.0.3", "fd00::3"]
    answer = web.ask("web")
    assert answer.flags & 0x8580 == 0x8580  # response, authoritative, recursion both ways
    assert answer.ttls == [0]


def test_a_known_name_without_such_an_address_is_no_error(web: Container) -> None:
    with server(FIRST, lambda q, peer, tcp: reply(q, "6.6.6.6")) as asked:
        for name, kind in (("db", AAAA), ("web", MX), ("cache.front", AAAA), ("web", TXT)):
            answer = web.ask(name, kind)
            assert (answer.rcode, answer.data) == (NOERROR, [])
        assert asked.seen == []


def test_what_is_on_no_network_of_ours_is_unknown(web: Container) -> None:
    with server(FIRST, lambda q, peer, tcp: reply(q, rcode=NXDOMAIN)) as asked:
        for name in ("secret", "secret.elsewhere", "web.back.net", "db.front", "web.fron", "front"):
            assert web.ask(name).rcode == NXDOMAIN
        assert len(asked.seen) == 6


def test_case_is_kept_and_makes_no_difference(web: Container) -> None:
    answer = web.ask("wEb.fROnt")
    assert answer.data == ["10.1.0.3"]
    assert answer.question == wire("wEb.fROnt") + struct.pack(">HH", A, 1)


def test_reverse_names(web: Container) -> None:
    assert web.ask("3.0.1.10.in-addr.arpa", PTR).data == ["web"]
    assert web.ask("2.0.2.10.IN-ADDR.ARPA", PTR).data == ["me"]
    reverse = ".".join(reversed(f"{0xFD00 << 112 | 3:032x}")) + ".ip6.arpa"
    assert web.ask(reverse, PTR).data == ["web"]
    assert web.ask("3.0.1.10.in-addr.arpa", A).data == []
    assert web.dig("-x", "10.1.0.4") == ["cache."]
    with server(FIRST, lambda q, peer, tcp: reply(q, rcode=NXDOMAIN)):
        for name in ("6.0.3.10.in-addr.arpa", "3.0.1.10.1.in-addr.arpa", "0.1.10.in-addr.arpa",
                     "300.0.1.10.in-addr.arpa", "x.in-addr.arpa", reverse[2:]):  # fmt: skip
            assert web.ask(name, PTR).rcode == NXDOMAIN


def test_several_of_one_name_take_turns(web: Container) -> None:
    seen = [web.ask("alias").data for _ in range(4)]
    assert seen[0] != seen[1]
    assert seen[:2] == seen[2:]
    assert {tuple(sorted(each)) for each in seen} == {("10.1.0.3", "10.1.0.4")}


def test_turns_are_taken_by_clients_that_ask_for_both_families(web: Container) -> None:
    first = set()
    for _ in range(4):
        first.add(web.ask("alias").data[0])
        web.ask("alias", AAAA)
    assert first == {"10.1.0.3", "10.1.0.4"}


def test_other_classes_and_transfers_are_refused(web: Container) -> None:
    assert web.ask("web", qclass=3).rcode == REFUSED
    assert web.ask("web", AXFR).rcode == REFUSED
    assert web.ask("example.com", AXFR, tcp=True).rcode == REFUSED
    assert web.ask("web", qclass=255).data == ["10.1.0.3"]


def test_real_clients(web: Container) -> None:
    assert web.dig("web") == ["10.1.0.3"]
    assert web.dig("+tcp", "web", "AAAA") == ["fd00::3"]
    assert web.dig("+dnssec", "+bufsize=512", "web") == ["10.1.0.3"]
    assert web.dig("+nocookie", "+keepopen", "+tcp", "web", "db") == ["10.1.0.3", "10.2.0.5"]
    text = web.run("busybox", "nslookup", "web", dns.ADDRESS)
    assert "10.1.0.3" in text and "fd00::3" in text


LOOK_UP = """
#include <netdb.h>
#include <stdio.h>
int main(int argc, char **argv)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
	char text[64];
	int error = getaddrinfo(argv[argc - 1], NULL, &hints, &found);
	for (; !error && found; found = found->ai_next) {
		getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST);
		puts(text);
	}
	return error != 0;
}
"""


@pytest.mark.parametrize("compiler", ["cc", "musl-gcc"])
def test_c_libraries_find_names(tmp_path: Path, compiler: str) -> None:
    """With a search domain, which is tried first: on internal networks it must not end there."""
    program, conf, nss = (tmp_path / name for name in ("look-up", "resolv.conf", "nsswitch.conf"))
    done = subprocess.run([compiler, "-x", "c", "-o", program, "-"], input=LOOK_UP.encode())
    assert done.returncode == 0
    conf.write_text(f"search corp.example\nnameserver {dns.ADDRESS}\noptions ndots:2\n")
    nss.write_text("hosts: dns\n")
    binds = f"mount --bind {conf} /etc/resolv.conf; mount --bind {nss} /etc/nsswitch.conf"

    def look_up(name: str) -> set[str]:
        command = f"{binds}; {program} {name} || echo none"
        return set(made.run("unshare", "--mount", "sh", "-ec", command).split())

    with container(tmp_path / "dns", FIRST) as made:
        made.write(
            own("10.1.0.2", "me", internal=True),
            other("b", "10.1.0.3", "web", internal=True),
            other("b", "fd00::3", "web", internal=True),
        )
        assert look_up("web") == look_up("web.front") == {"10.1.0.3", "fd00::3"}
        assert look_up("example.com") == {"none"}


# ---- EDNS, sizes, TCP ----


def test_edns_is_answered(web: Container) -> None:
    assert web.ask("web").opt is None
    assert web.ask("web", edns=opt()).opt == (1232, 0, 0)
    assert web.ask("web", edns=opt(4096, do=True)).opt == (1232, 0, 1)
    bad = web.ask("web", edns=opt(version=1))
    assert (bad.rcode, bad.data) == (0, [])
    assert bad.packet[-6] == 1  # the upper bits of BADVERS


def test_answers_that_do_not_fit_are_cut_and_whole_by_tcp(tmp_path: Path) -> None:
    with container(tmp_path / "dns", FIRST) as made:
        addresses = {f"10.1.{n // 200}.{n % 200 + 1}" for n in range(2000)}
        made.write(own("10.1.100.1", "me"), *(other("b", a, "many") for a in sorted(addresses)))
        plain, wide = made.ask("many"), made.ask("many", edns=opt(65535))
        assert plain.truncated and len(plain.packet) <= 512 and len(plain.data) > 20
        assert wide.truncated and len(wide.packet) <= 1232 and len(wide.data) > 60
        whole = made.ask("many", tcp=True, edns=opt())
        assert not whole.truncated
        assert set(whole.data) == addresses
        assert set(made.dig("many")) == addresses  # it asks again by TCP
        assert status(made.responder)["Seccomp"] == "2"


def test_tcp_in_pieces_and_several_queries_at_once(web: Container) -> None:
    packets = [query("web", number=1), query("db", number=2), query("cache", number=3)]
    data = b"".join(struct.pack(">H", len(p)) + p for p in packets)
    with web.socket(socket.SOCK_STREAM) as sock:
        for at in range(0, len(data), 7):
            sock.send(data[at : at + 7])
            time.sleep(0.002)
        answers = [Answer(receive_tcp(sock)) for _ in packets]
        assert [a.number for a in answers] == [1, 2, 3]
        assert [a.data for a in answers] == [["10.1.0.3"], ["10.2.0.5"], ["10.1.0.4"]]
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)  # what was asked before is answered
        assert [Answer(receive_tcp(sock)).number for _ in packets] == [1, 2, 3]
        assert sock.recv(1) == b""


def test_too_many_connections_take_the_place_of_the_oldest(web: Container) -> None:
    socks = [web.socket(socket.SOCK_STREAM) for _ in range(80)]
    packet = query("web")
    data = struct.pack(">H", len(packet)) + packet
    socks[-1].sendall(data)
    assert Answer(receive_tcp(socks[-1])).data == ["10.1.0.3"]
    closed = 0
    for sock in socks:
        sock.settimeout(0.01)
        with contextlib.suppress(TimeoutError):
            closed += sock.recv(1) == b""
        sock.close()
    assert closed == 16
    assert web.ask("web", tcp=True).data == ["10.1.0.3"]


def test_idle_connections_end(web: Container) -> None:
    with web.socket(socket.SOCK_STREAM, timeout_s=15) as sock:
        sock.send(b"\0")
        began = time.monotonic()
        assert sock.recv(1) == b""
        assert 9 < time.monotonic() - began < 12


def test_without_a_tcp_socket(tmp_path: Path) -> None:
    with container(tmp_path / "dns", FIRST, tcp=False) as made:
        made.write(own("10.1.0.2", "me"))
        assert made.ask("me").data == ["10.1.0.2"]


# ---- malformed ----


def test_malformed_packets(web: Container) -> None:
    good = query("web")
    two = struct.pack(">HHHHHH", 1, 0x100, 2, 0, 0, 0) + good[12:] * 2
    for bad in (good[:-1], good + b"\0", two, good[:4] + b"\0\0" + good[6:],
                good[:12] + b"\xc0\x0c\0\1\0\1", good[:12] + b"\x40" + good[13:],
                good[:12] + b"\x3fa" * 40, query("web", edns=opt()[:-1]),
                query("web", edns=opt() * 2)[:11] + b"\2" + query("web", edns=opt() * 2)[12:],
                query("web", flags=0x300), query("web") + bytes(2000)):  # fmt: skip
        answer = web.send(bad)
        assert answer is not None, bad
        assert answer[3] & 15 == FORMERR, bad
        assert answer[:2] == bad[:2]
    assert web.ask("web", flags=0x2100).rcode == NOTIMP


def test_responses_and_scraps_are_not_answered(web: Container) -> None:
    for packet in (query("web", flags=0x8100), b"", b"\0", query("web")[:11]):
        assert web.send(packet, timeout_s=0.2) is None
    with web.socket(socket.SOCK_STREAM) as sock:
        sock.sendall(struct.pack(">H", 3) + b"abc")
        assert sock.recv(1) == b""
    with web.socket(socket.SOCK_STREAM) as sock:
        sock.sendall(b"\xff\xff" + b"x" * 2000)
        with contextlib.suppress(ConnectionResetError):
            assert sock.recv(1) == b""
    assert web.ask("web").data == ["10.1.0.3"]


# ---- the file ----


def test_a_replaced_file_counts_at_once(web: Container) -> None:
    for number in range(1, 50):
        web.write(own("10.1.0.2", "me"), other("b", f"10.1.1.{number}", "web"))
        assert web.ask("web").data == [f"10.1.1.{number}"]
    responder = web.responder
    assert len(os.listdir(f"/proc/{responder}/fd")) < 10  # those of old files are closed


def test_the_file_may_come_late_and_go(tmp_path: Path) -> None:
    directory = tmp_path / "dns"
    with container(directory, FIRST) as made, server(FIRST, lambda q, *_: reply(q, "6.6.6.6")) as s:
        directory.rmdir()
        assert made.ask("web").rcode == SERVFAIL  # which networks are ours is not known
        assert s.seen == []
        directory.mkdir()
        made.write(own("10.1.0.2", "me"))
        until(lambda: made.ask("me").data == ["10.1.0.2"])
        assert made.ask("web").data == ["6.6.6.6"]
        os.unlink(directory / dns.FILE)
        assert made.ask("me").rcode == SERVFAIL


def test_malformed_lines_are_passed_over(web: Container) -> None:
    good = other("b", "10.1.0.9", "good")
    web.write(
        "", " ", "x", OWNER, f"{OWNER} front", f"{OWNER} front 10.1.0.2", f"{OWNER} ! 10.1.0.2 a",
        f"{'A' * 64} front 10.1.0.2 upper", f"{'b' * 63} front 10.1.0.2 short",
        f"{'b' * 64} front 10.1.0.300 address", f"{'b' * 64} front 10.1.0.3  spaces",
        f"{'b' * 64} front 10.1.0.3 space ", f"{'b' * 64} front 10.1.0.3 {'l' * 64}",
        f"{'b' * 64} front 10.1.0.3 a..b", f"{'b' * 64} front 10.1.0.3 fine \x01",
        f"{'b' * 64} front 10.1.0.3 nul\0", f"{'b' * 64} {'n' * 256} 10.1.0.3 network",
        own("10.1.0.2", "me"), good, own("10.1.0.2", "x" * 300),
    )  # fmt: skip
    assert web.ask("good").data == ["10.1.0.9"]
    assert web.ask("me").data == ["10.1.0.2"]
    with server(FIRST, lambda q, *_: reply(q, rcode=NXDOMAIN)):
        for name in ("upper", "short", "address", "spaces", "space", "fine", "network"):
            assert web.ask(name).rcode == NXDOMAIN
    with open(f"{web.directory}/{dns.FILE}", "a") as file:
        file.write(other("b", "10.1.0.8", "cut"))  # no newline
    with server(FIRST, lambda q, *_: reply(q, rcode=NXDOMAIN)):
        assert web.ask("cut").rcode == NXDOMAIN


def test_thousands_of_names(tmp_path: Path) -> None:
    with container(tmp_path / "dns", FIRST) as made:
        lines = [
            dns.line(
                f"{n:064x}", "front", f"10.{n >> 8}.{n & 255}.1", [f"c{n}", f"alias{n}", "all"]
            )
            for n in range(5000)
        ]
        made.write(own("10.1.0.2", "me"), *lines)
        for n in (0, 1, 777, 4999):
            assert made.ask(f"alias{n}.front").data == [f"10.{n >> 8}.{n & 255}.1"]
        assert len(made.ask("all", tcp=True).data) == 4094  # as many as 64 KiB hold
        made.write(own("10.1.0.2", "me"))
        assert made.ask("me").data == ["10.1.0.2"]


def test_a_monitor_that_does_not_answer(web: Container) -> None:
    assert web.ask("web").data == ["10.1.0.3"]
    os.kill(web.monitor, signal.SIGSTOP)
    try:
        web.write(own("10.1.0.2", "me"), other("b", "10.1.0.33", "web"))
        began = time.monotonic()
        assert web.ask("web").data == ["10.1.0.3"]
        assert 0.9 < time.monotonic() - began < 3
        assert web.ask("web").data == ["10.1.0.3"]
        assert time.monotonic() - began < 4  # it is waited for once, not each time
    finally:
        os.kill(web.monitor, signal.SIGCONT)
    until(lambda: web.ask("web").data == ["10.1.0.33"])


# ---- other names ----


def test_other_names_are_forwarded_as_they_are(web: Container) -> None:
    packet = query(
        "ExamPle.com", TXT, edns=b"\0" + struct.pack(">HHIHHHI", 41, 1400, 0, 8, 10, 4, 9)
    )
    with server(FIRST, lambda q, *_: reply(q, "1.2.3.4", "1.2.3.5")) as asked:
        for number in range(20):
            sent = struct.pack(">H", number) + packet[2:]
            answer = web.send(sent)
            assert answer is not None
            assert Answer(answer).number == number
            assert Answer(answer).data == ["1.2.3.4", "1.2.3.5"]
        assert all(data[2:] == packet[2:] for data, _, _ in asked.seen)
        assert len({data[:2] for data, _, _ in asked.seen}) > 18
        assert len({port for _, port, _ in asked.seen}) > 15
        del asked.seen[:]
        assert web.ask("example.com", tcp=True, number=77).number == 77
        assert [tcp for _, _, tcp in asked.seen] == [True]


def test_an_error_that_is_an_answer_is_passed_on(web: Container) -> None:
    with server(FIRST, lambda q, *_: reply(q, rcode=NXDOMAIN)), server(SECOND, lambda q, *_: None):
        assert web.ask("nowhere.example").rcode == NXDOMAIN


def test_a_cut_answer_is_passed_on_and_asked_for_by_tcp(web: Container) -> None:
    many = [f"1.2.{n >> 8}.{n & 255}" for n in range(3000)]

    def handle(asked: bytes, peer: Any, tcp: bool) -> bytes:
        return reply(asked, *many) if tcp else reply(asked, truncated=True)

    with server(FIRST, handle):
        assert web.ask("big.example").truncated
        assert sorted(web.dig("+noedns", "big.example")) == sorted(many)


def test_an_answer_that_is_larger_than_the_client_takes_is_cut(web: Container) -> None:
    with server(FIRST, lambda q, *_: reply(q, *["1.2.3.4"] * 60)):
        cut = web.ask("big.example")
        assert cut.truncated and cut.data == []


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Container]:
    """Which asks two servers."""
    with container(tmp_path / "dns", FIRST, SECOND) as made:
        made.write(own("10.1.0.2", "me"))
        yield made


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize("rcode", [SERVFAIL, REFUSED])
def test_the_next_server_when_one_refuses(two: Container, rcode: int, tcp: bool) -> None:
    with server(FIRST, lambda q, *_: reply(q, rcode=rcode)):
        with server(SECOND, lambda q, *_: reply(q, "2.2.2.2")):
            began = time.monotonic()
            assert two.ask("example.com", tcp=tcp).data == ["2.2.2.2"]
            assert time.monotonic() - began < 1
        assert two.ask("example.com", tcp=tcp).rcode == SERVFAIL  # now nobody is left


@pytest.mark.parametrize("tcp", [False, True])
def test_the_next_server_when_one_is_not_there(two: Container, tcp: bool) -> None:
    began = time.monotonic()
    with server(SECOND, lambda q, *_: reply(q, "2.2.2.2")):
        assert two.ask("example.com", tcp=tcp).data == ["2.2.2.2"]
    assert two.ask("example.com", tcp=tcp).rcode == SERVFAIL
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("tcp", [False, True])
def test_the_next_server_when_one_is_slow(two: Container, tcp: bool) -> None:
    with (
        server(FIRST, lambda *_: None if not tcp else time.sleep(3)),
        server(SECOND, lambda q, *_: reply(q, "2.2.2.2")),
    ):
        began = time.monotonic()
        assert two.ask("example.com", tcp=tcp).data == ["2.2.2.2"]
        assert 1.9 < time.monotonic() - began < 3


def test_nobody_answers(web: Container) -> None:
    with server(FIRST, lambda *_: None):
        began = time.monotonic()
        assert web.ask("example.com").rcode == SERVFAIL
        assert 3.5 < time.monotonic() - began < 5


def test_forged_answers_do_not_count(web: Container) -> None:
    """Of another address, with another id, to another question; the true one still comes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger:
        forger.bind(("127.0.1.9", 53))

        def handle(asked: bytes, peer: Any, tcp: bool) -> bytes:
            number = struct.unpack_from(">H", asked)[0]
            for wrong in range(40):
                forger.sendto(reply(asked, "6.6.6.6"), peer)
                true.udp.sendto(reply(asked, "6.6.6.6", number=number ^ (wrong + 1)), peer)
            true.udp.sendto(reply(query("other.example", number=number), "6.6.6.6"), peer)
            true.udp.sendto(reply(query("example.com", AAAA, number=number), "6.6.6.6"), peer)
            true.udp.sendto(asked, peer)  # a query, which is no answer
            true.udp.sendto(reply(asked, "6.6.6.6")[:20], peer)
            return reply(asked, "1.1.1.1")

        with server(FIRST, handle) as true:
            for _ in range(10):
                assert web.ask("example.com").data == ["1.1.1.1"]


def test_the_oldest_of_too_many_is_dropped(web: Container) -> None:
    waiting: list[tuple[bytes, Any]] = []
    with (
        server(FIRST, lambda q, peer, tcp: waiting.append((q, peer))) as asked,
        web.socket(timeout_s=1) as sock,
    ):
        for number in range(300):
            sock.send(query(f"n{number}.example", number=number))
            time.sleep(0.0005)
        until(lambda: len(waiting) == 300)
        for data, peer in waiting:
            asked.udp.sendto(reply(data, "1.1.1.1"), peer)
        got = {Answer(sock.recv(500)).number for _ in range(256)}
        assert got == set(range(44, 300))
        assert len(os.listdir(f"/proc/{web.responder}/fd")) < 20


def test_a_client_over_tcp_that_goes_while_others_are_asked(web: Container) -> None:
    with server(FIRST, lambda q, peer, tcp: time.sleep(0.05) if tcp else reply(q, "1.1.1.1")):
        packet = query("example.com")
        for _ in range(70):
            with web.socket(socket.SOCK_STREAM) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.sendall(struct.pack(">H", len(packet)) + packet)
        assert web.ask("example.com").data == ["1.1.1.1"]
        until(lambda: len(os.listdir(f"/proc/{web.responder}/fd")) < 12)


def test_ipv6_servers(tmp_path: Path) -> None:
    with (
        container(tmp_path / "dns", "::1") as made,
        server("::1", lambda q, *_: reply(q, "4.4.4.4")),
    ):
        made.write(own("10.1.0.2", "me"))
        assert made.ask("example.com").data == ["4.4.4.4"]


@pytest.mark.parametrize("also", [False, True])
def test_from_internal_networks_nothing_leaves(tmp_path: Path, also: bool) -> None:
    with container(tmp_path / "dns", FIRST) as made:
        made.write(
            own("10.1.0.2", "me", internal=True),
            other("b", "10.1.0.3", "web", internal=True),
            *([own("10.2.0.2", "me", network="outside")] if also else []),
            dns.line("c" * 64, "others", "10.9.0.2", ["x"]),
        )
        with server(FIRST, lambda q, *_: reply(q, "6.6.6.6")) as asked:
            answers = [made.ask("example.com"), made.ask("example.com", tcp=True),
                       made.ask("9.9.9.9.in-addr.arpa", PTR)]  # fmt: skip
            assert made.ask("web.front").data == ["10.1.0.3"]
            assert {a.rcode for a in answers} == {NOERROR if also else NXDOMAIN}
            assert len(asked.seen) == (3 if also else 0)


# ---- resolv.conf ----


def test_the_hosts_resolv_conf_is_followed(tmp_path: Path) -> None:
    conf = tmp_path / "resolv.conf"
    conf.write_text(f"# nameserver 127.0.1.9\nsearch x\nnameserver {FIRST}\noptions a\n")
    with container(tmp_path / "dns", resolv_conf=conf) as made:
        made.write(own("10.1.0.2", "me"))
        with (
            server(FIRST, lambda q, *_: reply(q, "1.1.1.1")) as first,
            server(SECOND, lambda q, *_: reply(q, "2.2.2.2")) as second,
        ):
            assert made.ask("example.com").data == ["1.1.1.1"]
            conf.write_text(f"nameserver {SECOND} # the other\n")
            until(lambda: made.ask("example.com").data == ["2.2.2.2"], timeout_s=3)
            conf.write_text("")
            until(lambda: made.ask("example.com").rcode == SERVFAIL, timeout_s=3)
            del first.seen[:], second.seen[:]
            assert made.ask("example.com").rcode == SERVFAIL
            assert not first.seen and not second.seen


def test_a_server_that_the_plan_names_is_all_there_is(tmp_path: Path) -> None:
    conf = tmp_path / "resolv.conf"
    conf.write_text(f"nameserver {FIRST}\n")
    with container(tmp_path / "dns", "not-one", SECOND, resolv_conf=conf) as made:
        made.write(own("10.1.0.2", "me"))
        with (
            server(FIRST, lambda q, *_: reply(q, "1.1.1.1")),
            server(SECOND, lambda q, *_: reply(q, "2.2.2.2")),
        ):
            assert made.ask("example.com").data == ["2.2.2.2"]


# ---- the process ----


def test_it_has_no_privilege(web: Container) -> None:
    assert web.ask("web").data == ["10.1.0.3"]
    pid = web.responder
    found = status(pid)
    assert {found[f"Cap{kind}"].strip("0") for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {""}
    assert set(found["Uid"].split() + found["Gid"].split()) == {"65534"}
    assert found["Groups"] == ""
    assert (found["NoNewPrivs"], found["Seccomp"], found["PPid"]) == ("1", "2", str(web.monitor))
    assert os.listdir(f"/proc/{pid}/root") == []
    open_files = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    assert all(
        f.startswith("socket:") or f in ("/dev/null", f"{web.directory}/{dns.FILE}")
        for f in open_files
    )
    assert "Max open files            512" in Path(f"/proc/{pid}/limits").read_text()
    assert os.stat(f"/proc/{pid}/mem").st_uid == 0  # not dumpable: it is nobody's to look into
    host = os.stat("/proc/thread-self/ns/net").st_ino
    assert os.stat(f"/proc/{pid}/ns/net").st_ino == host
    assert Path(f"/proc/{pid}/environ").read_bytes() == b""


def test_a_killed_one_comes_back(web: Container) -> None:
    assert web.ask("web").data == ["10.1.0.3"]
    for _ in range(2):
        pid = web.responder
        assert pid
        os.kill(pid, signal.SIGKILL)
        assert web.ask("web").data == ["10.1.0.3"]  # what is sent meanwhile waits in the socket
        assert web.responder not in (0, pid)
    os.kill(web.responder, signal.SIGKILL)
    began = time.monotonic()
    assert web.ask("web", tcp=True).data == ["10.1.0.3"]
    assert 0.3 < time.monotonic() - began < 2  # the third time it takes longer


def test_it_ends_with_the_monitor(web: Container) -> None:
    until(lambda: web.responder)
    pid = web.responder
    os.kill(web.monitor, signal.SIGKILL)
    until(lambda: gone(pid))


def test_it_ends_with_the_container_and_its_namespace_too(web: Container) -> None:
    until(lambda: web.responder)
    pid = web.responder
    os.kill(web.pid, signal.SIGTERM)
    until(lambda: gone(pid) and gone(web.monitor))


def test_a_server_in_the_container_can_still_have_the_port(web: Container) -> None:
    def serve() -> None:
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            with socket.socket(socket.AF_INET, kind) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                sock.bind(("0.0.0.0", 53))
                if kind == socket.SOCK_STREAM:
                    sock.listen()
                assert web.ask("web", tcp=kind == socket.SOCK_STREAM).data == ["10.1.0.3"]

    netns.in_thread(web.netns, serve)


def memory_kib(*pids: int) -> float:
    total = 0.0
    for pid in pids:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += sum(float(line.split()[1]) for line in text.splitlines() if line[:4] == "Pss:")
    return total


def test_it_is_small(web: Container) -> None:
    """With 200 names: what a monitor and its responder have more than a monitor alone."""
    lines = [
        dns.line(f"{n:064x}", "front", f"10.5.0.{n}", [f"container-{n}", f"alias-{n}", f"{n:012x}"])
        for n in range(200)
    ]
    web.write(own("10.1.0.2", "me"), *lines)
    for n in range(200):
        assert web.ask(f"container-{n}").data == [f"10.5.0.{n}"]
        web.ask(f"alias-{n}.front", tcp=n < 3)
    both = memory_kib(web.monitor, web.responder)
    os.kill(web.responder, signal.SIGKILL)
    alone = memory_kib(web.monitor)
    assert both - alone < 200, (both, alone)


def test_bound_while_others_have_the_port(tmp_path: Path) -> None:
    fd = netns.new_netns()
    try:
        with netns.inside(fd):
            netns.sh("ip link set lo up")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.bind(("0.0.0.0", 53))
                with pytest.raises(dns.CrunpyError, match=r"127\.0\.0\.11: address already in use"):
                    dns.sockets(fd)
    finally:
        os.close(fd)


def test_names_are_written_whole(tmp_path: Path) -> None:
    path = tmp_path / dns.FILE
    dns.write_names(
        str(path), [own("10.1.0.2", "Me", "x"), other("b", "fd00::1", "y", internal=True)]
    )
    assert path.read_text() == f"{OWNER} front 10.1.0.2 me x\n{'b' * 64} !front fd00::1 y\n"
    assert os.listdir(tmp_path) == [dns.FILE]
    assert subprocess.run(["stat", "-c", "%a", path], capture_output=True).stdout == b"600\n"


ROOTLESS = """
import json, pathlib, sys
import dns_peers as d
with d.container(pathlib.Path(sys.argv[1]) / "dns", "127.0.1.1") as made:
    made.write(d.own("10.1.0.2", "me"))
    data = made.ask("me").data
    print(json.dumps([data, d.status(made.responder), str(made.directory)]))
"""


@pytest.mark.parametrize("mapping", ["--map-root-user", "--map-root-user --map-auto"])
def test_in_a_user_namespace(base: Path, mapping: str) -> None:
    """Of a plain user: with one id it keeps that, with more it has another than the root there."""
    directory = Path(tempfile.mkdtemp(dir=base))
    shutil.chown(directory, USER)
    paths = ":".join(str(REACHABLE / each) for each in (".", "tests", "tests/net"))
    python = [str(REACHABLE / ".venv/bin/python"), "-c", ROOTLESS, str(directory)]
    entered = ["unshare", "--user", *mapping.split(), "--net", "--mount", *python]
    done = subprocess.run(
        ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups", "--reset-env",
         "env", f"PYTHONPATH={paths}", *entered], text=True, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    data, found, _ = json.loads(done.stdout)
    assert data == ["10.1.0.2"]
    assert {found[f"Cap{kind}"].strip("0") for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {""}
    assert (found["NoNewPrivs"], found["Seccomp"]) == ("1", "2")
    assert (found["Uid"].split()[0] == "0") == ("auto" not in mapping)


UNPRIVILEGED = """
import os, sys
udp, monitor, core, owner = int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]
for fd, to in ((udp, 103), (monitor, 105), (103, 3), (105, 5)):
    os.dup2(fd, to)
os.closerange(6, 200)
os.close(4) if os.path.exists("/proc/self/fd/4") else None
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
os.execv(core, ["crunpy-dns", owner])
"""


def test_where_no_root_can_be_made_landlock_does(base: Path) -> None:
    """As a plain user without a user namespace, which may not mount."""
    if ctypes.CDLL(None).syscall(444, None, 0, 1) < 1:
        pytest.skip("no Landlock in this kernel")
    core = base / "dns-core"
    shutil.copy(_native.CORE, core)
    core.chmod(0o755)
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(10)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        fds = (sock.fileno(), its.fileno())
        words = [*map(str, fds), str(core), OWNER]
        process = subprocess.Popen([sys.executable, "-c", UNPRIVILEGED, *words], pass_fds=fds)
        its.close()
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(10)
                client.sendto(query("web"), sock.getsockname())
                assert ours.recv(10) == b"n"
                ours.send(b"n" + b"\0" * 3 + struct.pack("i", errno.ENOENT))
                assert Answer(client.recv(500)).rcode == SERVFAIL
            found = status(process.pid)
            assert (found["NoNewPrivs"], found["Seccomp"]) == ("1", "2")
            ours.close()  # its monitor
            assert process.wait(10) == 0
        finally:
            process.kill()
            process.wait()
