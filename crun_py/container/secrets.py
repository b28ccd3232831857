"""Secrets in a container: files on a tmpfs of its own, and variables, made at each start.

Nothing of what they hold is in container.json or config.json: the record has the names, and what
is mounted is a detached tree by its descriptor (open_tree(2)).
"""

from __future__ import annotations

import os

from crun_py import secrets as store
from crun_py._native import check, ffi, lib
from crun_py.errors import CrunpyError
from crun_py.model.container import SecretUse
from crun_py.ns import CLONE_NEWNS, MS_REC, MS_SLAVE
from crun_py.ns.idmap import Ids
from crun_py.ns.thread import in_thread
from crun_py.overlay.mapped import tree_of
from crun_py.paths import private_dir
from crun_py.record import from_json
from crun_py.spec import mount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.spec import Mount
    from crun_py.state import Container

DIRECTORY = "/run/secrets"


def uses(container: Container) -> list[SecretUse]:
    """What the container gets."""
    return [from_json(SecretUse, value) for value in container.record.get("secrets", [])]


def target(use: SecretUse) -> str:
    """The file inside."""
    name = use.target or use.name
    return name if name.startswith("/") else f"{DIRECTORY}/{name}"


def variables(container: Container) -> list[str]:
    """For the environment of its process.  Raises NotFound."""
    return [
        f"{use.variable}={store.data(container.paths, use.name).decode('utf-8', 'surrogateescape')}"
        for use in uses(container)
        if use.variable
    ]


def trees(container: Container, attached: dict[str, int]) -> list[Mount]:
    """The mounts of the files, each with a descriptor in `attached`.  Raises NotFound."""
    found = [use for use in uses(container) if not use.variable]
    if not found:
        return []
    content = [(use, store.data(container.paths, use.name)) for use in found]
    place = private_dir(container.run_directory + "/secrets")
    ids = Ids.of(container.record)
    # the mount goes with the thread's namespace, but for those parts that were taken of it
    how = ",".join(filter(None, ("mode=700", container.mount_context)))
    for use, fd in in_thread(lambda: _on_tmpfs(place, how, content, ids)):
        attached[target(use)] = fd
    quiet = ("bind", "ro", "nosuid", "nodev", "noexec")
    return [mount("bind", "secret", target(use), *quiet) for use in found]


def _on_tmpfs(
    place: str, how: str, content: list[tuple[SecretUse, bytes]], ids: Ids | None
) -> list[tuple[SecretUse, int]]:
    check(lib.crunpy_unshare(CLONE_NEWNS), "unshare")
    check(lib.crunpy_mount(b"none", b"/", ffi.NULL, MS_REC | MS_SLAVE, ffi.NULL), "mount /")
    where = os.fsencode(place)
    check(lib.crunpy_mount(b"tmpfs", where, b"tmpfs", 0, how.encode()), "mount tmpfs")
    made = []
    try:
        for number, (use, data) in enumerate(content):
            path = f"{place}/{number}"
            _write(path, use, data, ids)
            made.append((use, tree_of(path, recursive=False)))
    except BaseException as e:
        for _, fd in made:
            os.close(fd)
        if isinstance(e, OSError):
            raise CrunpyError.from_os("writing secrets", e) from e
        raise
    return made


def _write(path: str, use: SecretUse, data: bytes, ids: Ids | None) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as file:
        file.write(data)
        owner = ids.outside(use.uid, use.gid) if ids else (use.uid, use.gid)
        os.fchown(fd, *owner)
        os.fchmod(fd, use.mode)
