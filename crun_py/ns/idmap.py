"""A user namespace of a container's own: its maps, itself, and what is owned by it.

Maps are lists of [first id inside, first id outside, count]; outside is where the engine
runs: the host for root, the user's own namespace (ns/user.py) otherwise.  user_namespaces(7).
"""

from __future__ import annotations

import os

from crun_py._native import check, lib
from crun_py.errors import CrunpyError, InvalidArgument
from crun_py.ns import CLONE_NEWNET, CLONE_NEWUSER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from crun_py.documents.container import Record
    from crun_py.documents.spec import LinuxIdMapping

    Map = list[list[int]]

_PR_SET_DUMPABLE = 4


def own_map(kind: str) -> Map:
    """The map ("uid" or "gid") of the namespace we are in."""
    with open(f"/proc/self/{kind}_map", encoding="ascii") as f:
        return [[int(word) for word in line.split()] for line in f]


class Ids:
    """Translates between the ids inside and outside."""

    __slots__ = ("gids", "uids")

    def __init__(self, uids: Map, gids: Map) -> None:
        self.uids, self.gids = uids, gids

    @classmethod
    def of(cls, record: Record) -> Ids | None:
        """Those of a container's record, None when it has no namespace of its own."""
        found = record["userns"]
        return cls(found["uids"], found["gids"]) if found else None

    def outside(self, uid: int, gid: int) -> tuple[int, int]:
        """Raises InvalidArgument for ids that are not mapped."""
        return _translate(self.uids, uid, 0, "user"), _translate(self.gids, gid, 0, "group")

    def inside(self, uid: int, gid: int) -> tuple[int, int]:
        """The kernel's overflow id stands for what is not mapped."""
        return _or_nobody(self.uids, uid), _or_nobody(self.gids, gid)


def _translate(table: Map, number: int, side: int, what: str) -> int:
    for row in table:
        if row[side] <= number < row[side] + row[2]:
            return row[1 - side] + number - row[side]
    raise InvalidArgument(
        f"user namespace: {what} id {number} is not mapped", hint="map more ids, --uidmap"
    )


def _or_nobody(table: Map, number: int) -> int:
    try:
        return _translate(table, number, 1, "")
    except InvalidArgument:
        return 65534


def rows(mappings: Iterable[LinuxIdMapping]) -> Map:
    """The specification's mappings as a map."""
    return [[row["containerID"], row["hostID"], row["size"]] for row in mappings]


def new_namespace(ids: Ids) -> int:
    """A descriptor of a new user namespace with the maps `ids`.  Raises CrunpyError."""

    def prepare(pid: int) -> int:
        for kind, table in (("uid", ids.uids), ("gid", ids.gids)):
            _write_map(pid, kind, table)
        return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)

    def become() -> None:
        check(lib.crunpy_unshare(CLONE_NEWUSER), "unshare")

    return from_child("making a user namespace", become, prepare)


def _write_map(pid: int, kind: str, table: Map) -> None:
    """The map ("uid" or "gid") of a process's user namespace; a plain user's by newuidmap(1), or,
    of his own id alone, as the kernel lets him (user_namespaces(7), "Defining user and group ID
    mappings").  Raises OSError, CrunpyError."""
    if os.geteuid() and (len(table) > 1 or table[0][2] > 1):
        from crun_py.ns import user

        user.write_map(pid, kind, table)
        return
    if os.geteuid() and kind == "gid":
        with open(f"/proc/{pid}/setgroups", "w", encoding="ascii") as f:
            f.write("deny")
    text = "".join(f"{a} {b} {n}\n" for a, b, n in table)
    with open(f"/proc/{pid}/{kind}_map", "w", encoding="ascii") as f:
        f.write(text)


def new_netns(userns: int) -> int:
    """A descriptor of a new network namespace that belongs to the user namespace `userns`."""

    def become() -> None:
        check(lib.crunpy_setns(userns, CLONE_NEWUSER), "setns")
        check(lib.crunpy_unshare(CLONE_NEWNET), "unshare")

    def prepare(pid: int) -> int:
        return os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    return from_child("making a network namespace", become, prepare)


def from_child(doing: str, become: Callable[[], None], prepare: Callable[[int], int]) -> int:
    """What `prepare` finds of a child process that has done `become`, and then ends."""
    ready, told = os.pipe()
    wait, go = os.pipe()
    child = os.fork()
    if child == 0:
        error = 0
        try:
            become()
            # else its files in /proc belong to the host's root (proc(5))
            check(lib.crunpy_prctl(_PR_SET_DUMPABLE, 1), "prctl")
        except OSError as e:
            error = e.errno or 1
        os.close(go)
        os.write(told, bytes([error]))
        os.read(wait, 1)
        os._exit(0)
    os.close(told)
    os.close(wait)
    try:
        answer = os.read(ready, 1)
        if answer != b"\0":
            error = answer[0] if answer else 0
            raise CrunpyError(f"{doing}: {os.strerror(error).lower()}", errno=error)
        return prepare(child)
    except OSError as e:
        raise CrunpyError.from_os(doing, e) from e
    finally:
        os.close(go)
        os.close(ready)
        os.waitpid(child, 0)
