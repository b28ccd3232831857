"""What the network tests share: namespaces made with ctypes, and servers inside them.

The tests need root and work in a network namespace of their own (`private_network`), so
that the machine's interfaces are never touched.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import pytest

from crun_py._native import check, lib
from crun_py.paths import Paths

T = TypeVar("T")
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def _call(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def enter(fd: int) -> None:
    _call(_libc.setns(fd, CLONE_NEWNET))


def new_netns() -> int:
    """A descriptor of a new network namespace; the process stays where it is."""
    return check(lib.crunpy_new_netns(), "unshare")


def in_thread(fd: int, work: Callable[[], T]) -> T:
    """`work()` in a thread in namespace `fd`: a user namespace's root cannot come back."""

    def entered() -> T:
        enter(fd)
        return work()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(entered).result()


@contextmanager
def private_network() -> Iterator[None]:
    """The process is in a network namespace of its own, with lo up."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    _call(_libc.unshare(CLONE_NEWNET))
    try:
        sh("ip link set lo up")
        yield
    finally:
        enter(own)
        os.close(own)


@contextmanager
def inside(fd: int) -> Iterator[None]:
    """The process is in the network namespace `fd`."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    enter(fd)
    try:
        yield
    finally:
        enter(own)
        os.close(own)


def sh(command: str) -> str:
    """The output of a shell command, which must succeed."""
    done = subprocess.run(command, shell=True, text=True, capture_output=True)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@contextmanager
def echo_server(fd: int, port: int, kind: int = socket.SOCK_STREAM) -> Iterator[None]:
    """In namespace `fd`, answer on `port` with the peer's address as the server sees it."""

    def listen() -> socket.socket:
        sock = socket.socket(socket.AF_INET, kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("0.0.0.0", port))
        if kind == socket.SOCK_STREAM:
            sock.listen()
        return sock

    sock = in_thread(fd, listen)
    pid = os.fork()
    if pid == 0:
        try:
            while True:
                if kind == socket.SOCK_STREAM:
                    peer, address = sock.accept()
                    peer.sendall(address[0].encode())
                    peer.close()
                else:
                    _, address = sock.recvfrom(100)
                    sock.sendto(address[0].encode(), address)
        finally:
            os._exit(1)
    sock.close()
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def ask(address: str, port: int, kind: int = socket.SOCK_STREAM, timeout_s: float = 2) -> str:
    """What `echo_server` answers at `address`, from the current namespace."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.settimeout(timeout_s)
        sock.connect((address, port))
        if kind == socket.SOCK_DGRAM:
            sock.send(b"?")
        return sock.recv(100).decode()


def wait_for(what: object, timeout_s: float = 5) -> None:
    """Until the callable `what` is true."""
    assert callable(what)
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.01)


def store(directory: object) -> Paths:
    """A store below `directory`."""
    return Paths(f"{directory}/root", f"{directory}/run")
