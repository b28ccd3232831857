"""`doctor`: what the host has and lacks, as one list of findings."""

from __future__ import annotations

import os
import time

from crun_py import clock
from crun_py.apart import apart
from crun_py.errors import CrunpyError
from crun_py.model.system import Finding
from crun_py.paths import check_possible, refuse_foreign

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from crun_py.doctor.host import Host
    from crun_py.engine.context import Context

CALLS = ("doctor",)


def doctor(context: Context, *, online: bool = False) -> tuple[Finding, ...]:
    """What works on this host, what does not, and what mends it.

    online: registries and mirrors are asked too, a few seconds each at most.  What is tried (user
    namespaces, overlay, nftables) is tried in children, and leaves nothing.
    """
    from crun_py.doctor.host import Host

    host = Host(uid=os.geteuid(), name=_name(), store=context.paths.root)
    found: list[Finding] = []
    for part in (_python, _kernel, _users, _storage, _limits, _network, _settings):
        found += part(host, context)
    found += _registries(host) if online else [_not_asked(host)]
    return tuple(found)


def _name() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _become_root() -> str:
    """In a user namespace, for a child of a plain user's; with one id where that is all he has,
    and then what is said of that is returned."""
    import tempfile

    from crun_py import notices
    from crun_py.ns import user

    said: list[str] = []
    notices.listen(said.append)
    with tempfile.TemporaryDirectory() as nowhere:
        user.enter(nowhere)
    return "; ".join(said)


def _python(host: Host, _: Context) -> Iterator[Finding]:
    from crun_py.doctor import python

    yield from python.modules(host, __import__)


def _kernel(host: Host, _: Context) -> Iterator[Finding]:
    from crun_py.doctor import kernel, nested
    from crun_py.show import version

    yield from kernel.version(host)
    yield from nested.check(host)
    yield from kernel.seccomp(host)
    yield from kernel.security_modules(host)
    built = version.build().get("built", "")
    yield from kernel.clock(host, time.time(), clock.parse_rfc3339(built) / 1e9 if built else 0)


def _users(host: Host, _: Context) -> Iterator[Finding]:
    from crun_py.doctor import kernel, users

    yield from kernel.namespaces(host)
    if host.rootless:
        yield from users.subordinate_ids(host)
        yield from users.mappers(host)
        yield from users.namespace(host, lambda: apart(_become_root, "entering a user namespace"))


def _storage(host: Host, context: Context) -> Iterator[Finding]:
    from crun_py.doctor import storage
    from crun_py.overlay.whiteout import holds_no_overlay
    from crun_py.show.info import filesystem_of

    if error := _refused(context.paths.run, "CRUNPY_RUNROOT"):
        yield storage.unusable(host, "run directory", context.paths.run, "CRUNPY_RUNROOT", error)
    if error := _refused(host.store, "CRUNPY_ROOT"):
        yield storage.unusable(host, "store", host.store, "CRUNPY_ROOT", error)
        return
    filesystem = filesystem_of(host.store)
    if holds_no_overlay(_existing(host.store)):
        yield storage.copies(host, filesystem)
    else:
        yield from storage.overlay(
            host, filesystem, lambda: apart(lambda: _try_overlay(host.store), "mounting an overlay")
        )
    room = os.statvfs(_existing(host.store))
    inodes = room.f_favail if room.f_files else -1
    yield from storage.room(host, filesystem, room.f_bavail * room.f_frsize, inodes)


def _refused(path: str, variable: str) -> CrunpyError | None:
    """Why a directory cannot be used that a variable names, None when it can."""
    try:
        refuse_foreign(path, variable)
        check_possible(path)
    except CrunpyError as e:
        return e
    return None


def _existing(path: str) -> str:
    """`path`, or the nearest directory above that is there."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def _try_overlay(store: str) -> None:
    """Mount one where the store is or will be.  Runs in a child, which does not come back from
    where it goes.  Raises CrunpyError, OSError."""
    import tempfile

    from crun_py.ns import user
    from crun_py.overlay import mount, rootfs
    from crun_py.tree import remove_tree

    if user.needed():
        _become_root()
    else:
        mount.own_namespace()
    top = tempfile.mkdtemp(prefix=".crunpy-doctor-", dir=_existing(store))
    try:
        for name in ("lower", "upper", "work", "merged"):
            os.mkdir(f"{top}/{name}", 0o700)
        layers = rootfs.over([top + "/lower"], top + "/upper", top + "/work", volatile=False)
        mount.overlay(layers, top + "/merged")
        with open(top + "/merged/file", "wb") as f:
            f.write(b"x")
        mount.unmount(top + "/merged")
    finally:
        remove_tree(top)


def _limits(host: Host, context: Context) -> Iterator[Finding]:
    from crun_py.cgroup import group, manager
    from crun_py.doctor import limits
    from crun_py.show.info import controllers_of

    top = group.mount_point() or ""
    yield from limits.hierarchy(host, top)
    chosen = manager.chosen(context.cgroup_manager, "", rootless=host.rootless)
    base = manager.base(chosen, rootless=host.rootless)
    yield from limits.controllers(host, top, chosen, base, controllers_of(base))


def _network(host: Host, _: Context) -> Iterator[Finding]:
    from crun_py.doctor import firewall, network
    from crun_py.net import nft

    yield from network.nftables(host, lambda: apart(lambda: _try_nftables(host), "asking nftables"))
    yield from network.forwarding(host)
    yield from network.helpers(host)
    yield from network.devices(host, _cannot_open)
    if not host.rootless:
        try:
            with nft.socket() as sock:
                chains = firewall.chains(sock)
        except (CrunpyError, OSError):
            return  # told above
        yield from firewall.others(host, chains)


def _try_nftables(host: Host) -> None:
    """Runs in a child.  A plain user has them in network namespaces of his own."""
    from crun_py._native import check, lib
    from crun_py.doctor import firewall
    from crun_py.net import nft
    from crun_py.ns import CLONE_NEWNET

    if host.rootless:
        _become_root()
        check(lib.crunpy_unshare(CLONE_NEWNET), "unshare")
    with nft.socket() as sock:
        firewall.chains(sock)


def _cannot_open(path: str) -> str:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))
    except OSError as e:
        return os.strerror(e.errno or 0).lower()
    return ""


def _settings(host: Host, _: Context) -> Iterator[Finding]:
    from crun_py.doctor import settings

    yield from settings.old_files(host)
    yield from settings.daemon_json(host)


def _registries(host: Host) -> Iterator[Finding]:
    from crun_py.doctor import registries
    from crun_py.oci.registry.registries import Registries

    try:
        places = registries.places(Registries())
    except CrunpyError as e:
        yield host.error("registries", e.line())
        return
    yield from registries.reached(host, places, registries.date_of, time.time)


def _not_asked(host: Host) -> Finding:
    return host.ok("registries", "not asked: --online does")
