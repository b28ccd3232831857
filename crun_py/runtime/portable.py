"""A config.json in words that every OCI runtime knows (OCI runtime-spec 1.1).

Ours leaves a few things to the moment of the start, so that they need not be written for each
container: the root's overlay, whose process a namespace is, the default filter of system calls.
"""

from __future__ import annotations

import os

from crun_py.model.spec import DEFAULT_SECCOMP, OPTIONAL_SYSCTLS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def portable(spec: dict[str, Any], root: str, namespaces: Mapping[str, str]) -> dict[str, Any]:
    """A copy of `spec` with nothing left open.

    root: where its files are mounted, or a directory of the host.  namespaces: by types, the paths
    of those that are others' (/proc/PID/ns/…).
    """
    found = {key: value for key, value in spec.items() if key != "annotations"}
    annotations = dict(spec.get("annotations") or {})
    linux = dict(spec["linux"])
    found["root"] = {**spec["root"], "path": root}
    linux["namespaces"] = [
        {**entry, "path": namespaces[entry["type"]]} if "path" in entry else entry
        for entry in linux["namespaces"]
    ]
    linux["devices"] = [
        {key: value for key, value in device.items() if key != "source"}
        for device in linux.get("devices", ())
    ]
    found["mounts"] = [_mount(entry) for entry in spec["mounts"]]
    linux["resources"] = {**linux.get("resources", {}), "devices": _rules(linux["devices"])}
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
        linux["seccomp"] = {**profile, "syscalls": [r for r in profile["syscalls"] if _plain(r)]}
    user = {key: value for key, value in spec["process"]["user"].items() if key != "keepGroups"}
    found["process"] = {**spec["process"], "user": user}
    found["linux"], found["annotations"] = linux, annotations
    return found


def _plain(rule: dict[str, Any]) -> bool:
    """Not one that only tells another error for arguments that no rule allows: libseccomp takes
    no second action for a system call with arguments."""
    return not (rule["action"] == "SCMP_ACT_ERRNO" and rule.get("args"))


def _mount(entry: dict[str, Any]) -> dict[str, Any]:
    """Others make nodes in /dev itself, where a device cgroup guards them; ours are bound there
    from elsewhere, and /dev is nodev."""
    if entry["destination"] != "/dev":
        return entry
    return {**entry, "options": [word for word in entry["options"] if word != "nodev"]}


def _rules(devices: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The device cgroup that allows these and terminals alone (config-linux.md, "Allowed Device
    list")."""
    allowed = [{key: device[key] for key in ("type", "major", "minor")} for device in devices]
    allowed += [{"type": "c", "major": 136}, {"type": "c", "major": 5, "minor": 2}]
    return [
        {"allow": False, "access": "rwm"},
        *({"allow": True, "access": "rwm", **device} for device in allowed),
    ]
