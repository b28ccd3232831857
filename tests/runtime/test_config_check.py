"""What is refused of a config.json before anything is done for it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from crun_py import spec
from crun_py.errors import CrunpyError, InvalidArgument, Unsupported
from crun_py.model.container import CreateRequest
from crun_py.ns.users import User
from crun_py.runtime import plan as p
from crun_py.runtime.check import check
from crun_py.runtime.container import plan_for


def document() -> dict[str, Any]:
    """A config.json as the engine writes it."""
    host = spec.Host(in_userns=False, hard_nofile=1024)
    return spec.build(
        args=["true"], env=["A=1"], cwd="/", user=User(0, 0, [0], "/"), hostname="h",
        request=CreateRequest(image="x"), namespaces=[{"type": "mount"}, {"type": "pid"}],
        mounts=spec.default_mounts(host, 1 << 20, host_network=False), host=host, rootfs="/r",
    )  # fmt: skip


def test_ours_is_good() -> None:
    check(document())


CASES: list[tuple[str, Any, str]] = [
    ("process", None, "process"),
    ("process.args", [], "process.args: empty"),
    ("process.args", "true", "process.args: not a list"),
    ("process.args", ["a\0b"], "process.args"),
    ("process.args", [1], "process.args"),
    ("process.env", {}, "process.env: not a list"),
    ("process.cwd", "tmp", "process.cwd"),
    ("process.cwd", "/a/../..", "process.cwd"),
    ("process.user.uid", -1, "process.user.uid: out of range"),
    ("process.user.uid", (1 << 32) - 1, "process.user.uid: out of range"),
    ("process.user.gid", True, "process.user.gid: not a number"),
    ("process.user", [], "process.user: not an object"),
    ("process.rlimits", [{"type": "RLIMIT_X", "soft": 1, "hard": 1}], "not known"),
    ("process.rlimits", [{"type": "RLIMIT_NOFILE", "soft": 2, "hard": 1}], "soft is above hard"),
    ("process.rlimits", [{"type": "RLIMIT_NOFILE", "soft": 2}], "hard: missing"),
    ("process.capabilities", None, "process.capabilities"),
    ("process.capabilities.bounding", "ALL", "process.capabilities.bounding"),
    ("root", None, "root"),
    ("root.path", "rootfs", "root.path"),
    ("root.path", 5, "root.path"),
    ("linux.namespaces", None, "linux.namespaces"),
    ("linux.namespaces", [{"type": "mount"}, {"type": "mount"}], "given twice"),
    ("linux.namespaces", [{"type": "mount"}, {"type": "x"}], "'x' is not known"),
    ("linux.namespaces", [{}], "linux.namespaces[0].type: missing"),
    ("linux.maskedPaths", ["proc"], "linux.maskedPaths"),
    ("linux.readonlyPaths", "/proc", "linux.readonlyPaths"),
    ("linux.devices", [{"path": "/dev/x", "type": "q"}], "linux.devices[0].type"),
    ("linux.devices", [{"path": "dev/x", "type": "c"}], "linux.devices[0].path"),
    ("linux.devices", [{"path": "/dev/x", "type": "c", "major": 1}], "minor: missing"),
    ("mounts", {}, "mounts: not a list"),
    ("mounts", [{"destination": "a"}], "mounts[0].destination"),
    ("mounts", [{"destination": "/a", "type": "bind"}], "mounts[0].source: missing"),
    ("mounts", [{"destination": "/a", "options": ["rbind"]}], "mounts[0].source: missing"),
    ("mounts", [{"destination": "/a", "options": [1]}], "mounts[0].options"),
    ("mounts", [{"destination": "/a"}], "mounts[0].type: missing"),
    ("mounts", ["x"], "mounts[0]: not an object"),
    ("mounts", [{"destination": "/a", "type": "tmpfs", "source": 5}], "mounts[0].source"),
    ("process.terminal", "no", "process.terminal: not true or false"),
    ("process.noNewPrivileges", 1, "process.noNewPrivileges: not true or false"),
    ("process.oomScoreAdj", "5", "process.oomScoreAdj: not a number"),
    ("process.user.umask", "022", "process.user.umask: not a number"),
    ("process.user.additionalGids", ["x"], "process.user.additionalGids[0]: not a number"),
    ("root.readonly", "yes", "root.readonly: not true or false"),
    ("hostname", 5, "hostname: not a text"),
    ("annotations", {"a": 1}, "annotations.a: not a text"),
    ("linux.sysctl", {"net.x": 1}, "linux.sysctl.net.x: not a text"),
    (
        "linux.devices",
        [{"path": "/dev/x", "type": "c", "major": 1, "minor": 3, "fileMode": "6"}],
        "linux.devices[0].fileMode: not a number",
    ),
]


@pytest.mark.parametrize(("where", "value", "said"), CASES)
def test_malformed(where: str, value: Any, said: str) -> None:
    found = copy.deepcopy(document())
    *above, name = where.split(".")
    part = found
    for step in above:
        part = part[step]
    if value is None:
        del part[name]
    else:
        part[name] = value
    with pytest.raises(InvalidArgument) as caught:
        check(found)
    assert said in caught.value.message


@pytest.mark.parametrize("names", [[], ["pid"], ["pid", "network"]])
def test_a_root_without_a_mount_namespace_is_the_hosts(names: list[str]) -> None:
    found = document()
    found["linux"]["namespaces"] = [{"type": name} for name in names]
    with pytest.raises(Unsupported, match="mount namespace"):
        check(found)
    found["linux"]["namespaces"].append({"type": "mount", "path": "/proc/1/ns/mnt"})
    with pytest.raises(Unsupported, match="mount namespace"):
        check(found)


@pytest.mark.parametrize(("key", "value"), [("hooks", {"prestart": [{"path": "/x"}]}),
                                            ("linux.intelRdt", {"closID": "x"}),
                                            ("linux.devices", [{"path": "/x", "type": "p"}]),
                                            ("process.apparmorProfile", "x"),
                                            ("process.selinuxLabel", "x")])  # fmt: skip
def test_what_is_not_done_here(key: str, value: Any) -> None:
    found: Any = document()
    *above, name = key.split(".")
    part = found
    for step in above:
        part = part[step]
    part[name] = value
    with pytest.raises(Unsupported):
        check(found)


@pytest.mark.parametrize("value", [None, [], "x", 5, {}])
def test_no_object_at_all(value: Any) -> None:
    with pytest.raises(CrunpyError):
        check(value)


def test_what_a_spec_need_not_say() -> None:
    found: Any = document()
    for name in ("hostname", "annotations"):
        del found[name]
    for name in ("terminal", "rlimits", "noNewPrivileges"):
        del found["process"][name]
    for name in ("umask", "additionalGids"):
        del found["process"]["user"][name]
    for name in ("maskedPaths", "readonlyPaths"):
        del found["linux"][name]
    found["linux"]["devices"] = [{"path": "/dev/x", "type": "c", "major": 1, "minor": 3}]
    found["mounts"] = [{"destination": "/a", "type": "tmpfs"},
                       {"destination": "/b", "source": "/b", "options": ["rbind"]}]  # fmt: skip
    check(found)
    plan = plan_for(found, None, joined={}, seccomp=None, reap=False)
    assert [step.op for step in plan.steps][-1] == p.EXEC
