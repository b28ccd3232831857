"""The kernel: its version, what confines containers, and the clock."""

from __future__ import annotations

from crun_py import ns
from crun_py.doctor.host import setting
from crun_py.ns import selinux

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from crun_py.doctor.host import Host
    from crun_py.model.system import Finding

OLDEST = (5, 15)
_DAY_S = 86400
SKEW_S = 300
"""More than that, and certificates and tokens of a registry may not hold."""


def version(host: Host) -> Iterator[Finding]:
    """Whether the kernel is new enough (README, "Install")."""
    release = host.text("/proc/sys/kernel/osrelease")
    wanted = ".".join(map(str, OLDEST))
    numbers: list[int] = []
    for word in release.replace("-", ".").split(".")[:2]:
        if not word.isdigit():
            break
        numbers.append(int(word))
    if len(numbers) < 2:
        yield host.warning("kernel", f"version {release!r} is not understood; {wanted} is needed")
    elif tuple(numbers) < OLDEST:
        fix = host.install("linux-image-amd64", "kernel", "linux-lts")
        yield host.error(
            "kernel",
            f"{release} is older than {wanted}",
            f"{fix} && reboot" if fix else "",
            machine=True,
        )
    else:
        yield host.ok("kernel", f"{release} ({wanted} or newer is needed)")


def seccomp(host: Host) -> Iterator[Finding]:
    """Whether system calls can be filtered (seccomp(2))."""
    if host.exists("/proc/sys/kernel/seccomp/actions_avail"):
        yield host.ok("seccomp", "system calls of containers are filtered")
    else:
        yield host.error(
            "seccomp", "the kernel has no filter of system calls (CONFIG_SECCOMP_FILTER)"
        )


def security_modules(host: Host) -> Iterator[Finding]:
    """Which security modules are on, and what they do to containers."""
    active = host.text("/sys/kernel/security/lsm").split(",")
    if enforcing := host.text("/sys/fs/selinux/enforce"):
        yield _selinux(host, enforces=enforcing == "1")
    elif "apparmor" in active and not host.rootless:
        if host.program("apparmor_parser"):
            yield host.ok("security modules", "AppArmor: containers have profile crunpy-default")
        else:
            yield host.warning(
                "security modules",
                "AppArmor is on, but apparmor_parser, which loads the profile, is missing",
                host.install("apparmor", "apparmor-parser", "apparmor"),
            )
    else:
        found = ", ".join(word for word in active if word) or "none is told of"
        yield host.ok("security modules", f"{found}: containers need none")


def _selinux(host: Host, *, enforces: bool) -> Finding:
    policy = next(
        (
            value.strip()
            for line in host.text("/etc/selinux/config").splitlines()
            for key, _, value in [line.partition("=")]
            if key.strip() == "SELINUXTYPE"
        ),
        "targeted",
    )
    files = (f"/etc/selinux/{policy}/contexts/lxc_contexts",
             "/usr/share/containers/selinux/contexts")  # fmt: skip
    named = next((file for file in files if host.exists(file)), "")
    if not named:
        return host.warning(
            "security modules",
            f"SELinux is on, but its policy {policy} has no labels for containers: they get none",
            host.install("selinux-policy-default", "container-selinux"),
        )
    for line in host.lines(named):
        label = line.partition("=")[2].strip().strip('"')
        if label and not selinux.is_known(label, host.path(ns.SELINUX_FS)):
            return host.warning(
                "security modules",
                f"SELinux is on, but its policy {policy} does not know {label}, which {named} "
                "names (Debian 12's is such): containers get no labels",
            )
    how = "enforces" if enforces else "only tells (permissive)"
    return host.ok(
        "security modules",
        f"SELinux {how}: each container has a label; -v …:z and :Z label what is shared",
    )


def clock(host: Host, now_s: float, built_s: float) -> Iterator[Finding]:
    """Whether the clock can be right: not before this program was built.

    now_s, built_s: seconds since 1970; built_s: 0 where it is not known.
    """
    if built_s and now_s < built_s - _DAY_S:
        days = int((built_s - now_s) // _DAY_S)
        yield host.error(
            "clock",
            f"it is {days} days before this program was built",
            set_clock(host),
            machine=True,
        )
    else:
        yield host.ok("clock", "not before this program was built")


def set_clock(host: Host) -> str:
    """The command that has the clock set by the network."""
    if host.exists("/usr/bin/timedatectl") and host.exists("/run/systemd/system"):
        return "timedatectl set-ntp true"
    install = host.install("chrony")
    return f"{install} && chronyd -q" if install else "hwclock --hctosys"


def namespaces(host: Host) -> Iterator[Finding]:
    """Whether there are user namespaces, and may be made by whoever asks.

    user_namespaces(7); the sysctls are Debian's, the kernel's and Ubuntu's.
    """
    name = "user namespaces"
    if not host.exists("/proc/self/ns/user"):
        yield host.error(name, "the kernel has none (CONFIG_USER_NS)")
        return
    told = host.error if host.rootless else host.warning
    most = host.text("/proc/sys/user/max_user_namespaces")
    wrong = False
    if most == "0":
        wrong = True
        yield told(name, "there may be none: user.max_user_namespaces is 0",
                   setting("user.max_user_namespaces", "15000"), machine=True)  # fmt: skip
    if host.rootless and host.text("/proc/sys/kernel/unprivileged_userns_clone") == "0":
        wrong = True
        yield told(name, "for root alone: kernel.unprivileged_userns_clone is 0",
                   setting("kernel.unprivileged_userns_clone", "1"), machine=True)  # fmt: skip
    if not wrong:
        yield host.ok(name, f"allowed, {most} of them" if most else "allowed")


RESTRICTED = "kernel.apparmor_restrict_unprivileged_userns"


def restricted(host: Host) -> bool:
    """Whether AppArmor lets only programs with a profile be root in a user namespace (Ubuntu
    23.10 and newer)."""
    return host.text("/proc/sys/" + RESTRICTED.replace(".", "/")) == "1"
