"""When a container's devices are guarded by a program of its cgroup (cgroup/devices.py)."""

from __future__ import annotations

from crun_py.errors import Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.container import DeviceRule, Host
    from crun_py.documents.spec import LinuxDeviceCgroup, Spec


def set_up(host: Host, spec: Spec, cgroup: str | None) -> None:
    """Guard them where the rules say more than that all other mounts are nodev: some were given
    (--device-cgroup-rule), a device may not be written (--device …:r), or its processes may mount
    (CAP_SYS_ADMIN).

    cgroup: the container's, a directory; None: it has none.  Raises Unsupported when it cannot
    be done and was asked for.
    """
    if host.get("privileged"):
        return
    access = {d["target"] or d["source"]: d["access"] for d in host.get("device", ())}
    asked = bool(host.get("device_rules")) or any(may not in ("", "rwm") for may in access.values())
    mounts = "CAP_SYS_ADMIN" in spec["process"]["capabilities"]["bounding"]
    if not asked and not (mounts and cgroup):
        return
    if cgroup is None:
        raise Unsupported("limiting devices: the container has no cgroup v2 here")
    from crun_py.cgroup import devices
    from crun_py.runtime import allowed

    further = [_rule(rule) for rule in host.get("device_rules", ())]
    rules = allowed.rules(spec["linux"].get("devices", ()), access, further)
    try:
        devices.guard(cgroup, rules)
    except Unsupported:
        if asked:
            raise


def _rule(rule: DeviceRule) -> LinuxDeviceCgroup:
    found: LinuxDeviceCgroup = {"allow": True, "access": rule["access"], "type": rule["type"]}
    if rule["major"] >= 0:
        found["major"] = rule["major"]
    if rule["minor"] >= 0:
        found["minor"] = rule["minor"]
    return found
