"""AppArmor: the profile that confines a container, where the host has it.

What a profile forbids, it forbids whatever capabilities a process has: a further wall behind the
masks, the filter of system calls and the device rules.  Docker's default forbids much the same.
apparmor.d(5), apparmor_parser(8); Documentation/admin-guide/LSM/apparmor.rst.
"""

from __future__ import annotations

import os

from crun_py import jsonfile
from crun_py.errors import CrunpyError
from crun_py.paths import in_user_namespace

DEFAULT = "crunpy-default"
UNCONFINED = "unconfined"
ATTRIBUTES = ("/proc/self/attr/apparmor/exec", "/proc/self/attr/exec")
"""Where a process says what confines the next program it executes; the first where other modules
may be active too (Linux 5.8)."""

SECURITY_FS = "/sys/kernel/security/apparmor"
_PARSERS = ("/usr/sbin/apparmor_parser", "/sbin/apparmor_parser")

PROFILE = f"""\
profile {DEFAULT} flags=(attach_disconnected,mediate_deleted) {{
  file,
  network,
  capability,
  umount,

  # from the engine, and among themselves
  signal (receive) peer=unconfined,
  signal (receive) peer=crunpy,
  signal (send, receive) peer={DEFAULT},
  ptrace (trace, read, tracedby, readby) peer={DEFAULT},

  deny mount,
  deny remount,
  deny pivot_root,

  # the kernel's settings: only those of namespaces of the container's own
  deny /proc/* w,
  deny /proc/sys/{{abi,debug,dev,fs,sunrpc,user,vm}}/** w,
  deny /proc/sys/kernel/{{?,??,[^smd]*,s[^eh]*,m[^s]*,d[^o]*}} w,
  deny /proc/sys/kernel/{{[^s]*,s[^h]*}}/** w,
  deny /proc/{{acpi,bus,fs,irq,scsi,tty}}/** w,
  deny /proc/sysrq-trigger rwklx,
  deny /proc/{{kcore,kmem,mem}} rwklx,
  deny /proc/{{keys,latency_stats,timer_list,timer_stats,sched_debug}} rwklx,

  deny /sys/{{block,bus,class,dev,devices,hypervisor,kernel,module,power}}/** wklx,
  deny /sys/fs/{{[^c]*,c[^g]*}}/** wklx,
  deny /sys/firmware/** rwklx,
  deny /sys/devices/virtual/powercap/** rwklx,
  deny /sys/kernel/{{debug,security,tracing}}/** rwklx,
}}
"""


def enabled() -> bool:
    """Whether the kernel runs with AppArmor."""
    return os.path.isdir(SECURITY_FS)


def default() -> str:
    """The profile of containers for which none is named; "" where there can be none: without
    AppArmor, its parser, or (in a user namespace) the right to load it."""
    if not enabled() or not (_is_loaded(DEFAULT) or _parser()):
        return ""
    return DEFAULT


def load(profile: str) -> None:
    """Have `profile` in the kernel, if it is ours; others are their owners' to load.  Who may
    neither load nor see it, in a user namespace, is told by the kernel when it is not there.
    Raises CrunpyError."""
    if profile != DEFAULT or _is_loaded(DEFAULT) or in_user_namespace():
        return
    import subprocess

    command = [_parser(), "--replace", "--skip-cache"]
    done = subprocess.run(command, input=PROFILE.encode(), capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise CrunpyError(
            f"loading AppArmor profile {DEFAULT}: {said[-1] if said else 'apparmor_parser failed'}",
            hint="--security-opt apparmor=unconfined does without it",
        )


def confine(profile: str) -> tuple[str, tuple[str, ...]]:
    """What to write, and where, for the next program to run under `profile`."""
    return f"exec {profile}", ATTRIBUTES


def _is_loaded(profile: str) -> bool:
    try:
        data = jsonfile.read_bytes(SECURITY_FS + "/profiles")
    except OSError:
        return False
    return any(line.startswith(profile.encode() + b" (") for line in data.splitlines())


def _parser() -> str:
    return next((path for path in _PARSERS if os.access(path, os.X_OK)), "")
