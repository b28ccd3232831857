"""From a request and an image's configuration to container.json; pure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crun_py import jsonfile, state, upgrade
from crun_py.container import environment, health, record, resources
from crun_py.errors import CorruptState, InvalidArgument, NotFound
from crun_py.model.container import (
    CreateRequest,
    Environment,
    HealthCheck,
    Limits,
    Namespaces,
    Networking,
    RestartPolicy,
)
from crun_py.model.network import Join, PortMapping
from crun_py.paths import Paths
from crun_py.record import from_json, replaced, to_json

ID = "a" * 64
CONFIG: dict[str, Any] = {
    "Entrypoint": ["/e"], "Cmd": ["c"], "User": "u", "WorkingDir": "/w", "Labels": {"a": "1"},
    "ExposedPorts": {"80/tcp": {}, "53/udp": {}}, "Env": ["PATH=/bin", "X=1"],
    "StopSignal": "SIGINT", "Volumes": {"/v": {}},
}  # fmt: skip
ASKED = CreateRequest(image="img")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(str(tmp_path / "root"), str(tmp_path / "run"))


def made(paths: Paths, **changes: Any) -> dict[str, Any]:
    return record.make(paths, ID, "b" * 64, CONFIG, replaced(ASKED, **changes))


@pytest.mark.parametrize(
    ("changes", "args", "entrypoint", "cmd"),
    [
        ({}, ["/e", "c"], ["/e"], ["c"]),
        ({"command": ("x", "y")}, ["/e", "x", "y"], ["/e"], ["x", "y"]),
        ({"entrypoint": ("/f",)}, ["/f"], ["/f"], []),
        ({"entrypoint": ("/f",), "command": ("x",)}, ["/f", "x"], ["/f"], ["x"]),
        ({"entrypoint": (), "command": ("x",)}, ["x"], [], ["x"]),
    ],
)
def test_command(
    paths: Paths, changes: dict[str, Any], args: list[str], entrypoint: list[str], cmd: list[str]
) -> None:
    found = made(paths, **changes)
    config = found["config"]
    assert (found["args"], config["entrypoint"], config["cmd"]) == (args, entrypoint, cmd)


def test_what_the_image_says_and_what_is_asked(paths: Paths) -> None:
    found = made(paths)
    config = found["config"]
    assert (config["user"], config["workdir"], config["labels"]) == ("u", "/w", {"a": "1"})
    assert config["stop_signal"] == 2 and config["volumes"] == ["/v"]
    found = made(paths, user="v", workdir="/x/../y", labels={"a": "2", "b": "3"}, stop_signal=9)
    config = found["config"]
    assert (config["user"], config["workdir"], config["stop_signal"]) == ("v", "/y", 9)
    assert config["labels"] == {"a": "2", "b": "3"}
    assert json.loads(json.dumps(found)) == found, "it is JSON"


def test_ports(paths: Paths) -> None:
    network = Networking(
        ports=(PortMapping(container_port=80, host_port=8080),), expose=("1/tcp",),
        publish_all=True,
    )  # fmt: skip
    found = made(paths, network=network)
    assert found["config"]["exposed"] == ["1/tcp", "53/udp", "80/tcp"]
    numbers = [(p["container_port"], p["protocol"], p["host_port"]) for p in
               found["network"]["ports"]]  # fmt: skip
    assert numbers == [(80, "tcp", 8080), (1, "tcp", 0), (53, "udp", 0)]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hostname": "a_b c"}, "host name"),
        ({"hostname": "x", "namespaces": Namespaces(uts="host")}, "--uts"),
        ({"workdir": "tmp"}, "absolute"),
        ({"restart": RestartPolicy(name="always"), "auto_remove": True}, "--rm"),
        ({"timezone": "../etc/passwd"}, "time zone"),
        ({"cgroup_parent": "../x"}, "cgroup parent"),
        ({"name": "a b"}, "not allowed"),
        ({"namespaces": Namespaces(pid="mine")}, "not known"),
        ({"network": Networking(ip="1.2.3")}, "1.2.3"),
        ({"systemd": "maybe"}, "systemd"),
        ({"command": ("a\0b",)}, "NUL"),
    ],
)
def test_wrong(paths: Paths, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        made(paths, **changes)


def test_names_that_are_not_there(paths: Paths) -> None:
    for changes in ({"requires": ("x",)}, {"network": Networking(mode="container:x")},
                    {"network": Networking(mode="other")},
                    {"namespaces": Namespaces(ipc="container:x")}):  # fmt: skip
        with pytest.raises(NotFound):
            made(paths, **changes)


def test_environment() -> None:
    known = {"hostname": "h", "config": {"tty": True}}
    asked = Environment(
        inherited={"HTTP_PROXY": "p", "X": "0"}, without=("PATH",),
        variables={"Y": "2", "X": None}, merged={"Z": "${Y}/$Y"},
    )  # fmt: skip
    found = environment.environment(known, CONFIG, asked, "/home")
    assert found == ["HOSTNAME=h", "TERM=xterm", "HTTP_PROXY=p", "Y=2", "Z=2/2", "HOME=/home"]
    alone = environment.environment(known, CONFIG, Environment(without_image=True), "/r")
    assert alone == ["HOME=/r"]
    assert environment.chosen_environment(CONFIG, asked) == ["PATH=/bin", "Y=2"]


def test_health() -> None:
    config = {"Healthcheck": {"Test": ["CMD", "x"], "Interval": 5 * 10**9, "Retries": 2}}
    found = health.settings(config, HealthCheck())
    assert found and (found["test"], found["interval_ms"], found["retries"]) == (
        ["CMD", "x"], 5000, 2,
    )  # fmt: skip
    assert found["start_interval_ms"] == 5000 and found["on_failure"] == "none"
    changed = health.settings(config, HealthCheck(test=("CMD", "y"), interval_ms=0, retries=0))
    assert changed and (changed["test"], changed["interval_ms"]) == (["CMD", "y"], 0)
    assert health.settings(config, HealthCheck(disabled=True)) is None
    assert health.settings(config, HealthCheck(test=("NONE",))) is None
    assert health.settings({}, HealthCheck(interval_ms=5)) is None
    with pytest.raises(InvalidArgument):
        health.settings(config, HealthCheck(on_failure="cry"))


def test_resources() -> None:
    asked = Limits(memory_bytes=64 << 20, memory_swap_bytes=-1, cpus=0.5, pids=7, cpu_shares=512,
                   cpuset_cpus="0", block_weight=100, unified={"memory.high": "1G"})  # fmt: skip
    assert resources.resources(asked) == {
        "memory": {"limit": 64 << 20, "swap": -1},
        "cpu": {"quota": 50_000, "period": 100_000, "shares": 512, "cpus": "0"},
        "pids": {"limit": 7}, "blockIO": {"weight": 100}, "unified": {"memory.high": "1G"},
    }  # fmt: skip
    assert resources.resources(Limits()) == {}


@pytest.mark.parametrize(
    "asked",
    [Limits(memory_bytes=1), Limits(cpus=0.001), Limits(cpus=1.0, cpu_quota_us=1000),
     Limits(cpu_quota_us=1), Limits(cpu_period_us=1), Limits(cpu_shares=1 << 20),
     Limits(block_weight=5), Limits(read_bytes={"/dev/null": 1}),
     Limits(read_bytes={"/nowhere": 1})],
)  # fmt: skip
def test_limits_that_cannot_be(asked: Limits) -> None:
    with pytest.raises(InvalidArgument):
        resources.resources(asked)


def test_records_of_the_first_version(paths: Paths) -> None:
    """As they were written by the version before."""
    host = {
        "memory": "64m", "memory_swap": "-1", "cpus": "1.5", "pids_limit": "10", "shm_size": "1m",
        "blkio_weight_device": ["/dev/sda:100"], "device_read_bps": ["/dev/sda:1m"],
        "ulimit": ["nofile=1:2", "host", "core=-1"], "sysctl": ["net.a=1"], "umask": "0077",
        "tmpfs": ["/t:size=1m", "/u"], "device": ["/dev/a:/dev/b:r"], "cap_add": ["SYS_ADMIN"],
        "oom_score_adj": "5", "memory_swappiness": "5", "oom_kill_disable": True,
        "cgroup_conf": ["memory.high=1G"], "volume": ["/a:/b"], "read_only": True,
    }  # fmt: skip
    record = made(paths)
    network = {**record["network"], "mode": "back", "ip": "10.1.2.3", "mac": "", "aliases": ["a"]}
    del network["networks"]
    old = {**record, "version": 1, "layers": [], "userns": None, "host": host, "network": network}
    jsonfile.write_bytes(_file(paths), json.dumps(old).encode())
    found = state.load(paths, ID).record
    assert found["version"] == state.VERSION == 3
    joined = [to_json(Join("back", ip="10.1.2.3", aliases=("a",)))]
    assert found["network"]["networks"] == joined and "ip" not in found["network"]
    new = found["host"]
    assert from_json(Limits, new["limits"]) == Limits(
        memory_bytes=64 << 20, memory_swap_bytes=-1, cpus=1.5, pids=10,
        block_weights={"/dev/sda": 100}, read_bytes={"/dev/sda": 1 << 20},
        unified={"memory.high": "1G"},
    )  # fmt: skip
    assert new["ulimit"] == [{"name": "nofile", "soft": 1, "hard": 2},
                             {"name": "core", "soft": -1, "hard": -1}]  # fmt: skip
    assert new["sysctl"] == {"net.a": "1"} and new["tmpfs"] == {"/t": "size=1m", "/u": ""}
    assert new["device"] == [{"source": "/dev/a", "target": "/dev/b", "access": "r"}]
    assert (new["shm_size"], new["umask"], new["oom_score_adj"]) == (1 << 20, 0o77, 5)
    assert new["ineffective"] == {"memory_swappiness": "5", "oom_kill_disable": "true"}
    assert new["cap_add"] == ["SYS_ADMIN"] and new["read_only"] is True
    assert upgrade.upgraded({**old, "host": {}})["host"] == {"umask": 0o22}


def test_what_version_1_lacks_is_added(paths: Paths) -> None:
    new, was = made(paths), made(paths)
    later = (
        "domainname namespaces userns links requires timeout timezone annotations restart".split()
    )
    old = {k: v for k, v in was.items() if k not in (*later, "create_command", "cgroup_parent")}
    old["host"] = {}
    del old["config"]["env_chosen"], old["config"]["healthcheck"]
    del old["network"]["networks"], old["log"]["tag"]
    path = _file(paths)
    jsonfile.write_bytes(path, json.dumps({**old, "version": 1}).encode())
    found = state.load(paths, ID)
    assert found.record.keys() >= new.keys() and found.record["namespaces"] == new["namespaces"]
    assert found.record["config"] == {**new["config"], "env_chosen": [], "healthcheck": None}
    assert found.record["network"] == new["network"] and found.record["log"]["tag"] == ""
    jsonfile.write_bytes(path, json.dumps({**old, "version": 3}).encode())
    with pytest.raises(CorruptState, match="damaged"):
        state.load(paths, ID)
    assert upgrade.lost(ID).keys() >= new.keys() - {"rootfs"}


def _file(paths: Paths) -> str:
    directory = Path(paths.container(ID))
    directory.mkdir(parents=True)
    return str(directory / "container.json")


def test_json_and_back() -> None:
    asked = replaced(ASKED, network=Networking(ports=(PortMapping(container_port=1),)),
                     entrypoint=("a",), limits=Limits(cpus=1.0),
                     environment=Environment(variables={"A": None}))  # fmt: skip
    text = json.dumps(to_json(asked))
    assert from_json(CreateRequest, json.loads(text)) == asked


@pytest.mark.parametrize(
    ("found", "where"),
    [
        ({"tty": 1}, "CreateRequest.tty"),
        ({"umask": True}, "CreateRequest.umask"),
        ({"command": "x"}, "CreateRequest.command"),
        ({"command": [1]}, "CreateRequest.command"),
        ({"labels": {"a": 1}}, "CreateRequest.labels"),
        ({"network": {"ports": [{"container_port": "80"}]}}, "PortMapping.container_port"),
        ({"network": {"ports": [{}]}}, "container_port"),
        ({"limits": []}, "Limits"),
        ([], "CreateRequest"),
    ],
)
def test_json_of_other_types_is_refused(found: object, where: str) -> None:
    with pytest.raises(InvalidArgument, match=where):
        from_json(CreateRequest, found)
