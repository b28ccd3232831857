"""The default seccomp profile, and profile files in docker's format.

The default is a list of what is allowed, made from the table of all system calls less what
`NEVER` and `_BY_CAPABILITY` hold back.  What is held back fails with EPERM; a call that no
table knows (of a kernel newer than this list) with ENOSYS, so that a C library falls back
to an older one.
"""

from __future__ import annotations

import os

from crun_py.errors import InvalidArgument
from crun_py.shapes import SECCOMP, misfit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from crun_py.documents.spec import LinuxSeccomp, SeccompArg, SeccompRule

_EPERM, _ENOSYS = 1, 38

_ARCHITECTURES = {
    "x86_64": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    "aarch64": ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
}

_OBSOLETE = """
_sysctl afs_syscall bdflush break create_module ftime get_kernel_syms getpmsg gtty idle lock mpx
nfsservctl nice oldfstat oldlstat oldolduname oldstat olduname prof profil putpmsg readdir security
sgetmask ssetmask stty sysfs tuxcall ulimit uselib usr26 usr32 ustat vm86 vm86old vserver
"""
_NOT_SEPARATED = "add_key keyctl request_key"  # keyrings are not the container's own
_RISKY = "io_uring_enter io_uring_register io_uring_setup userfaultfd"
_WHOLE_MACHINE = """
kexec_file_load kexec_load lsm_set_self_attr migrate_pages move_pages pciconfig_iobase
pciconfig_read pciconfig_write swapoff swapon
"""
NEVER = frozenset(" ".join((_OBSOLETE, _NOT_SEPARATED, _RISKY, _WHOLE_MACHINE)).split())
"""Denied whatever the capabilities."""

_BY_CAPABILITY = {
    "CAP_BPF": "bpf",
    "CAP_DAC_READ_SEARCH": "open_by_handle_at",
    "CAP_PERFMON": "perf_event_open",
    "CAP_SYSLOG": "syslog",
    "CAP_SYS_ADMIN": (
        "bpf fanotify_init fsconfig fsmount fsopen fspick listns lookup_dcookie "
        "lsm_get_self_attr lsm_list_modules mount mount_setattr move_mount open_tree "
        "open_tree_attr perf_event_open pivot_root quotactl quotactl_fd setdomainname "
        "sethostname setns syslog umount umount2 unshare"
    ),
    "CAP_SYS_BOOT": "reboot",
    "CAP_SYS_CHROOT": "chroot",
    "CAP_SYS_MODULE": "delete_module finit_module init_module query_module",
    "CAP_SYS_NICE": "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
    "CAP_SYS_PACCT": "acct",
    "CAP_SYS_PTRACE": "kcmp pidfd_getfd process_madvise",
    "CAP_SYS_RAWIO": "ioperm iopl",
    "CAP_SYS_TIME": "clock_settime clock_settime64 settimeofday stime",
    "CAP_SYS_TTY_CONFIG": "vhangup",
}
"""Allowed with any capability that lists them; the kernel checks capabilities, too."""

_BY_ARGUMENT = ("clone", "clone3", "personality", "socket", "socketcall")

_NAMESPACE_FLAGS = 0x7E020000  # CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID and NET
_PERSONALITIES = (0, 8, 0x20000, 0x20008, 0xFFFFFFFF)  # PER_LINUX(32), UNAME26, query

_DENIED_FAMILIES = (12, 19, 20, 23, 25, 34, 37, 38, 40, 46, 47)
"""AF_ALG and AF_VSOCK, which reach the kernel's crypto code and the hypervisor; and those that
nobody uses but who wants a module loaded: DECnet, Econet, ATM SVC, IrDA, WANPIPE, ISDN, CAIF."""

# (mask, value) of the address families allowed: 0 to 47 less those.
# Masks and not comparisons: the kernel takes an int, the filter sees a 64-bit register,
# so that `family > 40` would let 40 with a bit above the 32nd pass.
_FAMILIES = (
    *((0xFFFFFFF8, 0), (0xFFFFFFFC, 8), (0xFFFFFFFF, 13), (0xFFFFFFFE, 14), (0xFFFFFFFE, 16)),
    *((0xFFFFFFFF, 18), (0xFFFFFFFF, 21), (0xFFFFFFFF, 22), (0xFFFFFFFF, 24), (0xFFFFFFFE, 26)),
    *((0xFFFFFFFC, 28), (0xFFFFFFFE, 32), (0xFFFFFFFF, 35), (0xFFFFFFFF, 36), (0xFFFFFFFF, 39)),
    *((0xFFFFFFFF, 41), (0xFFFFFFFE, 42), (0xFFFFFFFE, 44)),
)


_NESTING = (
    "fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree open_tree_attr "
    "pivot_root setdomainname sethostname setns umount umount2 unshare"
)
"""What a program needs that makes namespaces in a user namespace of its own."""


def default_profile(
    names: Iterable[str], machine: str = "x86_64", *, nesting: bool = False
) -> LinuxSeccomp:
    """The OCI `linux.seccomp` object for a container with the capabilities `names`.

    nesting: its programs may make namespaces, user namespaces among them.
    """
    from crun_py.ns import syscalls

    held = set(names)
    known = {name for calls in syscalls.tables().values() for name in calls}
    guarded = {name for calls in _BY_CAPABILITY.values() for name in calls.split()}
    granted = {name for cap in held & _BY_CAPABILITY.keys() for name in _BY_CAPABILITY[cap].split()}
    if nesting:
        granted |= set(_NESTING.split())
    denied = (NEVER | (guarded - granted)) & known
    allowed = known - denied - set(_BY_ARGUMENT)
    rules = [_rule(["personality"], [_equal(0, value)]) for value in _PERSONALITIES]
    rules += [_rule(["socket"], [_masked(0, mask, value)]) for mask, value in _FAMILIES]
    for family in _DENIED_FAMILIES:
        test = _masked(0, 0xFFFFFFFF, family)
        rules.append(_rule(["socket"], [test], "SCMP_ACT_ERRNO", _EPERM))
    if nesting or "CAP_SYS_ADMIN" in held:
        allowed |= {"clone", "clone3"}
    else:
        rules.append(_rule(["clone"], [_masked(0, _NAMESPACE_FLAGS, 0)]))
        for bit in (1 << n for n in range(32) if _NAMESPACE_FLAGS >> n & 1):
            rules.append(_rule(["clone"], [_masked(0, bit, bit)], "SCMP_ACT_ERRNO", _EPERM))
        # its flags are in memory, which a filter cannot read: callers fall back to clone
        rules.append(_rule(["clone3"], [], "SCMP_ACT_ERRNO", _ENOSYS))
    # the address family is in memory as well: i386 has calls of their own for all it does
    rules.append(_rule(["socketcall"], [], "SCMP_ACT_ERRNO", _ENOSYS))
    rules.append(_rule(sorted(denied), [], "SCMP_ACT_ERRNO", _EPERM))
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": _ENOSYS,
        "architectures": list(_ARCHITECTURES[machine]),
        "syscalls": [_rule(sorted(allowed), []), *rules],
    }


def _rule(
    names: list[str], args: list[SeccompArg], action: str = "SCMP_ACT_ALLOW", errno: int = 0
) -> SeccompRule:
    rule: SeccompRule = {"names": names, "action": action}
    if args:
        rule["args"] = args
    if errno:
        rule["errnoRet"] = errno
    return rule


def _equal(index: int, value: int) -> SeccompArg:
    return {"index": index, "value": value, "op": "SCMP_CMP_EQ"}


def _masked(index: int, mask: int, value: int) -> SeccompArg:
    return {"index": index, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"}


def resolve(value: Any, names: list[str], machine: str) -> LinuxSeccomp:
    """The OCI object of a profile in docker's format, for a container with `names`.

    archMap becomes architectures; a rule stays when what it includes (caps, arches,
    minKernel) is there and what it excludes is not.  Raises InvalidArgument, KeyError,
    TypeError or AttributeError for a malformed one.
    """
    if value.get("architectures") and value.get("archMap"):
        raise InvalidArgument("reading seccomp profile: both architectures and archMap given")
    architectures = list(value.get("architectures") or ())
    native = _ARCHITECTURES[machine][0]
    for entry in value.get("archMap") or ():
        if entry["architecture"] == native:
            architectures = [native, *(entry.get("subArchitectures") or ())]
    rules: list[SeccompRule] = []
    for rule in value.get("syscalls") or ():
        if _applies(rule, set(names), machine):
            kept: SeccompRule = {
                "names": list(rule.get("names") or [rule["name"]]),
                "action": rule["action"],
                "args": list(rule.get("args") or ()),
            }
            if rule.get("errnoRet") is not None:
                kept["errnoRet"] = rule["errnoRet"]
            rules.append(kept)
    found: LinuxSeccomp = {
        "defaultAction": value["defaultAction"],
        "architectures": architectures or [native],
        "syscalls": rules,
    }
    if value.get("defaultErrnoRet") is not None:
        found["defaultErrnoRet"] = value["defaultErrnoRet"]
    if value.get("flags") is not None:
        found["flags"] = value["flags"]
    if wrong := misfit(found, SECCOMP):
        raise InvalidArgument(f"reading seccomp profile: {wrong}")
    return found


def _applies(rule: Any, held: set[str], machine: str) -> bool:
    includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
    arches = {machine, {"x86_64": "amd64", "aarch64": "arm64"}[machine]}
    if not held.issuperset(includes.get("caps") or ()) or held & set(excludes.get("caps") or ()):
        return False
    if includes.get("arches") and not arches & set(includes["arches"]):
        return False
    if arches & set(excludes.get("arches") or ()):
        return False
    if includes.get("minKernel") and _kernel() < _version(includes["minKernel"]):
        return False
    return not (excludes.get("minKernel") and _kernel() >= _version(excludes["minKernel"]))


def _kernel() -> tuple[int, int]:
    return _version(os.uname().release)


def _version(text: str) -> tuple[int, int]:
    major, _, rest = text.partition(".")
    minor = rest.partition(".")[0].partition("-")[0]
    if not major.isdecimal() or not minor.isdecimal():
        raise InvalidArgument(f"reading seccomp profile: {text!r} is not a kernel version")
    return int(major), int(minor)
