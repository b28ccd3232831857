"""What networks are made with: nftables, forwarding, pasta and slirp4netns, device nodes."""

from __future__ import annotations

import errno
import os

from crun_py.doctor import nested
from crun_py.doctor.host import module, setting
from crun_py.errors import CrunpyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crun_py.doctor.host import Host
    from crun_py.model.system import Finding

_FORWARDING = {
    "net.ipv4.ip_forward": "/proc/sys/net/ipv4/ip_forward",
    "net.ipv6.conf.all.forwarding": "/proc/sys/net/ipv6/conf/all/forwarding",
}
_SYSCTL_FILES = ("/etc/sysctl.conf",)
_SYSCTL_DIRECTORIES = ("/run/sysctl.d", "/etc/sysctl.d")


def nftables(host: Host, ask: Callable[[], object]) -> Iterator[Finding]:
    """Whether the kernel has nftables.  ask: asks it, and raises CrunpyError or OSError.

    A plain user needs them only for networks of his own (`network create`)."""
    try:
        ask()
    except (CrunpyError, OSError) as e:
        told = host.warning if host.rootless else host.error
        fix = module("nf_tables", "nft_chain_nat", "nft_fib_ipv4", "nft_masq", "nft_ct")
        if e.errno == errno.EPERM:  # then it is there
            lacks = "NET_ADMIN" in nested.lacking(host) and host.outer
            fix = host.outside("--cap-add NET_ADMIN") if lacks else ""
        yield told("nftables", str(e), fix, machine=True)
        return
    yield host.ok("nftables", "works")


def forwarding(host: Host) -> Iterator[Finding]:
    """Whether packets are passed on between interfaces, and stay so.  For root's networks: the
    first one switches it on, and a file of sysctl.d(5) may switch it off again."""
    if host.rootless:
        return
    name = "forwarding"
    switched_off = [
        (key, path) for path, key, value in _sysctls(host) if key in _FORWARDING and value == "0"
    ]
    for key, path in switched_off:
        yield host.warning(
            name,
            f"{path} switches {key} off at each boot and `sysctl --system`",
            f"sed -i '/^[[:space:]]*{key.replace('.', '[./]')}/d' {path} && {setting(key, '1')}",
        )
    on = host.text(_FORWARDING["net.ipv4.ip_forward"])
    if not on:
        yield host.error(name, "/proc/sys/net/ipv4/ip_forward cannot be read")
    elif not switched_off:
        yield host.ok(name, "on" if on == "1" else "off until the first network is made")


def _sysctls(host: Host) -> Iterator[tuple[str, str, str]]:
    """(file, key, value) of each setting, keys with points."""
    files = [*_SYSCTL_FILES]
    for directory in _SYSCTL_DIRECTORIES:
        try:
            names = sorted(os.listdir(host.path(directory)))
        except OSError:
            continue
        files += [f"{directory}/{name}" for name in names if name.endswith(".conf")]
    for path in files:
        for line in host.lines(path):
            key, _, value = line.partition("=")
            yield path, key.strip().lstrip("-").replace("/", "."), value.strip()


def helpers(host: Host) -> Iterator[Finding]:
    """Whether a plain user's containers get a network: one of the two programs."""
    if not host.rootless:
        return
    pasta, slirp = host.program("pasta"), host.program("slirp4netns")
    if not pasta and not slirp:
        yield host.error(
            "pasta, slirp4netns", "neither is installed: no network", host.install("passt")
        )
        return
    for name, path, without in (
        ("pasta", pasta, "slirp4netns, which is slower, does its work"),
        ("slirp4netns", slirp, "`network create` and what names networks fails"),
    ):
        if path:
            yield host.ok(name, path)
        else:
            package = "passt" if name == "pasta" else name
            yield host.warning(name, f"not installed: {without}", host.install(package))


def devices(host: Host, may_open: Callable[[str], str]) -> Iterator[Finding]:
    """Whether the device nodes are there that programs beside us need.

    may_open: tries to open a file; why it could not, or ""."""
    nodes = (
        ("/dev/net/tun", "tun", host.rootless, "pasta and slirp4netns need it"),
        ("/dev/fuse", "fuse", False, "only containers that mount by FUSE (--device) need it"),
    )
    for path, name, needed, why in nodes:
        cause = may_open(host.path(path))
        if not cause:
            yield host.ok(path, "can be opened")
            continue
        told = host.error if needed else host.warning
        closed = host.exists(path) and host.rootless
        fix = host.outside(f"--device {path}") if host.outer else module(name)
        yield told(path, f"{cause}: {why}", f"chmod 0666 {path}" if closed else fix,
                   machine=not closed)  # fmt: skip
