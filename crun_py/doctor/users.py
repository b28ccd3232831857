"""Ids for a plain user's containers, and the programs that map them."""

from __future__ import annotations

import os
import stat

from crun_py.doctor import kernel
from crun_py.doctor.host import setting
from crun_py.errors import CrunpyError
from crun_py.ns import user

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crun_py.doctor.host import Host
    from crun_py.model.system import Finding

ENOUGH = 65536
"""Ids that an image may use: all of 16 bits."""
_FIRST = 100_000
_ALONE = "containers have one user, root"


def subordinate_ids(host: Host) -> Iterator[Finding]:
    """Whether the user has ranges in subuid(5) and subgid(5)."""
    for file in ("/etc/subuid", "/etc/subgid"):
        name = file[5:]
        try:
            words = user.mapping(host.path(file), host.name, host.uid, host.uid)
        except CrunpyError:
            what = f"{file} has no ids for user {host.name}: {_ALONE}"
            yield host.warning(name, what, _add_ids(host, file))
            continue
        count = sum(map(int, words[5::3]))
        if count < ENOUGH:
            yield host.warning(
                name,
                f"{file} has {count} ids for user {host.name}: images with users above fail",
                _add_ids(host, file),
            )
        else:
            yield host.ok(name, f"{count} ids for user {host.name}")


def _add_ids(host: Host, file: str) -> str:
    """The command that gives the user a range that nobody else has."""
    first = _FIRST
    for line in host.lines(file):
        fields = line.split(":")
        if len(fields) == 3 and fields[1].isdigit() and fields[2].isdigit():
            first = max(first, int(fields[1]) + int(fields[2]))
    return f"usermod --add-{file[5:]}s {first}-{first + ENOUGH - 1} {host.name}"


def mappers(host: Host) -> Iterator[Finding]:
    """Whether newuidmap(1) and newgidmap(1) are there and may do their work."""
    for name in ("newuidmap", "newgidmap"):
        path = host.program(name)
        if not path:
            yield host.warning(
                name,
                f"not installed: {_ALONE}",
                host.install("uidmap", "shadow-utils", "shadow-uidmap"),
            )
        elif not _may_map(host.path(path)):
            what = f"{path} is neither setuid root nor has capabilities: {_ALONE}"
            yield host.warning(name, what, f"chmod u+s {path}")
        else:
            yield host.ok(name, path)


def _may_map(path: str) -> bool:
    found = os.stat(path)
    if found.st_mode & stat.S_ISUID:
        return True
    try:
        return bool(os.getxattr(path, "security.capability"))
    except OSError:
        return False


def namespace(host: Host, enter: Callable[[], object]) -> Iterator[Finding]:
    """Whether this user can become root of a user namespace.

    enter: tries it, and raises CrunpyError.
    """
    name = "entering a user namespace"
    try:
        enter()
    except CrunpyError as e:
        fix = setting(kernel.RESTRICTED, "0") if kernel.restricted(host) else ""
        cause = f"{e.message}; {kernel.RESTRICTED} is 1" if fix else e.message
        yield host.error(name, cause.removeprefix(f"{name}: "), fix)
        return
    yield host.ok(name, "works")
