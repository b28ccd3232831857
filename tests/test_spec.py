"""config.json from what was asked for: right values, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from crun_py import spec
from crun_py.documents.spec import LinuxNamespace
from crun_py.errors import InvalidArgument
from crun_py.model.container import CreateRequest, Security, Ulimit
from crun_py.model.spec import DEFAULT_SECCOMP, OPTIONAL_SYSCTLS
from crun_py.ns.users import User

ROOT, USER = User(0, 0, [0], "/root"), User(1000, 100, [100, 7], "/home/u")
HOST = spec.Host(in_userns=False, hard_nofile=1024)
OWN: list[LinuxNamespace] = [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")]


def built(request: CreateRequest, **changed: Any) -> Any:
    given: dict[str, Any] = {
        "args": ["sh"], "env": ["A=b"], "cwd": "/", "user": ROOT, "hostname": "box",
        "namespaces": OWN, "mounts": [], "host": HOST, "rootfs": "/merged",
    }  # fmt: skip
    return spec.build(request=request, **{**given, **changed})


def asked(**fields: Any) -> CreateRequest:
    return CreateRequest(image="i", **fields)


def test_usual() -> None:
    made = built(asked())
    process, linux = made["process"], made["linux"]
    assert (made["ociVersion"], made["hostname"]) == ("1.1.0", "box") and "domainname" not in made
    assert made["root"] == {"path": "/merged", "readonly": False}
    assert (process["args"], process["env"], process["cwd"]) == (["sh"], ["A=b"], "/")
    assert not process["terminal"] and not process["noNewPrivileges"]
    assert "oomScoreAdj" not in process
    assert process["user"] == {"uid": 0, "gid": 0, "additionalGids": [0], "umask": 0o022}
    assert [d["path"] for d in linux["devices"]] == [path for path, *_ in spec.DEVICES]
    assert linux["maskedPaths"] == [*spec.MASKED] and linux["readonlyPaths"] == [*spec.READONLY]
    assert "CAP_CHOWN" in process["capabilities"]["bounding"]
    assert "CAP_SYS_ADMIN" not in process["capabilities"]["bounding"]
    assert made["annotations"][DEFAULT_SECCOMP] == "default" and "seccomp" not in linux
    assert linux["sysctl"]["net.ipv4.ip_unprivileged_port_start"] == "0"
    assert linux["sysctl"]["net.ipv6.conf.all.accept_ra"] == "0"


def test_what_is_asked_for() -> None:
    made = built(
        asked(tty=True, read_only=True, oom_score_adj=500, umask=0o077, domainname="d.e",
              annotations={"k": "v"}, keep_groups=True,
              security=Security(no_new_privileges=True, seccomp="unconfined", mask=("/m",),
                                unmask=("/proc/kcore", "/proc/sys"))),
        user=USER,
    )  # fmt: skip
    process, linux = made["process"], made["linux"]
    assert process["terminal"] and process["noNewPrivileges"] and process["oomScoreAdj"] == 500
    assert made["root"]["readonly"] and made["domainname"] == "d.e"
    assert process["user"] == {
        "uid": 1000, "gid": 100, "additionalGids": [100, 7], "umask": 0o077, "keepGroups": True,
    }  # fmt: skip
    assert made["annotations"]["k"] == "v" and DEFAULT_SECCOMP not in made["annotations"]
    assert "/m" in linux["maskedPaths"] and "/proc/kcore" not in linux["maskedPaths"]
    assert "/proc/sys" not in linux["readonlyPaths"] and "/proc/bus" in linux["readonlyPaths"]


def test_privileged() -> None:
    made = built(asked(security=Security(privileged=True)))
    linux = made["linux"]
    assert linux["maskedPaths"] == linux["readonlyPaths"] == linux["devices"] == []
    assert "CAP_SYS_ADMIN" in made["process"]["capabilities"]["effective"]
    assert DEFAULT_SECCOMP not in made["annotations"] and "seccomp" not in linux


def test_all_is_unmasked() -> None:
    linux = built(asked(security=Security(unmask=("ALL",))))["linux"]
    assert linux["maskedPaths"] == linux["readonlyPaths"] == []
    assert linux["devices"]


def test_a_user_namespace_of_its_own() -> None:
    linux = built(asked(), userns={"uids": [[0, 1000, 5]], "gids": [[0, 2000, 6]]})["linux"]
    assert linux["uidMappings"] == [{"containerID": 0, "hostID": 1000, "size": 5}]
    assert linux["gidMappings"] == [{"containerID": 0, "hostID": 2000, "size": 6}]


def test_settings_of_the_network_give_way_to_those_asked_for() -> None:
    key = "net.ipv4.ip_unprivileged_port_start"
    made = built(asked(sysctls={key: "1024"}))
    assert made["linux"]["sysctl"][key] == "1024"
    assert key not in made["annotations"][OPTIONAL_SYSCTLS].split(",")
    shared: list[LinuxNamespace] = [{"type": "network", "path": "/proc/1/ns/net"}]
    assert "sysctl" not in built(asked(), namespaces=shared)["linux"]


def test_capabilities() -> None:
    names = ["CAP_CHOWN", "CAP_KILL"]
    root = spec.capabilities(names, ROOT, ["KILL"])
    assert root["bounding"] == root["effective"] == root["permitted"] == names
    assert root["inheritable"] == root["ambient"] == []  # CVE-2022-24769
    plain = spec.capabilities(names, USER, [])
    assert plain["bounding"] == names
    assert (
        plain["effective"] == plain["permitted"] == plain["inheritable"] == plain["ambient"] == []
    )
    for words, own in ((["kill"], ["CAP_KILL"]), (["CAP_KILL", "net_raw"], ["CAP_KILL"]),
                       (["all"], names)):  # fmt: skip
        added = spec.capabilities(names, USER, words)
        found = [added[key] for key in ("effective", "permitted", "inheritable", "ambient")]  # type: ignore[literal-required]
        assert found == [own] * 4 and added["bounding"] == names


def limit(name: str, soft: int, hard: int) -> dict[str, Any]:
    return {"type": f"RLIMIT_{name}", "soft": soft, "hard": hard}


def test_rlimits() -> None:
    assert spec.rlimits([], 1024) == [limit("NOFILE", 1024, 1024)]
    assert spec.rlimits([], 1 << 30) == [limit("NOFILE", 1 << 20, 1 << 20)]
    given = [Ulimit(name="nofile", soft=1, hard=2), Ulimit(name="core", soft=0, hard=-1)]
    most = (1 << 64) - 1
    assert spec.rlimits(given, 1024) == [limit("NOFILE", 1, 2), limit("CORE", 0, most)]
    with pytest.raises(InvalidArgument, match="ulimit nothing: not known"):
        spec.rlimits([Ulimit(name="nothing", soft=1, hard=1)], 1024)
    for soft in (3, -1):
        with pytest.raises(InvalidArgument, match="the soft limit is above the hard one"):
            spec.rlimits([Ulimit(name="core", soft=soft, hard=2)], 1024)


@pytest.mark.parametrize(
    "key,kind",
    [("net.core.somaxconn", "network"), ("net/core/somaxconn", "network"),
     ("kernel.msgmax", "ipc"), ("kernel.shmall", "ipc"), ("fs.mqueue.msg_max", "ipc"),
     ("kernel.domainname", "uts")],
)  # fmt: skip
def test_sysctls_of_own_namespaces(key: str, kind: str) -> None:
    own: list[LinuxNamespace] = [{"type": kind}]
    assert spec.sysctls({key: "1"}, own) == {key.replace("/", "."): "1"}
    shared: list[LinuxNamespace] = [{"type": kind, "path": "/proc/1/ns/x"}]
    for namespaces in (shared, []):
        with pytest.raises(InvalidArgument, match="not in a namespace of the container's own"):
            spec.sysctls({key: "1"}, namespaces)


@pytest.mark.parametrize(
    "key,value",
    [("kernel.core_pattern", "1"), ("vm.swappiness", "1"), ("kernel", "1"), ("", "1"),
     ("net..x", "1"), ("net/../kernel/core_pattern", "1"), ("net.core x", "1"),
     ("net.core.x", "1\nkernel.core_pattern"), ("Net.core.x", "1"), ("fs.mqueue", "1")],
)  # fmt: skip
def test_sysctls_of_the_host(key: str, value: str) -> None:
    with pytest.raises(InvalidArgument, match=r"^sysctl "):
        spec.sysctls({key: value}, OWN)


def test_default_mounts() -> None:
    def options(made: list[Any], place: str) -> list[str]:
        return next(m["options"] for m in made if m["destination"] == place)

    usual = spec.default_mounts(HOST, 1 << 20, host_network=False)
    assert [m["destination"] for m in usual] == [
        "/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/sys/fs/cgroup"
    ]  # fmt: skip
    assert "size=1048576" in options(usual, "/dev/shm") and "ro" in options(usual, "/sys")
    assert "gid=5" in options(usual, "/dev/pts") and "nodev" in options(usual, "/dev")
    own = spec.default_mounts(HOST, 1, host_network=False, devices=True)
    assert "nodev" not in options(own, "/dev")
    plain = spec.Host(in_userns=True, hard_nofile=1, gid_tty=False)
    shared = spec.default_mounts(plain, 1, host_network=True)
    assert "gid=5" not in options(shared, "/dev/pts")
    assert next(m for m in shared if m["destination"] == "/sys")["type"] == "bind"
    assert "/sys/fs/cgroup" not in [m["destination"] for m in shared]
