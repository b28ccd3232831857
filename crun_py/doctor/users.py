"""Ids for a plain user's containers, and the programs that map them."""

from __future__ import annotations

import os
import stat

from crun_py.doctor import kernel
from crun_py.doctor.host import setting
from crun_py.errors import CrunpyError
from crun_py.ns import subids, user

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crun_py.doctor.host import Host
    from crun_py.model.system import Finding

_ALONE = "containers have one user, root"


def subordinate_ids(host: Host) -> Iterator[Finding]:
    """Whether the user has ranges in subuid(5) and subgid(5)."""
    for file in ("/etc/subuid", "/etc/subgid"):
        name = file[5:]
        found = user.ranges(host.path(file), host.name, host.uid)
        count = sum(number for _, number in found)
        more = subids.addition(file, host.name, host.uid, host.text)
        wrong = subids.misplaced(file, host.name, found, host.uid, host.text)
        if not count:
            what = f"{file} has no ids for user {host.name}: {_ALONE}"
            yield host.warning(name, what, more)
        elif wrong:
            yield host.warning(name, f"{wrong.message}: {_ALONE}", wrong.fix)
        elif count < _enough(host, name):
            what = f"{file} has {count} ids for user {host.name}: images with users above fail"
            yield host.warning(name, what, more)
        else:
            yield host.ok(name, f"{count} ids for user {host.name}")


def _enough(host: Host, name: str) -> int:
    """Ids that images may use; where there are few, so that nobody can have all of 16 bits beside
    those of the system, half of them."""
    known = sum(n for _, n in subids.there(host.text(f"/proc/self/{name[3:]}_map")))
    return subids.ENOUGH if not known or known > 2 * subids.ENOUGH else subids.ENOUGH // 2


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


def namespace(host: Host, enter: Callable[[], str]) -> Iterator[Finding]:
    """Whether this user can become root of a user namespace, with more ids than his own.

    enter: tries it, and raises CrunpyError; what is said of one id alone, "" for more.
    """
    name = "entering a user namespace"
    try:
        told = enter()
    except CrunpyError as e:
        fix = setting(kernel.RESTRICTED, "0") if kernel.restricted(host) else ""
        cause = f"{e.message}; {kernel.RESTRICTED} is 1" if fix else e.message
        yield host.error(name, cause.removeprefix(f"{name}: "), fix, machine=True)
        return
    if told:
        yield host.warning(name, told.removeprefix(f"{name}: "))
    else:
        yield host.ok(name, "works")
