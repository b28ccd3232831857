"""What a worker's children do in the tests."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from crun_py import notices
from crun_py.engine.context import Context
from crun_py.errors import CommandError, NotFound
from crun_py.model.descriptor import Descriptor

CALLS = (
    "echo", "nothing", "sleep", "unwinds", "deaf", "missing", "command", "bug", "os_error", "forks",
    "exits", "killed", "pass_back", "read", "count", "forever", "events", "warns", "world",
    "strange", "half", "store", "floods", "drops", "enters", "pid", "parent", "limit_processes",
)  # fmt: skip


def echo(context: Context, *values: object, **named: object) -> object:
    return (values, named) if named else values


def nothing(context: Context) -> None:
    return None


def pid(context: Context) -> int:
    return os.getpid()


def parent(context: Context) -> int:
    return os.getppid()


def store(context: Context) -> tuple[str, str]:
    return context.paths.root, context.paths.run


def sleep(context: Context, seconds: float) -> None:
    context.report(os.getpid())
    time.sleep(seconds)


def unwinds(context: Context, note: str) -> None:
    """Sleeps, and writes to the file `note` when it is interrupted."""
    context.report(os.getpid())
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        Path(note).write_text("unwound")
        raise


def deaf(context: Context) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    context.report(os.getpid())
    time.sleep(60)


def missing(context: Context) -> None:
    raise NotFound("container x: no such container", hint="look", errno=2)


def enters(context: Context, seconds: float) -> int:
    """Becomes root of a user namespace."""
    context.enter()
    context.report(os.getpid())
    time.sleep(seconds)
    return os.getuid()


def command(context: Context) -> None:
    raise CommandError("running: no", 127, errno=2)


def bug(context: Context) -> None:
    raise KeyError("of ours")


def os_error(context: Context) -> None:
    Path("/nowhere/at/all").read_text()


def forks(context: Context) -> int:
    child = os.fork()
    if not child:
        os._exit(7)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def exits(context: Context, status: int) -> None:
    os._exit(status)


def killed(context: Context, number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(60)


def half(context: Context) -> Iterator[object]:
    """Is killed in the midst of a message, which nobody reads yet."""
    pid = os.getpid()
    if not os.fork():
        time.sleep(0.3)
        os.kill(pid, signal.SIGKILL)
        os._exit(0)
    yield bytes(50 << 20)


def pass_back(context: Context, given: Descriptor) -> tuple[Descriptor, bool, int]:
    return given, os.get_inheritable(given.fd), given.fd


def read(context: Context, given: Descriptor) -> bytes:
    return os.read(given.fd, 100)


def count(context: Context, most: int) -> Iterator[int]:
    yield from range(most)


def forever(context: Context, note: str) -> Iterator[int]:
    try:
        yield os.getpid()
        while True:
            time.sleep(0.01)
            yield 0
    finally:
        Path(note).write_text("unwound")


def floods(context: Context) -> Iterator[bytes]:
    while True:
        yield bytes(1 << 20)


def drops(context: Context) -> Iterator[int]:
    while True:
        yield 1


def events(context: Context, most: int) -> int:
    for number in range(most):
        context.report({"step": number})
    return most


def warns(context: Context, line: str) -> None:
    notices.warn(line)


def strange(context: Context) -> object:
    return {1, 2}


def world(context: Context) -> dict[str, object]:
    """What a child finds around it."""
    fds = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            fds[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            continue
    umask = os.umask(0)
    os.umask(umask)
    status = Path("/proc/self/status").read_text()
    masks = dict(line.split(":\t") for line in status.splitlines() if line.startswith("Sig"))
    return {
        "fds": fds, "umask": umask, "cwd": os.getcwd(), "sid": os.getsid(0), "uid": os.getuid(),
        "blocked": masks["SigBlk"], "ignored": masks["SigIgn"],
        "name": Path("/proc/self/comm").read_text(), "environment": dict(os.environ),
    }  # fmt: skip


def limit_processes(context: Context) -> None:
    """No process more, for the worker and this user."""
    resource.prlimit(os.getppid(), resource.RLIMIT_NPROC, (0, 0))
