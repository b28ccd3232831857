"""ps and inspect: columns, filters, templates."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import Engine, free_port

NONE = ("--network", "none")


@pytest.fixture
def three(engine: Engine) -> Iterator[Engine]:
    """`made` (created), `done` (exited with 3) and `runs`, in this order."""
    engine.ok("create", *NONE, "--name", "made", "--label", "k=v", "busybox")
    engine.run("run", *NONE, "--name", "done", "-l", "k=w", "busybox", "sh", "-c", "exit 3")
    engine.detached("--name", "runs", "busybox", "sleep", "100000000000000")
    yield engine


def test_columns(three: Engine) -> None:
    lines = three.ok("ps", "-a").split("\n")
    header = re.split(r"\s{2,}", lines[0].strip())
    assert header == ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
    starts = [lines[0].index(h) for h in header]
    rows = [
        [line[a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)]
        for line in lines[1:]
    ]
    assert [r[6] for r in rows] == ["runs", "done", "made"]
    assert all(re.fullmatch("[0-9a-f]{12}", r[0]) and r[1] == "busybox" for r in rows)
    assert rows[0][2] == '"sleep 1000000000000…"' and rows[2][2] == '"sh"'
    assert all(r[3].endswith(" ago") and r[5] == "" for r in rows)
    assert rows[0][4].startswith("Up ") and rows[2][4] == "Created"
    assert re.fullmatch(r"Exited \(3\) .* ago", rows[1][4])


def test_which_are_shown(three: Engine) -> None:
    assert three.ps() == ["runs"]
    assert three.ps("-l") == ["runs"] and three.ps("-n", "2") == ["done", "runs"]
    assert three.ps("-n1") == ["runs"] and three.ps("--last=99") == ["made", "done", "runs"]
    ids = three.ok("ps", "-aq").split()
    assert len(ids) == 3 and all(len(i) == 12 for i in ids)
    assert [len(i) for i in three.ok("ps", "-aq", "--no-trunc").split()] == [64] * 3
    assert '"sleep 100000000000000"' in three.ok("ps", "--no-trunc")


FILTERS = [
    (["status=running"], "runs"),
    (["status=exited"], "done"),
    (["status=created"], "made"),
    (["status=created", "status=exited"], "made done"),
    (["exited=3"], "done"),
    (["exited=0"], ""),
    (["name=run"], "runs"),
    (["name=^(made|done)$"], "made done"),
    (["label=k"], "made done"),
    (["label=k=v"], "made"),
    (["label=k", "status=exited"], "done"),
    (["ancestor=busybox"], "made done runs"),
    (["ancestor=nginx"], ""),
    (["before=done"], "made"),
    (["since=done"], "runs"),
    (["network=none"], "made done runs"),
    (["network=host"], ""),
]


def test_filters(three: Engine) -> None:
    for filters, expected in FILTERS:
        options = [word for text in filters for word in ("--filter", text)]
        assert three.ps("-a", *options) == expected.split(), filters


def test_id_and_volume_filters(three: Engine) -> None:
    container_id = three.inspect("done")["Id"]
    assert three.ps("-a", "-f", f"id={container_id[:10]}") == ["done"]
    three.ok("create", *NONE, "--name", "vol", "-v", "data:/data", "busybox")
    assert three.ps("-a", "-f", "volume=data") == ["vol"]
    assert three.ps("-a", "-f", "volume=/data") == ["vol"]
    port = free_port()
    three.ok("create", "--name", "pub", "-p", f"{port}:80", "busybox")
    assert three.ps("-a", "-f", f"publish={port}") == ["pub"]


def test_formats(three: Engine) -> None:
    out = three.ok("ps", "-a", "--format", "{{.Names}}\\t{{.State}}\\t{{.Image}}")
    assert out.split("\n")[0] == "runs\trunning\tbusybox"
    table = three.ok("ps", "-a", "--format", "table {{.Names}}\\t{{.Status}}").split("\n")
    assert table[0].split() == ["NAMES", "STATUS"] and table[-1].split() == ["made", "Created"]
    rows = [json.loads(line) for line in three.ok("ps", "-a", "--format", "json").split("\n")]
    assert [r["Names"] for r in rows] == ["runs", "done", "made"]
    assert rows[2]["Labels"] == "k=v" and rows[0]["State"] == "running"
    assert three.ok("ps", "-a", "--format", "{{json .Names}}").split("\n")[0] == '"runs"'
    assert three.ok("container", "ls", "-q") == three.ok("ps", "-q")


def test_sizes(three: Engine) -> None:
    three.ok("exec", "runs", "dd", "if=/dev/zero", "of=/big", "bs=1M", "count=5")
    assert "SIZE" in three.ok("ps", "-s").split("\n")[0] and "5.24MB" in three.ok("ps", "-s")


def test_inspect_fields(engine: Engine) -> None:
    source = engine.home
    container_id = engine.detached(
        "--name", "c", "--hostname", "box", "-e", "A=1", "-l", "k=v", "-w", "/tmp", "-u", "1:2",
        "-v", f"{source}:/m:ro", "--cap-add", "net_admin", "--cap-drop", "chown", "--read-only",
        "--tmpfs", "/t", "--ulimit", "nofile=10:20", "--stop-signal", "INT", "--init", "busybox",
        "sleep", "1000",
    )  # fmt: skip
    found = engine.inspect("c")
    assert found["Id"] == container_id and found["Name"] == "/c"
    assert found["Path"] == "sleep" and found["Args"] == ["1000"]
    assert found["Image"] == engine.inspect("busybox")["Id"]
    state = found["State"]
    assert state["Status"] == "running" and state["Running"] and state["Pid"] > 1
    assert state["ExitCode"] == 0 and state["StartedAt"] > found["Created"]
    config = found["Config"]
    assert config["Hostname"] == "box" and "A=1" in config["Env"] and config["Labels"] == {"k": "v"}
    assert config["WorkingDir"] == "/tmp" and config["User"] == "1:2"
    assert config["Cmd"] == ["sleep", "1000"] and config["StopSignal"] == "SIGINT"
    assert config["Image"] == "busybox"
    host = found["HostConfig"]
    assert host["CapAdd"] == ["net_admin"] or host["CapAdd"] == ["CAP_NET_ADMIN"]
    assert host["ReadonlyRootfs"] and host["Init"] and not host["Privileged"]
    assert host["NetworkMode"] == "none" and host["Tmpfs"] == {"/t": ""}
    assert host["Ulimits"] == [{"Name": "nofile", "Soft": 10, "Hard": 20}]
    mount = found["Mounts"][0]
    assert mount["Type"] == "bind" and mount["Source"] == str(source) and not mount["RW"]
    engine.ok("kill", "c")
    state = engine.state("c")
    assert state["Status"] == "exited" and state["ExitCode"] == 137 and state["Pid"] == 0
    assert state["FinishedAt"] > state["StartedAt"]


def test_inspect_templates(engine: Engine) -> None:
    engine.ok("create", *NONE, "--name", "c", "-e", "A=1", "-l", "k=v", "busybox", "a", "b")
    for template, expected in (
        ("{{.Name}}", "/c"),
        ("{{.State.Status}}", "created"),
        ("{{json .Args}}", '["b"]'),
        ('{{index .Config.Labels "k"}}', "v"),
        ("{{range .Args}}<{{.}}>{{end}}", "<b>"),
        ("{{if .State.Running}}up{{else}}down{{end}}", "down"),
        ("{{len .Config.Cmd}}", "2"),
        ('{{join .Config.Cmd "-"}}', "a-b"),
        ("{{.HostConfig.NetworkMode}}", "none"),
        ("{{.State.ExitCode}}", "0"),
    ):
        assert engine.ok("inspect", "-f", template, "c") == expected, template


def test_inspect_of_several(engine: Engine) -> None:
    engine.ok("create", *NONE, "--name", "c", "busybox")
    done = engine.run("inspect", "c", "nosuch", "busybox")
    assert done.code == 125 and len(json.loads(done.out)) == 2 and "nosuch" in done.err
    assert engine.inspect("c")["Name"] == "/c"
    done = engine.run("inspect", "nosuch")
    assert json.loads(done.out) == [] and done.code == 125


def test_bridge_and_ports_are_shown(engine: Engine) -> None:
    port = free_port()
    engine.ok("run", "-d", "--name", "c", "-p", f"127.0.0.1:{port}:80", "--expose", "90", "busybox",
              "sleep", "1000")  # fmt: skip
    settings = engine.inspect("c")["NetworkSettings"]
    assert settings["Ports"]["80/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": str(port)}]
    assert settings["Ports"]["90/tcp"] is None
    assert settings["Networks"]["bridge"]["IPAddress"] == settings["IPAddress"] != ""
    assert engine.ok("ps", "--format", "{{.Ports}}") == f"127.0.0.1:{port}->80/tcp, 90/tcp"
    engine.ok("stop", "-t0", "c")
    assert engine.ok("ps", "-a", "--format", "{{.Ports}}") == ""
    assert engine.inspect("c")["HostConfig"]["PortBindings"]["80/tcp"][0]["HostPort"] == str(port)


def names(engine: Engine, *options: str) -> list[str]:
    return engine.ok("ps", "-a", *options, "--format", "{{.Names}}").split()


def test_sorting(three: Engine) -> None:
    assert names(three, "--sort", "names") == ["done", "made", "runs"]
    assert names(three, "--sort", "runningfor") == ["made", "done", "runs"]
    assert names(three, "--sort", "created") == ["made", "done", "runs"]
    three.ok("exec", "runs", "sh", "-c", "echo x > /x")
    assert names(three, "--sort", "size")[-1] == "runs"
    assert names(three, "--sort", "status")[0] == "made"
    assert "not known" in three.fails("ps", "--sort", "beauty")


def test_more_filters(three: Engine) -> None:
    port = free_port()
    three.ok("create", "-p", f"{port}:80", "--expose", "53/udp", "--restart", "always", "--name",
             "shop", "busybox", "sleep", "1")  # fmt: skip
    for text, wanted in (
        ("restart-policy=always", ["shop"]),
        (f"publish={port}", ["shop"]),
        ("publish=80/tcp", ["shop"]),
        ("publish=70-90", ["shop"]),
        ("publish=80/udp", []),
        ("expose=53/udp", ["shop"]),
        ("expose=53", []),
        ("command=sleep", ["shop", "runs"]),
        ("label!=k", ["shop", "runs"]),
        ("until=1h", []),
        ("until=0s", ["shop", "runs", "done", "made"]),
        ("status=stopped", ["done"]),
        ("ancestor=docker.io/library/busybox:latest", ["shop", "runs", "done", "made"]),
        ("ancestor=nosuch", []),
        ("is-task=true", []),
    ):
        assert names(three, "--filter", text) == wanted, text
    assert "no port" in three.fails("ps", "--filter", "publish=web")


def test_ancestor_finds_what_was_built_on_it(three: Engine) -> None:
    three.ok("commit", "done", "mine:1")
    three.ok("create", *NONE, "--name", "child", "mine:1", "true")
    assert names(three, "--filter", "ancestor=busybox")[0] == "child"
    assert names(three, "--filter", "ancestor=mine:1") == ["child"]
    three.ok("rm", "child")
    three.ok("rmi", "mine:1")


def test_labels_sizes_and_headings(three: Engine) -> None:
    form = '{{.Names}}={{.Label "k"}}'
    assert three.ok("ps", "-a", "--format", form).split() == ["runs=", "done=w", "made=v"]
    assert three.ok("ps", "-a", "--filter", "name=made", "--format", "{{.Labels}}") == "k=v"
    size = three.ok("ps", "-s", "--format", "{{.Size}}")
    assert re.fullmatch(r"0B \(virtual [0-9.]+[kM]B\)", size)
    created = three.ok("ps", "--format", "{{.CreatedAt}}")
    assert re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4} \w+", created)
    assert not three.ok("ps", "--noheading").startswith("CONTAINER")


def test_inspect_in_dockers_shape(three: Engine) -> None:
    found = three.inspect("done")
    for keys in (
        "Id Created Path Args State Image ResolvConfPath HostnamePath HostsPath LogPath Name "
        "RestartCount Driver Platform MountLabel ProcessLabel AppArmorProfile ExecIDs HostConfig "
        "GraphDriver Mounts Config NetworkSettings",
    ):
        assert set(keys.split()) <= set(found)
    networks = found["NetworkSettings"]["Networks"]["none"]
    assert {"IPAMConfig", "Links", "Aliases", "NetworkID", "IPAddress"} <= set(networks)
    sized = json.loads(three.ok("inspect", "--size", "runs"))[0]
    assert sized["SizeRw"] == 0 and sized["SizeRootFs"] > 100_000
    assert "no such" in three.fails("container", "inspect", "busybox")
    assert json.loads(three.ok("container", "inspect", "runs"))[0]["Name"] == "/runs"


def test_host_config_tells_what_was_asked(engine: Engine) -> None:
    engine.ok(
        "create", *NONE, "--name", "c", "--pid", "host", "--ipc", "none", "--device",
        "/dev/null:/dev/zero9:r", "--cpu-quota", "50000", "--cpuset-mems", "0", "--annotation",
        "a=b", "--memory-swappiness", "10", "--ulimit", "nofile=100:200", "--restart", "always",
        "--tmpfs", "/t:size=1m", "busybox")  # fmt: skip
    found = engine.inspect("c")["HostConfig"]
    expected = {
        "PidMode": "host", "IpcMode": "none", "UTSMode": "", "CpuQuota": 50000, "CpusetMems": "0",
        "Annotations": {"a": "b"}, "MemorySwappiness": 10, "Tmpfs": {"/t": "size=1m"},
        "Ulimits": [{"Name": "nofile", "Soft": 100, "Hard": 200}],
        "RestartPolicy": {"Name": "always", "MaximumRetryCount": 0},
        "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/zero9",
                     "CgroupPermissions": "r"}],
    }  # fmt: skip
    assert {key: found[key] for key in expected} == expected


def test_inspect_tells_how_a_container_ended(three: Engine) -> None:
    three.ok("kill", "runs")
    assert three.state("runs")["ExitSignal"] == "SIGKILL" and three.state("runs")["ExitCode"] == 137
    three.run("run", *NONE, "--name", "liar", "busybox", "sh", "-c", "exit 137")
    assert three.state("liar")["ExitSignal"] == "" and three.state("liar")["ExitCode"] == 137


def test_podmans_names(three: Engine) -> None:
    form = "{{.ImageID}} {{.Created}}|{{.CreatedHuman}}|{{.StartedAt}}|{{.ExitedAt}}|{{.Exited}}"
    image, created, human, started, ended, exited = re.split(
        r"(?<=^[0-9a-f]{12}) |\|", three.ok("ps", "-a", "-f", "name=done", "--format", form)
    )
    assert len(image) == 12 and created == human and created.endswith(" ago")
    assert started.startswith("20") and ended.startswith("20") and exited == "true"


def test_watch(three: Engine) -> None:
    process = three.popen("ps", "--watch", "0.2", "--format", "{{.Names}}")
    assert [process.stdout.readline() for _ in range(3)] == [b"runs\n"] * 3
    process.terminate()


def test_namespaces_and_pods(three: Engine) -> None:
    heading, row = three.ok("ps", "--ns").split("\n")
    assert heading.split() == ["CONTAINER", "ID", "NAMES", "PID", "CGROUPNS", "IPC", "MNT", "NET",
                               "PIDNS", "USERNS", "UTS"]  # fmt: skip
    fields = row.split()
    pid = three.state("runs")["Pid"]
    names = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
    numbers = [os.stat(f"/proc/{pid}/ns/{name}").st_ino for name in names]
    assert fields[1:3] == ["runs", str(pid)] and list(map(int, fields[3:])) == numbers
    assert three.ok("ps", "--ns", "--format", "{{.NET}}") == str(numbers[3])
    assert three.ok("ps", "-a", "--ns", "-f", "name=done", "--format", "{{.NET}}") == ""
    assert three.ok("ps", "--pod").split("\n")[0].endswith("NAMES   POD ID   PODNAME")


def test_fields_that_only_podman_has(three: Engine) -> None:
    found = three.inspect("runs")
    assert "CAP_CHOWN" in found["EffectiveCaps"] and found["OCIRuntime"] == "crunpy"
    assert Path(found["ConmonPidFile"]).read_text().strip() == str(found["State"]["ConmonPid"])
    assert json.loads(Path(found["OCIConfigPath"]).read_text())["ociVersion"]
    form = "{{.State.Health}} {{.Config.Healthcheck}} {{.HostConfig.Binds}} {{.Config.Volumes}}"
    assert three.ok("inspect", "-f", form, "runs") == "<nil> <nil> [] map[]"
    assert three.ok("inspect", "-f", "{{if .State.Health}}x{{end}}", "runs") == ""
    form = "{{.ContainerID}} {{.CPU}} {{.AVGCPU}} {{.UpTime}} {{.NetInput}} {{.MemUsageBytes}}"
    words = three.ok("stats", "--no-stream", "--format", form, "runs").split()
    assert words[0] == found["Id"] and float(words[1]) >= 0 and words[2].endswith("%")
    assert words[3].endswith("s") and words[4] == "0" and "iB" in words[5]
    form = "{{.Host.CgroupManager}} {{.Host.Distribution.Distribution}} {{.Version.OsArch}}"
    manager, _, system = three.ok("info", "--format", form).split(" ")
    assert manager == "cgroupfs" and system.startswith("linux/")
    three.ok("volume", "create", "shelf")
    assert three.ok("volume", "ls", "--format", "{{.Anonymous}}{{.Options}}") == "false"
    three.ok("volume", "rm", "shelf")
