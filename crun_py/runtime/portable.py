"""A config.json in words that every OCI runtime knows (OCI runtime-spec 1.1).

Ours leaves a few things to the moment of the start, so that they need not be written for each
container: the root's overlay, whose process a namespace is, the default filter of system calls.
"""

from __future__ import annotations

import os

from crun_py.model.spec import DEFAULT_SECCOMP, OPTIONAL_SYSCTLS
from crun_py.runtime.allowed import rules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from crun_py.documents.spec import (
        LinuxDevice,
        Mount,
        SeccompRule,
        Spec,
    )


def portable(spec: Spec, root: str, namespaces: Mapping[str, str]) -> Spec:
    """A copy of `spec` with nothing left open.

    root: where its files are mounted, or a directory of the host.  namespaces: by types, the paths
    of those that are others' (/proc/PID/ns/…).
    """
    annotations = {**spec.get("annotations", {})}
    linux = spec["linux"].copy()
    linux["namespaces"] = [
        {**entry, "path": namespaces[entry["type"]]} if "path" in entry else entry
        for entry in linux["namespaces"]
    ]
    devices = linux["devices"] = [_device(entry) for entry in linux.get("devices", ())]
    linux["resources"] = {**linux.get("resources", {}), "devices": rules(devices, {})}
    optional = annotations.pop(OPTIONAL_SYSCTLS, "").split(",")
    if "sysctl" in linux:
        linux["sysctl"] = {
            key: value
            for key, value in linux["sysctl"].items()
            if key not in optional or os.path.exists("/proc/sys/" + key.replace(".", "/"))
        }
    if annotations.pop(DEFAULT_SECCOMP, None):
        from crun_py.ns import seccomp, seccomp_profile

        names = spec["process"]["capabilities"]["bounding"]
        profile = seccomp_profile.default_profile(names, seccomp.machine())
        plain = [rule for rule in profile["syscalls"] if _plain(rule)]
        linux["seccomp"] = {**profile, "syscalls": plain}
    user = spec["process"]["user"].copy()
    user.pop("keepGroups", None)
    return {
        **spec,
        "root": {**spec["root"], "path": root},
        "process": {**spec["process"], "user": user},
        "mounts": [_mount(entry) for entry in spec["mounts"]],
        "linux": linux,
        "annotations": annotations,
    }


def _device(device: LinuxDevice) -> LinuxDevice:
    found = device.copy()
    found.pop("source", None)
    return found


def _plain(rule: SeccompRule) -> bool:
    """Not one that only tells another error for arguments that no rule allows: libseccomp takes
    no second action for a system call with arguments."""
    return not (rule["action"] == "SCMP_ACT_ERRNO" and rule.get("args"))


def _mount(entry: Mount) -> Mount:
    """Others make nodes in /dev itself, where a device cgroup guards them; ours are bound there
    from elsewhere, and /dev is nodev."""
    if entry["destination"] != "/dev":
        return entry
    return {**entry, "options": [word for word in entry.get("options", []) if word != "nodev"]}
