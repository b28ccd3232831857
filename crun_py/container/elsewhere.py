"""Containers of this store that run with another engine, of another container or machine that has
the same disk: their processes and run directories are not ours to see.

The directory of a container is locked (flock(2)) by its monitor as long as it runs.  One that has
no run directory here and is locked runs there.  Where a file system locks no directories, nobody
knows.
"""

from __future__ import annotations

import fcntl
import os
import time

from crun_py.errors import Conflict
from crun_py.state import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.paths import Paths
    from crun_py.state import Container

KEY = (1 << 32) - 1
"""Of the lock among what a monitor holds (held.c); no port has it."""
UNKNOWN = "unknown"
"""The state, podman's word, of a container that runs where we do not see it."""
_NOT_HERE = ("created", "exited")
_PATIENCE_S = 2
"""How long a monitor of ours may take to let go when its container has ended."""


def runs(paths: Paths, container_id: str) -> bool:
    """Whether somebody runs it, whom we do not see if it has no run directory."""
    try:
        fd = os.open(paths.container(container_id), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # no such locks there, as on NFS: nobody has one
    finally:
        os.close(fd)
    return False


def seen(container: Container, status: Status) -> Status:
    """What a list is to say of a container that has this status here: UNKNOWN where it runs
    elsewhere."""
    if status.state not in _NOT_HERE or not runs(container.paths, container.id):
        return status
    if os.path.isdir(container.run_directory):
        return container.status()  # it was started here just now
    return Status(UNKNOWN, {})


def hold(container: Container) -> int:
    """A descriptor that says so, for its monitor; not inheritable.

    Raises Conflict when it runs elsewhere, Gone when it was removed just now."""
    try:
        fd = os.open(container.directory, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise container.gone() from None
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return fd
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(fd)
                raise _conflict(container, "starting") from None
            time.sleep(0.005)
        except OSError:
            return fd  # no such locks there: as if nobody had one


def check_removable(container: Container) -> None:
    """Raises Conflict when it runs elsewhere."""
    deadline = time.monotonic() + _PATIENCE_S
    while not os.path.isdir(container.run_directory) and runs(container.paths, container.id):
        if time.monotonic() > deadline:
            raise _conflict(container, "removing")
        time.sleep(0.005)


def _conflict(container: Container, doing: str) -> Conflict:
    return Conflict(
        f"{doing} container {container.name}: it runs with another engine that has this store, as "
        "that of another container",
        hint="there, or with a store of its own: CRUNPY_ROOT",
    )
