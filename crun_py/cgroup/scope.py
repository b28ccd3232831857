"""A container's cgroup as a transient scope of systemd: made, changed, left.

systemd gives a scope to processes that are there, and takes it away when the last has gone.  So
a process of ours stands in it until the container's first one is born in it (CLONE_INTO_CGROUP),
which then needs not be moved.  What is asked for is answered while the start goes on with other
things: see `ask` and `Scope.ready`.

A plain user may only put processes into his manager's cgroups from inside them (the common
ancestor must be his: cgroups(7), "Delegation containment").  So a command that was started in a
login session has itself moved there first, into a scope of its own, where the container's monitor
stays: it outlives the session.

org.freedesktop.systemd1(5), "StartTransientUnit()"; systemd.resource-control(5).
"""

from __future__ import annotations

import errno
import os

from crun_py.cgroup import group, manager
from crun_py.cgroup.properties import properties
from crun_py.cgroup.systemd import Systemd, Unit
from crun_py.errors import CrunpyError
from crun_py.paths import host_uid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.cgroup.properties import Property

_FOR_EVER = 2**64 - 1
_FEW_TASKS = 4  # a start needs one, and another one for a user namespace


class Scope:
    """A scope that was asked for.  From `ask`."""

    def __init__(self, systemd: Systemd, units: list[Unit], holder: int, hold: int) -> None:
        """units: what is to be started; the container's own is the last.  holder: the pid of the
        process in that, which lives until `hold` is closed."""
        self._systemd, self._units = systemd, units
        self._holder, self._hold = holder, hold
        self.process = os.pidfd_open(holder)
        """Of the process in it: the monitor ends it once the container's first one is there."""
        self._tasks = ("", "")

    def ready(self) -> str:
        """Wait for systemd; the directory of the cgroup.

        Raises Silent, BusError and other CrunpyErrors."""
        for unit in self._units:
            self._systemd.finish(unit)
        self._systemd.close()
        found = group.of(self._holder)
        if not found.endswith("/" + unit.name):
            raise CrunpyError(f"starting {unit.name}: systemd did not put our process into it")
        return found

    def allow_for_us(self, path: str, most: str) -> None:
        """Where only few processes may be in the cgroup `path`, that which stands in it is not to
        count until it is gone.  most: as pids.max."""
        if most.isdecimal() and int(most) < _FEW_TASKS and os.path.exists(path + "/pids.max"):
            group.write(path, "pids.max", str(int(most) + 1))
            self._tasks = path, most

    def release(self) -> None:
        """Nobody needs to stand in it any more: the container is there, or is not to be.  May be
        called again."""
        self._systemd.close()
        if self._hold < 0:
            return
        os.close(self._hold)
        os.close(self.process)
        self._hold = -1
        os.waitpid(self._holder, 0)
        path, most = self._tasks
        try:
            if path:
                group.write(path, "pids.max", most)
        except OSError as e:
            if e.errno not in (errno.ENOENT, errno.ENODEV):  # else it has ended already
                raise


def ask(
    container_id: str,
    title: str,
    parent: str,
    files: dict[str, str],
    *,
    patience_s: int,
    rootless: bool,
    unit: str = "",
) -> Scope:
    """Ask systemd for the scope of a container, and go on.

    title: for people.  parent: the slice above it, "" for the usual one.  files: the limits, as for
    group.apply.  patience_s: how long systemd waits for its end before it kills, when that is
    asked for (`systemctl stop`); -1 for ever.  unit: its name, "" for the engine's.  Raises Silent.
    """
    systemd = Systemd(rootless=rootless)
    units = []
    if rootless and not _is_users_own(group.of(os.getpid())):
        units.append(_ourselves())
    holder, hold = _stand_in()
    where = os.path.basename(parent) or ("user.slice" if rootless else "machine.slice")
    patience = patience_s * 1_000_000 if patience_s >= 0 else _FOR_EVER
    wanted = [
        *_scope(title, where, holder),
        ("Delegate", ("b", True)),
        ("TimeoutStopUSec", ("t", patience)),
        *properties(files),
    ]
    units.append(Unit(unit or manager.unit(container_id), wanted))
    scope = Scope(systemd, units, holder, hold)
    try:
        systemd.start(*units)
    except BaseException:
        scope.release()
        raise
    return scope


def _scope(title: str, where: str, pid: int) -> list[Property]:
    return [
        ("Description", ("s", title)),
        ("Slice", ("s", where)),
        ("PIDs", ("au", [pid])),
        # gone when it is empty, also after an out-of-memory kill in it
        ("CollectMode", ("s", "inactive-or-failed")),
        # else a shutdown signals what is in it, beside whoever stops the container in its own way
        ("DefaultDependencies", ("b", False)),
    ]


def _stand_in() -> tuple[int, int]:
    """A process that does nothing until the descriptor is closed: its pid, and that."""
    end, hold = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(end, 0)
            os.closerange(1, 1 << 20)  # our locks and the bus are not its business
            os.read(0, 1)
        finally:
            os._exit(0)
    os.close(end)
    return pid, hold


def change(path: str, files: dict[str, str]) -> None:
    """Set limits of the scope that is the cgroup `path`, as systemd's properties of it.

    files: as for group.apply.  Raises as Scope.ready.
    """
    wanted = properties(files)
    if not wanted:
        return
    systemd = Systemd(rootless=_is_users_own(path))
    try:
        systemd.change(os.path.basename(path), wanted)
    finally:
        systemd.close()


def move() -> None:
    """Have this process moved to the cgroups of its user's own manager.  Raises as Scope.ready."""
    systemd, ourselves = Systemd(rootless=True), _ourselves()
    try:
        systemd.start(ourselves)
        systemd.finish(ourselves)
    finally:
        systemd.close()


def _ourselves() -> Unit:
    """A scope for this process."""
    name = f"crunpy-command-{os.urandom(6).hex()}.scope"
    return Unit(name, _scope("crunpy", "user.slice", os.getpid()))


def _is_users_own(path: str) -> bool:
    """Whether a cgroup is below the user's own manager."""
    return f"/user@{host_uid()}.service/" in path + "/"
