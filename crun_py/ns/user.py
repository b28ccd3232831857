"""Rootless: this process becomes root in a user namespace of its own.

From then on the same code runs as for root.  The whole subordinate id range of the user is
mapped (subuid(5), subgid(5)) by the setuid programs newuidmap(1) and newgidmap(1).
user_namespaces(7).
"""

from __future__ import annotations

import errno
import os

from crun_py import caller, notices
from crun_py._native import check, ffi, lib
from crun_py.apart import Apart
from crun_py.errors import CrunpyError, NotFound, Unsupported
from crun_py.ns import CLONE_NEWNS, CLONE_NEWUSER, MS_REC, MS_SLAVE
from crun_py.paths import private_dir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.state import Status


_NS_GET_PARENT = 0xB702  # ioctl_ns(2)


def needed() -> bool:
    """Whether this process must enter a user namespace before it touches a store's layers."""
    return os.geteuid() != 0


_OWN = "/proc/self/ns/user"
_UIDS, _GIDS = "/etc/subuid", "/etc/subgid"
_ALONE = "/one-id"
"""A store in which all files are the user's own, for there were no subordinate ids."""


def enter(store: str, *, looking: bool = False) -> None:
    """Enter a new user and mount namespace as its root.  Does nothing for root.

    Where a user has no subordinate ids, or nobody may map them, as in a container with few
    privileges, root is the only id there; a store that has files of other owners is not opened so.

    store: its root directory, "" for none; looking: nothing is noted in it.  Raises Unsupported
    saying what is missing and how to mend it.
    """
    if not needed():
        return
    own, before = (os.geteuid(), os.getegid()), os.stat(_OWN).st_ino
    try:
        _enter_mapped(*own)
    except Unsupported as e:
        if not _may_be_alone(store):
            raise
        if os.stat(_OWN).st_ino == before and (result := lib.crunpy_unshare(CLONE_NEWUSER)) < 0:
            raise _refused(-result) from None
        _map_alone(*own, e)
        if not looking:
            _tell_alone(store, e)
    else:
        if not looking and store and os.path.exists(store + _ALONE):
            os.unlink(store + _ALONE)  # what comes now may have other owners
    _own_mounts()


def _may_be_alone(store: str) -> bool:
    return bool(store) and (not os.path.isdir(store + "/layers") or os.path.exists(store + _ALONE))


def _map_alone(uid: int, gid: int, cause: Unsupported) -> None:
    """Be root of the new user namespace in which no other id is mapped, which needs nobody's leave
    (user_namespaces(7), "Defining user and group ID mappings").  Raises `cause` if it cannot be."""
    lines = ("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")
    try:
        for name, line in lines:
            with open(f"/proc/self/{name}", "w", encoding="ascii") as f:
                f.write(line)
    except OSError:
        raise cause from None


def _tell_alone(store: str, cause: Unsupported) -> None:
    """Once for a store."""
    private_dir(store)
    notices.warn_once(
        store + _ALONE,
        f"{cause.message}: containers have one user, root, to whom all files belong ({cause.hint})",
    )


def _enter_mapped(uid: int, gid: int) -> None:
    import pwd

    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    maps = [
        ("newuidmap", mapping(_UIDS, name, uid, uid)),
        ("newgidmap", mapping(_GIDS, name, uid, gid)),
    ]
    programs = [_program(program) for program, _ in maps]
    ready, go = os.pipe()
    parent = os.getpid()

    def write() -> None:
        os.close(go)
        # until the parent has unshared; an end without a byte means that it could not
        arguments = [[p, str(parent), *m] for p, (_, m) in zip(programs, maps, strict=True)]
        if os.read(ready, 1) and (said := _write_maps(arguments)) is not None:
            raise _not_mapped(name, uid, gid, said)

    child = Apart(write, doing="entering a user namespace")
    os.close(ready)
    try:
        result = lib.crunpy_unshare(CLONE_NEWUSER)
        if result == 0:
            os.write(go, b"1")
    finally:
        os.close(go)
        child.result()
    if result < 0:
        raise _refused(-result)


def _not_mapped(name: str, uid: int, gid: int, said: str) -> Unsupported:
    """What newuidmap and newgidmap failed for.  Runs outside of the new user namespace."""
    from crun_py.ns import subids

    ids = {_UIDS: (uid, ranges(_UIDS, name, uid)), _GIDS: (gid, ranges(_GIDS, name, uid))}
    why = "check /etc/subuid and /etc/subgid, and that both programs are setuid root"
    if known := subids.causes(name, ids, _text):
        why = known
    return Unsupported(
        f"entering a user namespace: newuidmap or newgidmap failed for user {name}{said}", hint=why
    )


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
    except OSError:
        return ""


def _own_mounts() -> None:
    """A mount namespace of our own: the overlay of a container is mounted from here."""
    check(lib.crunpy_unshare(CLONE_NEWNS), "unshare")
    check(lib.crunpy_mount(b"none", b"/", ffi.NULL, MS_REC | MS_SLAVE, ffi.NULL), "mount /")


def join(status: Status) -> None:
    """Enter the user namespace in which a running container was made, for a rootless exec or
    network: the container's, or, if it has one of its own (--userns), that one's parent.

    The caller owns that namespace, so this makes it root there.  Does nothing for root.
    Raises NotFound when the container has ended.
    """
    if not needed():
        return
    try:
        own = os.open(f"/proc/{status.pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        raise NotFound("entering the container: it has just ended") from None
    fd = _child_of_ours(own)
    try:
        check(lib.crunpy_setns(fd, CLONE_NEWUSER), "setns")
    except OSError as e:
        raise CrunpyError.from_os("entering the container's user namespace", e) from e
    finally:
        os.close(fd)
    _own_mounts()


def _child_of_ours(fd: int) -> int:
    """The ancestor of the user namespace `fd`, or that itself, whose parent is ours."""
    import fcntl

    own = os.stat(_OWN).st_ino
    while True:
        parent = fcntl.ioctl(fd, _NS_GET_PARENT)
        if os.fstat(parent).st_ino == own:
            os.close(parent)
            return fd
        os.close(fd)
        fd = parent


def mapping(file: str, name: str, uid: int, own: int) -> list[str]:
    """The arguments for newuidmap after the pid: inside, outside, count; three by three, the first
    three for the user himself.

    file: subuid(5) or subgid(5).  Raises Unsupported when it has none for him.
    """
    words = []
    total = 0
    for start, count in ranges(file, name, uid):
        words += [str(1 + total), str(start), str(count)]
        total += count
    if total == 0:
        from crun_py.ns import subids

        add = subids.addition(file, name, own, _text)
        raise Unsupported(
            f"entering a user namespace: {file} has no ids for user {name}",
            hint=f"as root: {add}" if add else "no range is free here: see /proc/self/uid_map",
        )
    return ["0", str(own), "1", *words]


def ranges(file: str, name: str, uid: int) -> list[tuple[int, int]]:
    """(first id, count) of each range that subuid(5) or subgid(5) has for a user; of a file that
    is not there, or has no numbers, none."""
    found = []
    try:
        with open(file, encoding="utf-8", errors="replace") as f:
            for line in f:
                fields = line.strip().split(":")
                if len(fields) == 3 and fields[0] in (name, str(uid)):
                    found.append((int(fields[1]), int(fields[2])))
    except (FileNotFoundError, ValueError):
        return []
    return found


def _program(name: str) -> str:
    for directory in (*caller.variable("PATH").split(":"), "/usr/bin", "/usr/sbin"):
        path = f"{directory}/{name}"
        if directory and os.access(path, os.X_OK):
            return path
    raise Unsupported(
        f"entering a user namespace: the program {name} is missing",
        hint="install it: apt install uidmap (Debian, Ubuntu) or dnf install shadow-utils",
    )


def write_map(pid: int, kind: str, table: list[list[int]]) -> None:
    """Have newuidmap(1) or newgidmap(1), by `kind`, write the map of a process's user namespace:
    rows of first id inside, outside, count.  Raises Unsupported."""
    words = [str(number) for row in table for number in row]
    said = _write_maps([[_program(f"new{kind}map"), str(pid), *words]])
    if said is not None:
        raise Unsupported(
            f"making a user namespace: new{kind}map refused the map {' '.join(words)}{said}",
            hint=f"/etc/sub{kind} says which ids are yours",
        )


def _write_maps(commands: list[list[str]]) -> str | None:
    """Run newuidmap and newgidmap at once; runs in the child that stayed outside.  None when they
    have done it, else ": " and what they said, in one line."""
    own = caller.variables()
    heard, told = os.pipe()
    # what they say is told by us, once, and where our caller wants to read it
    actions = [(os.POSIX_SPAWN_DUP2, told, 1), (os.POSIX_SPAWN_DUP2, told, 2)]
    with open(heard, encoding="utf-8", errors="replace") as f:
        try:
            pids = [os.posix_spawn(c[0], c, own, file_actions=actions) for c in commands]
        finally:
            os.close(told)
        said = "; ".join(sorted(f.read().splitlines()))
    failed = [pid for pid in pids if os.waitpid(pid, 0)[1]]
    if not failed:
        return None
    return f": {said}" if said else ""


def _refused(error: int) -> Unsupported:
    hints = {
        errno.EPERM: "as root: sysctl -w kernel.unprivileged_userns_clone=1 "
        "kernel.apparmor_restrict_unprivileged_userns=0 (those of the two that exist)",
        errno.EACCES: f"the AppArmor profile of this program, {_profile()}, lacks the rule userns",
        errno.ENOSPC: "as root: sysctl -w user.max_user_namespaces=15000",
        errno.EUSERS: "user namespaces are nested too deeply",
    }
    return Unsupported(
        f"entering a user namespace: user namespaces are disabled ({os.strerror(error).lower()})",
        hint=hints.get(error, ""),
        errno=error,
    )


def _profile() -> str:
    """Of AppArmor, that we run under, "none"."""
    try:
        with open("/proc/self/attr/current", encoding="utf-8", errors="replace") as f:
            return f.read(1000).strip("\0\n") or "none"
    except OSError:
        return "none"
