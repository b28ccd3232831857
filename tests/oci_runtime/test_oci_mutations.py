"""A config.json in which one value is another one, of any type: it is refused with its place, or
done, and never a surprise.  Read and planned as `create` does, without a process."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from oci_bundles import Bundle

from crun_py.cgroup import group
from crun_py.errors import CrunpyError
from crun_py.oci_runtime import config
from crun_py.runtime import container as contained

MORE: dict[str, Any] = {
    "process": {
        "oomScoreAdj": 0, "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 4},
        "scheduler": {"policy": "SCHED_OTHER", "nice": 0, "flags": ["SCHED_FLAG_RECLAIM"]},
        "consoleSize": {"height": 1, "width": 1}, "apparmorProfile": "", "selinuxLabel": "",
        "execCPUAffinity": {"initial": "0", "final": "0"},
        "user": {"uid": 0, "gid": 0, "umask": 18, "additionalGids": [1]},
        "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 10, "hard": 10}],
    },
    "domainname": "d", "annotations": {"a": "b"},
    "hooks": {"prestart": [{"path": "/x", "args": ["x"], "env": ["A=b"], "timeout": 5}]},
    "linux": {
        "sysctl": {"kernel.msgmax": "1"}, "personality": {"domain": "LINUX", "flags": []},
        "devices": [{"path": "/dev/x", "type": "c", "major": 1, "minor": 3, "fileMode": 438,
                     "uid": 0, "gid": 0}],
        "seccomp": {
            "defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1,
            "architectures": ["SCMP_ARCH_X86_64"], "flags": ["SECCOMP_FILTER_FLAG_LOG"],
            "listenerPath": "", "listenerMetadata": "",
            "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5,
                          "args": [{"index": 0, "value": 5, "valueTwo": 0, "op": "SCMP_CMP_EQ"}]}],
        },
        "rootfsPropagation": "rprivate", "timeOffsets": {}, "mountLabel": "", "cgroupsPath": "/x",
        "resources": {
            "memory": {"limit": 1 << 20, "swap": 1 << 21, "reservation": 1, "swappiness": 0},
            "cpu": {"shares": 2, "quota": 1, "period": 1, "burst": 0, "idle": 0, "cpus": "0",
                    "mems": "0", "realtimeRuntime": 0, "realtimePeriod": 0},
            "pids": {"limit": 5}, "unified": {"memory.high": "5"}, "rdma": {"a": {"hcaHandles": 1}},
            "blockIO": {"weight": 10,
                        "weightDevice": [{"major": 8, "minor": 0, "weight": 10}],
                        "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 5}]},
            "hugepageLimits": [{"pageSize": "2MB", "limit": 5}],
            "devices": [{"allow": False, "access": "rwm", "type": "c", "major": 1, "minor": 3}],
        },
    },
}  # fmt: skip
VALUES = (5, -1, 1 << 63, 1 << 70, 1.5, True, None, "", "x", "\0", "\ud800", "a/../b", [], [5],
          ["x"], [{}], {}, {"a": 5})  # fmt: skip
FIRST = 2
"""Of a list, so many."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    bundle = Bundle(tmp_path_factory.mktemp("mutated"))
    bundle.write("true")
    for key, value in MORE.items():
        bundle.config[key] = {**bundle.config.get(key, {}), **value} if key in (
            "process", "linux") else value  # fmt: skip
    bundle.config["mounts"].insert(
        0, {"destination": "/m", "source": "/tmp", "type": "bind", "options": ["bind", "ro"],
            "uidMappings": [], "gidMappings": []})  # fmt: skip
    return bundle


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        keys: list[Any] = [*value]
    else:
        keys = [*range(len(value))][:FIRST] if isinstance(value, list) else []
    for key in keys:
        yield (*above, key)
        yield from places(value[key], (*above, key))


def carry_out(bundle: Path) -> None:
    """What `create` does with it before it starts a process."""
    spec = config.read(str(bundle))
    group.values(spec["linux"].get("resources", {}))
    contained.plan_for(
        spec, None, joined={}, seccomp=contained.seccomp_filter(spec, ""), reap=False
    ).encode()


def test_as_it_is(whole: Bundle) -> None:
    (whole.path / "config.json").write_text(json.dumps(whole.config))
    carry_out(whole.path)


def test_any_value_anywhere(whole: Bundle) -> None:
    tried = refused = 0
    for place in places(whole.config):
        for value in VALUES:
            mutated = copy.deepcopy(whole.config)
            at = mutated
            for key in place[:-1]:
                at = at[key]
            at[place[-1]] = value
            (whole.path / "config.json").write_text(json.dumps(mutated))
            tried += 1
            try:
                carry_out(whole.path)
            except CrunpyError as e:
                refused += 1
                assert ": " in e.message, f"{place} = {value!r}: {e.message}"
            except Exception as e:
                raise AssertionError(f"{place} = {value!r}: {e!r}") from e
    assert tried > 3000 and refused > tried / 2, (tried, refused)
