"""A container's files, whether it runs or not, as one descriptor of its root directory.

Of a running container it is /proc/PID/root: what its processes see, volumes and tmpfs among
it.  Of another one the overlay is mounted for this process alone, with its volumes, and the
container's lock is held as long: it cannot be started meanwhile.

Whoever works on these files becomes root in the container's user namespace, from which
there is no way back: `apart` does it in a child process.
"""

from __future__ import annotations

import contextlib
import os

from crun_py import state
from crun_py._native import check, lib
from crun_py.errors import CrunpyError, NotFound, Unsupported
from crun_py.ns import user
from crun_py.ns.idmap import Ids
from crun_py.overlay import mount, rootfs
from crun_py.overlay.changes import Changes
from crun_py.paths import private_dir
from crun_py.tree import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from crun_py.state import Container, Status

_ROOT = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


def merged(container: Container) -> str:
    """Where `crunpy mount` shows the root of `container`."""
    return rootfs.merged(container.directory)


def become_root(container: Container) -> Status:
    """Enter the user namespace in which the files of `container` have its ids."""
    status = container.status()
    if status.alive:
        user.join(status)
    else:
        user.enter(container.paths.root)
    return status


@contextlib.contextmanager
def root_of(container: Container, *, alone: bool = False) -> Iterator[int]:
    """The root directory of `container`, an O_PATH descriptor.  Runs after `become_root`.

    alone: without its volumes and whatever else is mounted below.  Raises NotFound, Conflict,
    CrunpyError.
    """
    status = container.status()
    if status.alive:
        yield from _closing(_running_root(container, status, alone=alone))
        return
    try:
        with container.lock():
            if container.status().alive:
                raise CrunpyError(f"opening container {container.name}: it was started just now")
            yield from _stopped_root(container, alone=alone)
    except FileNotFoundError:
        raise NotFound(f"no such container: {container.name}") from None


def _closing(fd: int) -> Iterator[int]:
    try:
        yield fd
    finally:
        os.close(fd)


def _ended(container: Container) -> NotFound:
    return NotFound(f"opening container {container.name}: it has just ended")


def _running_root(container: Container, status: Status, *, alone: bool) -> int:
    pidfd = state.open_pid(status)
    try:
        if alone:
            namespace = os.open(f"/proc/{status.pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
            try:
                root = check(lib.crunpy_clone_tree(namespace, b"/", 0), "open_tree")
            finally:
                os.close(namespace)
        else:
            root = os.open(f"/proc/{status.pid}/root", _ROOT)
        # the pid is still the container's if it lives: it was when the pidfd was opened
        if state.start_ticks(status.pid) != status.start_ticks:
            os.close(root)
            raise _ended(container)
        return root
    except (FileNotFoundError, ProcessLookupError):
        raise _ended(container) from None
    except OSError as e:
        raise CrunpyError.from_os(f"opening the files of container {container.name}", e) from e
    finally:
        os.close(pidfd)


def describe(container: Container) -> rootfs.RootFs:
    """The overlay of a container that does not run."""
    layers = [f"{container.paths.root}/{layer}" for layer in container.record["layers"]]
    return rootfs.describe(container.directory, layers, volatile=False, devices=False,
                           context=container.mount_context)  # fmt: skip


@contextlib.contextmanager
def changes(container: Container) -> Iterator[Changes]:
    """What `container` changed; runs in a user namespace that has its files' owners.

    Raises Unsupported for one that was made with --rootfs.
    """
    if container.record.get("rootfs"):
        raise Unsupported(
            f"reading the changes of container {container.name}: its root is a directory of the "
            "host, which it changes itself"
        )
    layers = [f"{container.paths.root}/{layer}" for layer in container.record["layers"]]
    spec = container.spec()
    # places for what the user mounts are the container's, as docker has it
    users = {entry["destination"] for entry in container.record["mounts"]}
    users |= {*container.record["host"].get("tmpfs", ())}
    made = [d for entry in spec["mounts"] if (d := entry["destination"]) not in users]
    made += [entry["path"] for entry in spec["linux"].get("devices", ())]
    if container.record.get("secrets"):
        from crun_py.container import secrets

        made += [secrets.target(use) for use in secrets.uses(container) if not use.variable]
    if not container.record.get("copied"):
        owner = ids(container).outside if _idmapped(container) else _SameIds.outside
        yield Changes(container.directory + "/upper", layers[::-1], made, owner)
        return
    from crun_py.overlay import copied

    owner = ids(container).outside
    found = f"{container.directory}/changes-{os.urandom(8).hex()}"
    try:
        os.mkdir(found, 0o700)
        copied.extract(layers, container.own_root, found, owner)
        yield Changes(found, layers[::-1], made, owner)
    finally:
        remove_tree(found)


def _idmapped(container: Container) -> bool:
    own_ids = container.record["userns"]
    return own_ids is not None and own_ids["idmapped"]


class _SameIds:
    """For a container without a user namespace of its own."""

    @staticmethod
    def outside(uid: int, gid: int) -> tuple[int, int]:
        return uid, gid

    inside = outside


def ids(container: Container | None) -> Ids | _SameIds:
    """Translates the ids of the container's files between what its processes see (inside)
    and what we see after `become_root`; None: those of the host's."""
    return (Ids.of(container.record) if container else None) or _SameIds()


def mount_root(container: Container, where: str) -> None:
    """Mount the overlay of a container that does not run on the directory `where`."""
    if own := container.own_root:
        mount.bind(own, where)
        return
    if not _idmapped(container):
        mount.overlay(describe(container), where)
        return
    from crun_py.container import namespaces
    from crun_py.overlay import mapped

    namespace = namespaces.user(container)
    try:
        tree = mapped.detached(describe(container), container.paths.run + "/rootfs", namespace)
    finally:
        os.close(namespace)
    try:
        check(lib.crunpy_attach(tree, os.fsencode(where)), where)
    except OSError as e:
        raise CrunpyError.from_os(f"mounting the layers on {where}", e) from e
    finally:
        os.close(tree)


def _stopped_root(container: Container, *, alone: bool) -> Iterator[int]:
    where = private_dir(container.paths.run + "/rootfs")
    mount.own_namespace()
    if own := container.own_root:
        mount.bind(own, where)
    elif mount.is_mounted(merged(container)):
        mount.bind(merged(container), where)
    else:
        mount_root(container, where)
    root = os.open(where, _ROOT)
    volumes = mount.Volumes(root, where, [] if alone else container.record["mounts"])
    try:
        if container.record["host"].get("read_only"):
            mount.make_read_only(where)
        yield root
    finally:
        volumes.close()
        os.close(root)


def open_at(root: int, path: str, flags: int) -> int:
    """open(2) of `path` as processes of the container whose root is `root` see it; -1: on
    the host.  Raises OSError."""
    if root < 0:
        return os.open(path, flags | os.O_CLOEXEC)
    return check(lib.crunpy_open_in_root(root, os.fsencode(path), flags), path)
