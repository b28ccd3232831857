"""The form of a config.json: which fields have which types (config.md, config-linux.md), with those
that the specification lets be left out and the plan needs.

Of `documents.spec` the same for mypy.  What is wrong in values of the right type, runtime.check
says.
"""

from __future__ import annotations

from crun_py.shapes import SECCOMP

_TEXTS, _BY_NAME = [str], {str: str}
_MAPPINGS = [{"containerID": int, "hostID": int, "size": int}]
_HOOKS = [{"path": str, "args?": _TEXTS, "env?": _TEXTS, "timeout?": int}]
PROCESS = {
    "args": _TEXTS, "env": _TEXTS, "cwd": str, "terminal?": bool, "noNewPrivileges?": bool,
    "user": {"uid": int, "gid": int, "umask?": int, "additionalGids?": [int],
             "keepGroups?": bool},
    "capabilities": {"bounding": _TEXTS, "effective": _TEXTS, "permitted": _TEXTS,
                     "inheritable": _TEXTS, "ambient": _TEXTS},
    "rlimits?": [{"type": str, "soft": int, "hard": int}],
    "apparmorProfile?": str, "selinuxLabel?": str, "oomScoreAdj?": int,
    "consoleSize?": {"height": int, "width": int},
    "ioPriority?": {"class": str, "priority?": int},
    "scheduler?": {"policy": str, "nice?": int, "priority?": int, "runtime?": int, "deadline?": int,
                   "period?": int, "flags?": _TEXTS},
    "execCPUAffinity?": {"initial?": str, "final?": str},
}  # fmt: skip
_WEIGHT = {"major": int, "minor": int, "weight?": int, "leafWeight?": int}
_RATES = [{"major": int, "minor": int, "rate": int}]
RESOURCES = {
    "memory?": {"limit?": int, "reservation?": int, "swap?": int, "swappiness?": int,
                "disableOOMKiller?": bool, "checkBeforeUpdate?": bool},
    "cpu?": {"shares?": int, "quota?": int, "burst?": int, "period?": int, "realtimeRuntime?": int,
             "realtimePeriod?": int, "cpus?": str, "mems?": str, "idle?": int},
    "pids?": {"limit?": int},
    "blockIO?": {"weight?": int, "leafWeight?": int, "weightDevice?": [_WEIGHT],
                 "throttleReadBpsDevice?": _RATES, "throttleWriteBpsDevice?": _RATES,
                 "throttleReadIOPSDevice?": _RATES, "throttleWriteIOPSDevice?": _RATES},
    "hugepageLimits?": [{"pageSize": str, "limit": int}],
    "rdma?": {str: {"hcaHandles?": int, "hcaObjects?": int}},
    "network?": {str: object},
    "devices?": [{"allow": bool, "type?": str, "major?": int, "minor?": int, "access?": str}],
    "unified?": _BY_NAME,
}  # fmt: skip
_LINUX = {
    "namespaces": [{"type": str, "path?": str}],
    "uidMappings?": _MAPPINGS, "gidMappings?": _MAPPINGS,
    "timeOffsets?": {str: {"secs?": int, "nanosecs?": int}},
    "devices?": [{"type": str, "path": str, "major?": int, "minor?": int, "fileMode?": int,
                  "uid?": int, "gid?": int, "source?": str}],
    "cgroupsPath?": str, "resources?": RESOURCES, "rootfsPropagation?": str,
    "seccomp?": SECCOMP, "sysctl?": _BY_NAME, "maskedPaths?": _TEXTS, "readonlyPaths?": _TEXTS,
    "mountLabel?": str, "personality?": {"domain": str, "flags?": _TEXTS},
    "intelRdt?": {"closID?": str, "l3CacheSchema?": str, "memBwSchema?": str, "schemata?": _TEXTS,
                  "enableCMT?": bool, "enableMBM?": bool, "enableMonitoring?": bool},
}  # fmt: skip
CONFIG = {
    "ociVersion": str, "process": PROCESS, "root": {"path": str, "readonly?": bool},
    "hostname?": str, "domainname?": str, "annotations?": _BY_NAME,
    "mounts": [{"destination": str, "source?": str, "type?": str, "options?": _TEXTS,
                "uidMappings?": _MAPPINGS, "gidMappings?": _MAPPINGS}],
    "hooks?": {str: _HOOKS},
    "linux": _LINUX,
}  # fmt: skip
