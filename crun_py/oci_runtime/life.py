"""What happens to a container after its creation: start, signals, pause, end."""

from __future__ import annotations

import _signal as signal
import errno
import os
import time

from crun_py import ns
from crun_py._native import pidfd_open
from crun_py.cgroup import group
from crun_py.errors import Conflict, CorruptState, CrunpyError, NotFound
from crun_py.oci_runtime import config, hooks
from crun_py.oci_runtime.state import Container, State, document, is_there

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.documents.spec import Hook, LinuxNamespace, Spec

_END_S = 10
"""How long the end of a killed process may take."""


def expect(container: Container, known: State, doing: str, *wanted: str) -> str:
    """Its state, one of `wanted`.  Raises Conflict, which names what is being done, for another."""
    status = container.status(known)
    if status not in wanted:
        raise Conflict(f"{doing} container {container.id}: it is {status}")
    return status


def start(container: Container, warn: Callable[[str], None], spec: Spec | None = None) -> None:
    """Let the command of a created one run.  Raises Conflict, CrunpyError (a startContainer hook;
    the container is killed then).

    warn: is told of poststart hooks that fail.  spec: of the bundle, where it is known already.
    """
    with container.lock():
        known = container.read()
        expect(container, known, "starting", "created")
        spec = spec or config.read(known.bundle)
        inside = hooks.wanted(spec, "startContainer")
        if inside:
            _in_container(container, known, inside, spec["linux"]["namespaces"])
        fd = os.open(container.fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.write(fd, b"s")
        finally:
            os.close(fd)
        os.unlink(container.fifo)
        try:
            hooks.run(hooks.wanted(spec, "poststart"), document(container, known), "poststart")
        except CrunpyError as e:
            warn(e.line())


def _in_container(
    container: Container, known: State, inside: list[Hook], namespaces: list[LinuxNamespace]
) -> None:
    flags = ns.CLONE_NEWNS
    for entry in namespaces:
        flags |= ns.TYPES[entry["type"]]
    pidfd = pidfd_open(known.pid)
    try:
        hooks.run(inside, document(container, known), "startContainer",
                  enter=hooks.entering(pidfd, flags))  # fmt: skip
    except BaseException:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        raise
    finally:
        os.close(pidfd)


def kill(container: Container, number: int, *, everything: bool = False) -> None:
    """Send a signal to its first process, or to all of its.  Raises NotFound when none is there."""
    known = container.read()
    status = container.status(known)
    if everything and known.cgroup and os.path.isdir(known.cgroup):
        _kill_all(known.cgroup, number)
        return
    if status in ("stopped", "creating"):
        raise NotFound(f"signalling container {container.id}: it is not running")
    _signal(known, number)


def _signal(known: State, number: int) -> None:
    try:
        pidfd = pidfd_open(known.pid)
    except ProcessLookupError:
        return
    try:
        # the number is still that process's: the descriptor was opened before
        if is_there(known):
            signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return
    finally:
        os.close(pidfd)


def _kill_all(cgroup: str, number: int) -> None:
    if number == signal.SIGKILL and os.path.exists(cgroup + "/cgroup.kill"):
        group.write(cgroup, "cgroup.kill", "1")
        return
    for pid in processes_in(cgroup):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def processes_in(cgroup: str) -> list[int]:
    """The pids in a cgroup and those below it."""
    found: list[int] = []
    for directory, _, files in os.walk(cgroup):
        if "cgroup.procs" in files:
            try:
                with open(directory + "/cgroup.procs", encoding="ascii") as f:
                    found += [int(line) for line in f]
            except OSError as e:
                if e.errno not in (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP):
                    raise
    return sorted(found)


def processes(container: Container) -> list[int]:
    """The host pids of its processes.  Raises Conflict when it has none."""
    known = container.read()
    expect(container, known, "listing the processes of", "created", "running", "paused")
    if known.cgroup and os.path.isdir(known.cgroup):
        return processes_in(known.cgroup)
    own = os.stat(f"/proc/{known.pid}/ns/pid").st_ino
    if own == os.stat("/proc/self/ns/pid").st_ino:
        return [known.pid]
    found = []
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                same = os.stat(f"/proc/{name}/ns/pid").st_ino == own
            except OSError:  # it has ended, or is another user's
                continue
            if same:
                found.append(int(name))
    return sorted(found)


def freeze(container: Container, *, frozen: bool) -> None:
    """Pause or resume it.  Raises Conflict, Unsupported."""
    with container.lock():
        known = container.read()
        doing, wanted = ("pausing", "running") if frozen else ("resuming", "paused")
        expect(container, known, doing, wanted)
        group.freeze(known.cgroup, frozen, what=f"container {container.id}")


def delete(
    container: Container,
    warn: Callable[[str], None],
    *,
    force: bool = False,
    spec: Spec | None = None,
) -> None:
    """Remove a stopped or created one, or with `force` any.

    warn: is told of poststop hooks that fail.  spec: as for `start`.  Raises NotFound, Conflict.
    """
    with container.lock():
        try:
            known = container.read()
        except CorruptState as e:
            if not force:
                raise
            warn(e.line())  # what it was is not known any more
            container.remove()
            return
        status = container.status(known)
        if status not in ("stopped", "created") and not force:
            raise Conflict(f"deleting container {container.id}: it is not stopped: {status}",
                           hint="delete --force")  # fmt: skip
        if known.pid:
            _signal(known, signal.SIGKILL)
        if known.cgroup:
            group.remove(known.cgroup)
        _wait_for_end(container, known)
        if known.resctrl_made:
            from crun_py.oci_runtime import resctrl

            resctrl.remove(known.resctrl_made)
        _poststop(container, known, warn, spec)
        container.remove()


def _wait_for_end(container: Container, known: State) -> None:
    deadline = time.monotonic() + _END_S
    while is_there(known):
        if time.monotonic() > deadline:
            raise CrunpyError(f"deleting container {container.id}: its process does not end")
        time.sleep(0.002)


def _poststop(
    container: Container, known: State, warn: Callable[[str], None], spec: Spec | None
) -> None:
    try:
        if spec is None and known.bundle:
            spec = config.read(known.bundle)
    except CrunpyError:
        return  # the bundle is gone, and with it what it wanted
    if spec is None:
        return
    try:
        told = {**document(container, known), "status": "stopped", "pid": 0}
        hooks.run(hooks.wanted(spec, "poststop"), told, "poststop")
    except CrunpyError as e:
        warn(e.line())
