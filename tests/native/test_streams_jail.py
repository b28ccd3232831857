"""The jail of the process that reads what a container writes (_native/streams_jail.c): what one
that was hijacked could still do."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import socket
import subprocess
from pathlib import Path

import pytest
from bpf_machine import verdict
from engine import CHECKOUT

from crun_py.ns import bpf, seccomp, syscalls

NATIVE, HERE = CHECKOUT / "crun_py" / "_native", Path(__file__).parent
REFUSED = bpf.ERRNO | errno.EPERM
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
FREE = """accept4 brk clock_gettime close exit_group ftruncate lseek mremap munmap poll ppoll read
    recvfrom recvmsg restart_syscall sendmsg sendto write""".split()
"""What it may do with any arguments."""
BOUND = {
    "fcntl": [(1, value) for value in (4, 1031)],  # F_SETFL, F_SETPIPE_SZ
    "ioctl": [(1, 0x5414)],  # TIOCSWINSZ
    "setsockopt": [(2, 21)],  # SO_SNDTIMEO
    "madvise": [(2, 4)],  # MADV_DONTNEED
    # no PROT_EXEC
    "mmap": [(2, value) for value in (0, 1, 2, 3)],
    "mprotect": [(2, value) for value in (0, 1, 2, 3)],
}
"""What it may do with one of some values in an argument: (which, value)."""


def build(target: Path, *words: str) -> Path:
    sources = [HERE / "strangers_calls.c", NATIVE / "streams_jail.c"]
    if "-DPRINT_FILTER" not in words:
        sources.append(NATIVE / "jail.c")
    command = ["cc", "-std=gnu11", "-Wall", "-Werror", f"-I{NATIVE}", *words]
    done = subprocess.run([*command, "-o", target, *sources], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def program(base: Path) -> bytes:
    printer = build(base / "print-filter", "-DPRINT_FILTER")
    return subprocess.run([printer], capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def stranger(base: Path) -> Path:
    return build(base / "stranger")


def test_the_calls_that_it_lets_through(program: bytes) -> None:
    """No others, by any number; those that take a file, process or namespace are none of them."""
    machine = platform.machine()
    numbers = syscalls.tables()[machine]
    names = {number: name for name, number in numbers.items()}
    free = {name for name in FREE if name in numbers}
    for number in range(1024):
        name = names.get(number, "")
        found = verdict(program, AUDIT[machine], number)
        if name not in BOUND:
            assert found == (bpf.ALLOW if name in free else REFUSED), name or number
            continue
        for which, values in _tried(name).items():
            for value, good in values.items():
                args = tuple(value if at == which else 0 for at in range(6))
                found = verdict(program, AUDIT[machine], number, args)
                assert found == (bpf.ALLOW if good else REFUSED), (name, args)


def _tried(name: str) -> dict[int, dict[int, bool]]:
    """For an argument: values, and whether they are good."""
    (which,) = {at for at, _ in BOUND[name]}
    good = {value for _, value in BOUND[name]}
    others = range(8) if name in ("mmap", "mprotect") else (*range(64), 0x5412, 0x541B, 1024)
    return {which: {value: value in good for value in {*others, *good}}}


def test_calls_of_another_machine(program: bytes) -> None:
    """The doors of i386 and x32 are walls."""
    for other in (0x40000003, 0xC00000B7 if platform.machine() == "x86_64" else 0xC000003E):
        assert verdict(program, other, 3) == bpf.KILL_PROCESS
    if platform.machine() == "x86_64":
        assert verdict(program, AUDIT["x86_64"], 0x40000000) == REFUSED


def test_a_hijacked_one(stranger: Path) -> None:
    """It can run nothing, open nothing, connect to nothing, signal nobody, and become nobody."""
    done = subprocess.run([stranger, "calls"], capture_output=True, text=True)
    assert done.returncode == 0, done
    found = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert len(found) > 40 and {"execve", "openat", "socket", "ptrace", "setns"} <= found.keys()
    assert set(found.values()) == {f"-1 {errno.EPERM}"}, found


def landlock_abi() -> int:
    return int(ctypes.CDLL(None).syscall(444, None, 0, 1))


def test_landlock_by_itself(stranger: Path) -> None:
    """Where the kernel has it, it would hold alone, for files and of ABI 4 on for TCP."""
    abi = landlock_abi()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        done = subprocess.run([stranger, "landlock", port], capture_output=True, text=True)
    if abi < 1:
        assert done.returncode == 2, "it goes on without"
        return
    denied = str(errno.EACCES)
    assert done.stdout.split() == [denied, denied, *[denied if abi >= 4 else "0"] * 2]
    assert not os.path.exists("/tmp/made-by-a-stranger")


def test_the_machine_is_known() -> None:
    assert seccomp.machine() in AUDIT
