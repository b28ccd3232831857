"""What the DNS tests share: a responder as a plan launches it, packets, and servers it asks.

Everything is in network namespaces that the tests make: one for the "host", where the monitor and
the servers are, one for the "container", where the responder listens and the clients are.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import netns

from crun_py.net import dns
from crun_py.runtime import plan as p
from crun_py.runtime.launch import launch

OWNER = "a" * 64
A, PTR, MX, TXT, AAAA, OPT, AXFR, ANY = 1, 12, 15, 16, 28, 41, 252, 255
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)


# ---- packets ----


def wire(name: str) -> bytes:
    labels = [part.encode() for part in name.split(".") if part]
    return b"".join(bytes([len(part)]) + part for part in labels) + b"\0"


def opt(size: int = 1232, version: int = 0, do: bool = False) -> bytes:
    return b"\0" + struct.pack(">HHBBHH", OPT, size, 0, version, 0x8000 if do else 0, 0)


def query(name: str, kind: int = A, *, number: int = 0x1234, flags: int = 0x0100,
          edns: bytes = b"", qclass: int = 1) -> bytes:  # fmt: skip
    head = struct.pack(">HHHHHH", number, flags, 1, 0, 0, 1 if edns else 0)
    return head + wire(name) + struct.pack(">HH", kind, qclass) + edns


class Answer:
    """A response, taken apart."""

    def __init__(self, packet: bytes) -> None:
        self.packet = packet
        head = struct.unpack_from(">HHHHHH", packet)
        self.number, self.flags = head[:2]
        self.rcode = self.flags & 15
        self.truncated = bool(self.flags & 0x200)
        at = 12
        for _ in range(head[2]):
            _, at = self._name(at)
            at += 4
        self.question = packet[12:at]
        self.records: list[tuple[int, Any]] = []
        self.ttls: list[int] = []
        self.opt: tuple[int, int, int] | None = None
        for _ in range(sum(head[3:])):
            name, at = self._name(at)
            kind, kclass, ttl, size = struct.unpack_from(">HHIH", packet, at)
            at += 10
            data = packet[at : at + size]
            if kind == OPT:
                self.opt = (kclass, ttl >> 24, ttl >> 15 & 1)
            else:
                self.records.append((kind, self._data(kind, data, at)))
                self.ttls.append(ttl)
            at += size
            assert name is not None
        assert at == len(packet)

    def _name(self, at: int) -> tuple[str, int]:
        labels, end = [], 0
        while self.packet[at]:
            if self.packet[at] >= 0xC0:
                end = end or at + 2
                at = struct.unpack_from(">H", self.packet, at)[0] & 0x3FFF
                continue
            labels.append(self.packet[at + 1 : at + 1 + self.packet[at]].decode("latin-1"))
            at += 1 + self.packet[at]
        return ".".join(labels), end or at + 1

    def _data(self, kind: int, data: bytes, at: int) -> Any:
        if kind in (A, AAAA):
            return socket.inet_ntop(socket.AF_INET if kind == A else socket.AF_INET6, data)
        return self._name(at)[0] if kind == PTR else data

    @property
    def data(self) -> list[Any]:
        return [data for _, data in self.records]


def reply(asked: bytes, *addresses: str, rcode: int = NOERROR, number: int | None = None,
          truncated: bool = False) -> bytes:  # fmt: skip
    """What a server answers to `asked`, which has no OPT in the answer."""
    own = struct.unpack_from(">H", asked)[0] if number is None else number
    end = 12
    while asked[end]:
        end += 1 + asked[end]
    end += 5
    flags = 0x8180 | rcode | (0x200 if truncated else 0)
    head = struct.pack(">HHHHHH", own, flags, 1, len(addresses), 0, 0)
    records = b"".join(
        struct.pack(">HHHIH", 0xC00C, A, 1, 60, 4) + socket.inet_aton(a) for a in addresses
    )
    return head + asked[12:end] + records


# ---- servers that are asked ----


class Server:
    """A server at `address`:53 of the current namespace.

    handle(query, peer, tcp): the bytes to answer, or None for no answer.
    """

    def __init__(self, address: str, handle: Callable[[bytes, Any, bool], bytes | None]) -> None:
        self.seen: list[tuple[bytes, int, bool]] = []
        """query, the port it came from, by TCP"""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.udp = socket.socket(family, socket.SOCK_DGRAM)
        self.udp.bind((address, 53))
        self._tcp = socket.socket(family, socket.SOCK_STREAM)
        self._tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._tcp.bind((address, 53))
        self._tcp.listen()
        self._handle = handle
        self._threads = [threading.Thread(target=t) for t in (self._serve_udp, self._serve_tcp)]
        for thread in self._threads:
            thread.start()

    def _serve_udp(self) -> None:
        while True:
            data, peer = self.udp.recvfrom(4096)
            if data == b"stop":
                return
            self.seen.append((data, peer[1], False))
            answer = self._handle(data, peer, False)
            if answer is not None:
                self.udp.sendto(answer, peer)

    def _serve_tcp(self) -> None:
        while True:
            conn, peer = self._tcp.accept()
            with conn:
                conn.settimeout(5)
                size = conn.recv(2, socket.MSG_WAITALL)
                if size == b"\0\0":
                    return
                if len(size) < 2:
                    continue
                data = conn.recv(struct.unpack(">H", size)[0], socket.MSG_WAITALL)
                self.seen.append((data, peer[1], True))
                answer = self._handle(data, peer, True)
                if answer is not None:
                    packet = struct.pack(">H", len(answer)) + answer
                    conn.sendall(packet[:1])
                    conn.sendall(packet[1:])

    def close(self) -> None:
        with socket.socket(self.udp.family, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"stop", self.udp.getsockname())
        with socket.socket(self.udp.family) as sock:
            sock.connect(self._tcp.getsockname())
            sock.sendall(b"\0\0")
        for thread in self._threads:
            thread.join()
        self.udp.close()
        self._tcp.close()


@contextlib.contextmanager
def server(address: str, handle: Callable[[bytes, Any, bool], bytes | None]) -> Iterator[Server]:
    made = Server(address, handle)
    try:
        yield made
    finally:
        made.close()


# ---- the responder ----


class Container:
    """A "container" with a responder: a command that sleeps, launched through a plan."""

    def __init__(self, directory: Path, servers: tuple[str, ...], *, tcp: bool = True,
                 resolv_conf: Path | None = None) -> None:  # fmt: skip
        self.directory = directory
        self.netns = netns.new_netns()
        self._resolv_conf = resolv_conf
        udp, listener = dns.sockets(self.netns)  # lo is down, as at a real start
        plan = p.Plan()
        plan.add(p.SETNS, a=self.netns, b=0x40000000)
        plan.add(p.SET_ID, OWNER)
        plan.add(p.SET_CLONE, b=-1)
        plan.add(p.SET_CGROUP, "", a=-1)
        plan.add(p.SET_CLIENT, a=-1)
        plan.add(p.SET_STDIO)
        plan.add(p.SET_DNS, str(directory), *servers, a=udp, b=listener if tcp else -1)
        plan.add(p.ENV, "PATH=/usr/bin:/bin")
        plan.add(p.EXEC, "/bin/sleep", "1000")
        try:
            self.pid = self._launch(plan, [self.netns, udp, listener])
        finally:
            os.close(udp)
            os.close(listener)
        self.monitor = int(status(self.pid)["PPid"])

    def _launch(self, plan: p.Plan, inherit: list[int]) -> int:
        if self._resolv_conf is None:
            return launch(plan, "x" * 32, inherit)
        libc = ctypes.CDLL(None, use_errno=True)
        heard, told = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                source, target = str(self._resolv_conf).encode(), b"/etc/resolv.conf"
                private, bind = 1 << 14 | 1 << 18, 1 << 12
                assert not libc.unshare(0x20000)
                assert not libc.mount(b"none", b"/", None, private, None)
                assert not libc.mount(source, os.path.realpath(target), None, bind, None)
                os.write(told, str(launch(plan, "x" * 32, inherit)).encode())
            finally:
                os._exit(1)
        os.close(told)
        os.waitpid(child, 0)
        with os.fdopen(heard) as answer:
            return int(answer.read())

    @property
    def responder(self) -> int:
        """Its pid, once it is behind its walls; 0 while there is none."""
        try:
            children = Path(f"/proc/{self.monitor}/task/{self.monitor}/children").read_text()
            for child in children.split():
                found = status(int(child))
                if found["Name"] == "crunpy-dns" and found["Seccomp"] == "2":
                    return int(child)
        except OSError:
            pass
        return 0

    def write(self, *lines: str) -> None:
        dns.write_names(f"{self.directory}/{dns.FILE}", lines)

    def socket(self, kind: int = socket.SOCK_DGRAM, timeout_s: float = 10) -> socket.socket:
        """A client's socket, connected to the responder."""

        def make() -> socket.socket:
            sock = socket.socket(socket.AF_INET, kind)
            sock.settimeout(timeout_s)
            sock.connect((dns.ADDRESS, dns.PORT))
            return sock

        return netns.in_thread(self.netns, make)

    def send(self, packet: bytes, timeout_s: float = 10) -> bytes | None:
        """What is answered to these bytes by UDP; None: nothing."""
        with self.socket(timeout_s=timeout_s) as sock:
            sock.send(packet)
            try:
                return sock.recv(65535)
            except TimeoutError:
                return None

    def send_tcp(self, packet: bytes) -> bytes:
        with self.socket(socket.SOCK_STREAM) as sock:
            sock.sendall(struct.pack(">H", len(packet)) + packet)
            return receive_tcp(sock)

    def ask(self, name: str, kind: int = A, *, tcp: bool = False, **more: Any) -> Answer:
        packet = query(name, kind, **more)
        answer = self.send_tcp(packet) if tcp else self.send(packet)
        assert answer is not None, f"no answer for {name}"
        return Answer(answer)

    def run(self, *command: str) -> str:
        """The output of a command in the container's network, which must succeed."""
        entered = ["nsenter", f"--net=/proc/self/fd/{self.netns}", *command]
        done = subprocess.run(entered, text=True, capture_output=True, pass_fds=[self.netns])
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def dig(self, *words: str) -> list[str]:
        return self.run("dig", f"@{dns.ADDRESS}", "+short", *words).split("\n")[:-1]

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        until(lambda: gone(self.monitor))
        os.close(self.netns)


def receive_tcp(sock: socket.socket) -> bytes:
    size = sock.recv(2, socket.MSG_WAITALL)
    if len(size) < 2:
        return b""
    return sock.recv(struct.unpack(">H", size)[0], socket.MSG_WAITALL)


def status(pid: int) -> dict[str, str]:
    """/proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def gone(pid: int) -> bool:
    """Whether the process has ended; who should reap it may take its time."""
    try:
        return status(pid)["State"].startswith("Z")
    except OSError:
        return True


@contextlib.contextmanager
def container(directory: Path, *servers: str, **more: Any) -> Iterator[Container]:
    directory.mkdir(exist_ok=True)
    made = Container(directory, servers, **more)
    try:
        yield made
    finally:
        made.close()


def own(address: str, *names: str, network: str = "front", internal: bool = False) -> str:
    """A line of the container itself."""
    return dns.line(OWNER, network, address, names, internal=internal)


def other(digit: str, address: str, *names: str, network: str = "front",
          internal: bool = False) -> str:  # fmt: skip
    return dns.line(digit * 64, network, address, names, internal=internal)


def until(what: Callable[[], object], timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.02)
