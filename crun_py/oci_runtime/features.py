"""What this runtime can do, as `features` prints it (features.md, features-linux.md)."""

from __future__ import annotations

import crun_py
from crun_py.cgroup import group
from crun_py.ns import TYPES, apparmor, caps, seccomp, selinux, syscalls
from crun_py.runtime import check, mount_options

_ACTIONS = ["SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS",
            "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE",
            "SCMP_ACT_TRAP"]  # fmt: skip
_OPERATORS = ["SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT",
              "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE"]  # fmt: skip


def features() -> dict[str, object]:
    """The document."""
    return {
        "ociVersionMin": "1.0.0",
        "ociVersionMax": "1.2.0",
        "hooks": [*check.HOOKS],
        "mountOptions": sorted(mount_options.KNOWN),
        "linux": {
            "namespaces": sorted(TYPES),
            "capabilities": sorted(caps.NAMES),
            "cgroup": {"v1": False, "v2": group.mount_point() is not None, "systemd": True,
                       "systemdUser": True, "rdma": True},
            "seccomp": {
                "enabled": True,
                "actions": _ACTIONS,
                "operators": _OPERATORS,
                "archs": sorted(f"SCMP_ARCH_{name.upper()}" for name in syscalls.tables()),
                "knownFlags": sorted(seccomp.FLAGS),
                "supportedFlags": sorted(seccomp.FLAGS),
            },
            "apparmor": {"enabled": apparmor.enabled()},
            "selinux": {"enabled": selinux.enabled()},
            "intelRdt": {"enabled": True, "schemata": True, "monitoring": True},
            "mountExtensions": {"idmap": {"enabled": True}},
        },
        "annotations": {"io.crunpy.version": crun_py.__version__},
    }  # fmt: skip
