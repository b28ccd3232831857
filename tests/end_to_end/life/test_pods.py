"""Pods: containers that share namespaces, a life and a name, as root and as a plain user."""

from __future__ import annotations

import json
import os
import pwd
import re
import signal
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from engine import Engine, free_port, wait_for

LONG = ("busybox", "sleep", "1000")


def pod(engine: Engine, name: str) -> Any:
    return json.loads(engine.ok("pod", "inspect", name))[0]


def state(engine: Engine, name: str) -> str:
    return str(pod(engine, name)["State"])


def namespace(engine: Engine, name: str, kind: str) -> str:
    return str(Path(f"/proc/{engine.pids(engine.inspect(name)['Id'])[1]}/ns/{kind}").readlink())


def infra(engine: Engine, name: str) -> str:
    return str(pod(engine, name)["InfraContainerID"])


def joined(engine: Engine, name: str, *more: object) -> str:
    """`run -d --pod`; the id."""
    return engine.ok("run", "-d", "--pod", name, *more)


def test_what_is_shared(engine: Engine) -> None:
    pod_id = engine.ok("pod", "create", "--name", "p", "--network", "none")
    assert len(pod_id) == 64
    joined(engine, "p", "--name", "a", *LONG)
    joined(engine, pod_id[:12], "--name", "b", *LONG)
    own = infra(engine, "p")
    for kind in ("net", "ipc", "uts"):
        assert len({namespace(engine, name, kind) for name in ("a", "b", own)}) == 1, kind
    for kind in ("pid", "mnt"):
        assert len({namespace(engine, name, kind) for name in ("a", "b", own)}) == 3, kind
    assert engine.ok("exec", "a", "hostname") == "p"
    assert engine.ok("exec", "b", "cat", "/etc/hostname") == "p"
    engine.ok("exec", "a", "sh", "-c", "echo here > /dev/shm/x")
    assert engine.ok("exec", "b", "cat", "/dev/shm/x") == "here"


def test_a_shared_pid_namespace_is_reaped(engine: Engine) -> None:
    engine.ok("pod", "create", "--name", "p", "--network", "none", "--share", "pid,net")
    joined(engine, "p", "--name", "a", *LONG)
    # an orphan becomes a child of the first process, which is the infra container's
    engine.ok("exec", "a", "sh", "-c", "(sleep 0.2 &) ; true")
    seen = engine.ok("exec", "a", "ps", "-o", "pid,args")
    assert "infra" in seen.splitlines()[1], seen
    wait_for(lambda: "sleep 0.2" not in engine.ok("exec", "a", "ps", "-o", "args"))
    assert "Z" not in engine.ok("exec", "a", "ps", "-o", "stat")
    assert namespace(engine, "a", "uts") != namespace(engine, infra(engine, "p"), "uts")


def test_ports_are_the_pods(engine: Engine) -> None:
    port = free_port()
    engine.ok("pod", "create", "--name", "p", "-p", f"127.0.0.1:{port}:80")
    serve = ("busybox", "httpd", "-f", "-p", "80", "-h", "/etc")
    joined(engine, "p", "--stop-timeout", "0", *serve)
    url = f"http://127.0.0.1:{port}/hostname"
    wait_for(lambda: _get(url) == b"p\n")
    engine.ok("pod", "restart", "p")
    wait_for(lambda: _get(url) == b"p\n")
    engine.ok("pod", "stop", "-t", "0", "p")
    assert _get(url) == b""


def _get(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bytes(answer.read())
    except OSError:
        return b""


def test_the_pods_name_is_known_on_its_network(engine: Engine) -> None:
    engine.ok("network", "create", "--subnet", "10.91.7.0/24", "podnet")
    try:
        engine.ok("pod", "create", "--name", "p", "--network", "podnet")
        joined(engine, "p", "busybox", "sh", "-c", "while :; do echo hello | nc -l -p 7000; done")
        asked = engine.ok("run", "--rm", "--network", "podnet", "busybox", "sh", "-c",
                          "until nc -w 5 p 7000 </dev/null; do sleep 0.1; done")  # fmt: skip
        assert asked == "hello"
    finally:
        engine.ok("pod", "rm", "-f", "p")
        engine.ok("network", "rm", "podnet")


@pytest.mark.parametrize(
    "options,words",
    [
        (["-p", "80:80"], "published or exposed ports must be defined when the pod is created"),
        (["-P"], "published or exposed ports"),
        (["--expose", "80"], "published or exposed ports"),
        (["--ip", "10.91.1.1"], "networks must be defined when the pod is created"),
        (["--mac-address", "02:00:00:00:00:01"], "networks must be defined"),
        (["--network-alias", "x"], "networks must be defined"),
        (["--add-host", "a:1.2.3.4"], "extra host entries must be specified on the pod"),
        (["--dns", "1.2.3.4"], "name servers must be specified on the pod"),
        (["--hostname", "x"], "cannot set hostname when joining the pod UTS namespace"),
        (["--userns", "host"], "--userns and --pod cannot be set together"),
    ],
)
def test_what_is_the_pods_to_say(engine: Engine, options: list[str], words: str) -> None:
    engine.ok("pod", "create", "--name", "p")
    assert words in engine.fails("create", "--pod", "p", *options, "busybox")
    assert len(engine.ps("-a")) == 1
    assert "no such pod" in engine.fails("create", "--pod", "q", "busybox")


def test_a_container_may_have_its_own(engine: Engine) -> None:
    engine.ok("pod", "create", "--name", "p", "--network", "none")
    joined(engine, "p", "--name", "a", "--ipc", "shareable", *LONG)
    assert namespace(engine, "a", "ipc") != namespace(engine, infra(engine, "p"), "ipc")
    assert namespace(engine, "a", "net") == namespace(engine, infra(engine, "p"), "net")


def test_states(engine: Engine) -> None:
    engine.ok("pod", "create", "--name", "p", "--network", "none")
    assert state(engine, "p") == "Created"
    for name in ("a", "b"):
        engine.ok("create", "--pod", "p", "--name", name, "busybox", "sh", "-c",
                  "trap 'exit 0' TERM; sleep 1000 & wait")  # fmt: skip
    engine.ok("pod", "start", "p")
    assert state(engine, "p") == "Running"
    if engine.run("pod", "pause", "p").code == 0:  # without a freezer: told in words
        assert state(engine, "p") == "Paused"
        assert engine.state("a")["Status"] == "paused"
        engine.ok("pod", "unpause", "p")
        assert state(engine, "p") == "Running"
    engine.ok("stop", "-t", "0", "a")
    assert state(engine, "p") == "Degraded"
    assert engine.ps() and "b" in engine.ps() and "a" not in engine.ps()
    engine.ok("pod", "stop", "-t", "0", "p")
    assert state(engine, "p") == "Exited"
    engine.ok("start", "a")  # and what it shares
    assert state(engine, "p") == "Degraded"
    assert engine.state(infra(engine, "p"))["Running"]
    engine.ok("pod", "kill", "p")
    assert state(engine, "p") == "Exited"
    assert engine.ok("pod", "start", "p") == pod(engine, "p")["Id"]
    engine.ok("pod", "kill", "-s", "TERM", "p")
    wait_for(lambda: state(engine, "p") == "Exited")


def test_a_failed_start(engine: Engine) -> None:
    """Nothing runs for nobody's sake; what did start runs on, as podman lets it."""
    engine.ok("pod", "create", "--name", "p", "--network", "none")
    engine.ok("create", "--pod", "p", "--name", "bad", "busybox", "/no/such/command")
    assert "/no/such/command" in engine.fails("pod", "start", "p", code=127)
    assert state(engine, "p") in ("Created", "Exited", "Stopped") and engine.ps() == []
    engine.ok("create", "--pod", "p", "--name", "good", *LONG)
    engine.fails("pod", "start", "p", code=127)
    assert state(engine, "p") == "Degraded" and "good" in engine.ps()
    engine.ok("kill", "good")
    assert "/no/such/command" in engine.fails("pod", "start", "-a", code=127)
    assert "good" in engine.ps()


def test_removal(engine: Engine) -> None:
    pod_id = engine.ok("pod", "create", "--name", "p", "--network", "none")
    joined(engine, "p", "--name", "a", *LONG)
    assert "container a is running" in engine.fails("pod", "rm", "p", code=1)
    assert "infra container" in engine.fails("rm", "-f", infra(engine, "p"), code=1)
    refused = engine.run("restart", infra(engine, "p"))
    assert refused.code == 125 and "pod restart" in refused.err
    engine.ok("rm", "-f", "-a")  # not what goes with the pod
    assert [c["Name"] for c in pod(engine, "p")["Containers"]] == [f"{pod_id[:12]}-infra"]
    joined(engine, "p", "--name", "a", *LONG)
    assert engine.ok("pod", "rm", "-f", "p") == pod_id
    assert engine.ps("-a") == [] and engine.left() == []
    assert "no such pod" in engine.fails("pod", "rm", "p", code=1)
    assert engine.ok("pod", "rm", "-f", "p") == "" == engine.ok("pod", "rm", "-i", "p")
    assert engine.run("pod", "exists", "p").code == 1


def test_names_are_shared_with_containers(engine: Engine) -> None:
    engine.ok("pod", "create", "--name", "p", "--network", "none")
    engine.ok("create", "--name", "c", "busybox")
    assert "already in use by pod" in engine.fails("create", "--name", "p", "busybox", code=1)
    assert "already in use by container" in engine.fails("pod", "create", "--name", "c")
    assert "already in use by pod" in engine.fails("pod", "create", "p")
    first = pod(engine, "p")["Id"]
    assert engine.ok("pod", "create", "--replace", "--network", "none", "--name", "p") != first
    assert "no such container" in engine.fails("start", "p", code=1)
    engine.ok("pod", "rm", "p")
    engine.ok("create", "--name", "p", "busybox")


def test_made_on_the_way(engine: Engine) -> None:
    engine.ok("run", "-d", "--pod", "new:q", "--network", "none", "--hostname", "h", "--name", "a",
              *LONG)  # fmt: skip
    assert engine.ok("exec", "a", "hostname") == "h"
    assert [c["Name"] for c in pod(engine, "q")["Containers"]][1:] == ["a"]
    assert "already in use" in engine.fails("run", "--pod", "new:q", "busybox", "true")
    engine.fails("run", "--pod", "new:r", "--network", "none", "--pull", "never", "nosuch/image")
    assert engine.run("pod", "exists", "r").code == 1


def test_without_an_infra_container(engine: Engine) -> None:
    assert "without an infra container" in engine.fails("pod", "create", "--infra=false", "--share",
                                                        "net")  # fmt: skip
    assert "you must have an infra container" in engine.fails("pod", "create", "--infra=false",
                                                              "-p", "80:80")  # fmt: skip
    engine.ok("pod", "create", "--infra=false", "--share=", "--name", "p")
    engine.detached("--pod", "p", "--name", "a", *LONG)
    engine.detached("--pod", "p", "--name", "b", "--hostname", "x", *LONG)
    assert pod(engine, "p")["SharedNamespaces"] == [] and state(engine, "p") == "Running"
    assert namespace(engine, "a", "net") != namespace(engine, "b", "net")
    engine.ok("pod", "stop", "-t", "0", "p")
    engine.ok("pod", "prune", "-f")
    assert engine.ps("-a") == []


def test_exit_policy(engine: Engine) -> None:
    engine.ok("pod", "create", "--network", "none", "--exit-policy", "stop", "--name", "p")
    engine.ok("run", "--rm", "--pod", "p", "busybox", "true")
    assert state(engine, "p") == "Exited"
    joined(engine, "p", "--name", "a", "busybox", "sleep", "0.3")
    assert state(engine, "p") == "Running"
    wait_for(lambda: state(engine, "p") == "Exited")  # by the monitor
    assert "exit policy" in engine.fails("pod", "create", "--exit-policy", "x")


def test_what_members_get_of_the_pod(engine: Engine, tmp_path: Path) -> None:
    data = engine.home / "data"
    data.mkdir()
    (data / "file").write_text("here")
    engine.ok("pod", "create", "--network", "none", "--name", "p", "-v", f"{data}:/data:ro",
              "--security-opt", "no-new-privileges", "--shm-size", "2m",
              "--device", "/dev/null:/dev/x", "--sysctl", "kernel.msgmax=9000")  # fmt: skip
    shown = engine.ok("run", "--rm", "--pod", "p", "busybox", "sh", "-c",
                      "cat /data/file; grep NoNewPrivs /proc/self/status; ls /dev/x; "
                      "df -k /dev/shm; cat /proc/sys/kernel/msgmax")  # fmt: skip
    assert "here" in shown and "NoNewPrivs:\t1" in shown and "/dev/x" in shown
    assert " 2048 " in shown and shown.splitlines()[-1] == "9000"


def test_a_user_namespace_of_the_pods(engine: Engine) -> None:
    engine.ok("pod", "create", "--network", "none", "--name", "p", "--uidmap", "0:1:1024")
    joined(engine, "p", "--name", "a", *LONG)
    maps = engine.ok("run", "--rm", "--pod", "p", "busybox", "cat", "/proc/self/uid_map").split()
    assert maps[0] == "0" and maps[2] == "1024"
    assert namespace(engine, "a", "user") == namespace(engine, infra(engine, "p"), "user")


def test_who_keeps_the_id_in_a_pod(user: Engine) -> None:
    """As podman has it: whoever says nothing else is the caller, by number and name."""
    uid = pwd.getpwnam(user.user).pw_uid
    user.ok("pod", "create", "--network", "none", "--name", "p", "--userns", "keep-id")
    joined(user, "p", "--name", "a", "--stop-timeout", "0", *LONG)
    assert user.ok("exec", "a", "sh", "-c", "id -u; id -un").split() == [str(uid), user.user]
    assert user.ok("run", "--rm", "--pod", "p", "-u", "0", "busybox", "id", "-u") == "0"
    for path in (f"/proc/{user.pids(user.inspect('a')['Id'])[1]}", user.home):
        assert os.stat(path).st_uid == uid, path
    user.ok("pod", "restart", "p")
    assert user.ok("exec", "a", "id", "-u") == str(uid)
    user.ok("pod", "create", "--network", "none", "--name", "q", "--userns", "keep-id:uid=7,gid=8")
    assert user.ok("run", "--rm", "--pod", "q", "busybox", "sh", "-c", "id -u; id -g") == "7\n8"
    user.ok("pod", "create", "--network", "none", "--name", "r", "--userns", "nomap")
    assert user.ok("run", "--rm", "--pod", "r", "busybox", "id", "-u") == "0"
    user.ok("pod", "create", "--network", "none", "--name", "s", "--userns", "auto:size=2000")
    maps = user.ok("run", "--rm", "--pod", "s", "busybox", "cat", "/proc/self/uid_map").split()
    assert maps[0] == "0" and maps[2] == "2000"


def test_namespaces_after_a_restart(engine: Engine) -> None:
    """Those of the infra container that runs now, whatever became of the last one."""
    engine.ok("pod", "create", "--network", "none", "--name", "p")
    for name in ("a", "b"):
        joined(engine, "p", "--name", name, "--stop-timeout", "0", *LONG)
    own = infra(engine, "p")
    for word in ("restart", "start"):
        engine.ok("pod", "restart", "p")
        assert len({namespace(engine, name, "net") for name in ("a", "b", own)}) == 1
        os.kill(engine.pids(own)[1], signal.SIGKILL)
        wait_for(lambda: not engine.state(own)["Running"])
        engine.ok("pod", word, "p")
        assert len({namespace(engine, name, "net") for name in ("a", "b", own)}) == 1, word


def test_lists(engine: Engine) -> None:
    engine.ok("pod", "create", "--network", "none", "--name", "p", "--label", "x=y")
    engine.ok("create", "--pod", "p", "--name", "a", "busybox")
    engine.ok("pod", "create", "--network", "none", "--name", "q", "--infra-name", "qi")
    p, q = pod(engine, "p")["Id"], pod(engine, "q")["Id"]
    assert engine.ok("pod", "ps", "-q", "--no-trunc").split() == [q, p]
    heading, *rows = engine.ok("pod", "ls").splitlines()
    assert heading.split() == ["POD", "ID", "NAME", "STATUS", "CREATED", "INFRA", "ID", "#", "OF",
                               "CONTAINERS"]  # fmt: skip
    assert rows[1].split()[:3] == [p[:12], "p", "Created"] and rows[1].split()[-1] == "2"
    assert engine.ok("pod", "ps", "--filter", "label=x", "--format", "{{.Name}}") == "p"
    for text, names in [("name=q", "q"), ("ctr-names=a", "p"), ("ctr-number=1", "q"),
                        ("status=created", "q p"), (f"id={p[:20]}", "p")]:  # fmt: skip
        assert engine.ok("pod", "ps", "--filter", text, "--format", "{{.Name}}").split() == \
            names.split(), text  # fmt: skip
    engine.fails("pod", "ps", "--filter", "x=y")
    engine.fails("pod", "ps", "--filter", "status=x")
    form = "{{.ID}} {{.NumberOfContainers}} {{.ContainerNames}} {{.Labels}}"
    shown = engine.ok("pod", "ps", "--sort", "name", "--format", form)
    assert shown.splitlines()[0] == f"{p[:12]} 2 {p[:12]}-infra,a x=y"
    [second, first] = json.loads(engine.ok("pod", "ps", "--format", "json"))
    assert first["Id"] == p and first["Labels"] == {"x": "y"} and second["Name"] == "q"
    assert [c["Names"] for c in first["Containers"]] == [f"{p[:12]}-infra", "a"]
    assert second["InfraId"] == engine.inspect("qi")["Id"]
    # and those of containers
    form = "{{.Names}} {{.Pod}} {{.PodName}} {{.IsInfra}}"
    shown = engine.ok("ps", "-a", "--filter", "pod=p", "--filter", "name=^a$", "--format", form)
    assert shown == f"a {p[:12]} p false"
    assert (
        engine.ps("-a", "--filter", "pod=q")
        == ["qi"]
        == engine.ps("-a", "--filter", f"pod={q[:8]}")
    )
    table = engine.ok("ps", "-a", "--pod", "--filter", "name=qi").splitlines()
    assert table[0].split()[-3:] == ["POD", "ID", "PODNAME"] and table[1].split()[-2:] == [
        q[:12],
        "q",
    ]
    about = engine.inspect("a")
    assert about["Pod"] == p and about["IsInfra"] is False and engine.inspect("qi")["IsInfra"]


def test_logs_top_and_stats(engine: Engine) -> None:
    engine.ok("pod", "create", "--network", "none", "--name", "p")
    assert "none of its containers is running" in engine.fails("pod", "top", "p")
    for name in ("a", "b"):
        joined(engine, "p", "--name", name, "busybox", "sh", "-c", f"echo from {name}; sleep 1000")
    for name in ("a", "b"):
        engine.logs_until(name, "from")
    assert sorted(engine.ok("pod", "logs", "--names", "p").splitlines()) == ["a from a", "b from b"]
    assert engine.ok("pod", "logs", "-c", "b", "--names", "p") == "from b"
    shown = engine.ok("pod", "logs", "--color", "--names", "p").splitlines()
    assert [*map(ascii, sorted(shown, key=lambda line: line[5:]))] == [
        r"'\x1b[37ma from a\x1b[0m'", r"'\x1b[31mb from b\x1b[0m'"]  # fmt: skip
    assert "none of pod p" in engine.fails("pod", "logs", "-c", infra(engine, "p"), "p")
    heading, *rows = engine.ok("pod", "top", "p").splitlines()
    assert heading.split()[:2] == ["USER", "PID"] and len(rows) >= 3
    assert engine.ok("pod", "top", "p", "args").splitlines()[0] == "COMMAND"
    shown = engine.ok("pod", "stats", "--no-stream", "--format", "{{.Name}}", "p").splitlines()
    assert len(shown) == 3 and {"a", "b"} < {*shown}
    heading, *rows = engine.ok("pod", "stats", "--no-stream", "p").splitlines()
    assert re.split("  +", heading) == ["POD", "CID", "NAME", "CPU %", "MEM USAGE/ LIMIT", "MEM %",
                                        "NET IO", "BLOCK IO", "PIDS"]  # fmt: skip
    pod_id = pod(engine, "p")["Id"]
    assert {row.split()[0] for row in rows} == {pod_id[:12]} and len(rows) == 3
    found = json.loads(engine.ok("pod", "stats", "--no-stream", "--format", "json"))
    assert [*found[0]] == ["CPU", "MemUsage", "MemUsageBytes", "Mem", "NetIO", "BlockIO", "PIDS",
                           "Pod", "CID", "Name"]  # fmt: skip
    [one] = [c for c in found if c["Name"] == "a"]
    assert one["Pod"] == pod_id[:12] and one["CID"] == engine.inspect("a")["Id"][:12]
    assert re.fullmatch(r"[\d.]+[kM]?B / [\d.]+[GT]B", one["MemUsage"]), one
    assert re.fullmatch(r"[\d.]+[KM]?i?B / [\d.]+[GT]iB", one["MemUsageBytes"]), one
    assert one["PIDS"] == "1" and one["CPU"].endswith("%")


def test_events(engine: Engine) -> None:
    engine.ok("pod", "create", "--network", "none", "--name", "p", "--label", "x=y")
    engine.ok("pod", "start", "p")
    engine.ok("pod", "stop", "-t", "0", "p")
    pod_id = engine.ok("pod", "rm", "p")
    told = engine.ok("events", "--since", "1m", "--until", "0s", "--filter", f"pod={pod_id}")
    assert [line.split()[2] for line in told.splitlines()] == ["create", "start", "stop", "remove"]
    assert all("name=p" in line and "x=y" in line for line in told.splitlines())


def test_files_with_its_id(engine: Engine) -> None:
    file = engine.home / "id"
    pod_id = engine.ok("pod", "create", "--network", "none", "--pod-id-file", file, "--name", "p")
    assert file.read_text() == pod_id
    assert "exists already" in engine.fails("pod", "create", "--pod-id-file", file)
    engine.ok("create", "--pod-id-file", file, "--name", "a", "busybox")
    assert engine.inspect("a")["Pod"] == pod_id
    for verb in ("start", "stop", "rm"):
        assert engine.ok("pod", verb, "--pod-id-file", file) == pod_id
    assert "no such file" in engine.fails("create", "--pod-id-file", "/nosuch", "busybox")


def test_options_that_cannot_be(engine: Engine) -> None:
    said = engine.run("pod", "create", "--network", "none", "--infra-image", "x", "--name", "p")
    assert said.code == 0 and "--infra-image has no effect" in said.err, said
    assert "space to share: 'mount'" in engine.fails("pod", "create", "--share", "net,mount")
    assert "same time" in engine.fails("pod", "create", "--name", "a", "b")
    assert "pod name '../x': not allowed" in engine.fails("pod", "create", "../x")
    for mode in ("none", "host", "container:x", "ns:/proc/self/ns/net"):
        said = engine.fails("pod", "create", "--network", mode, "-p", "80:80")
        assert f"network mode '{mode}' does not publish" in said
    assert [p["Name"] for p in json.loads(engine.ok("pod", "ps", "--format", "json"))] == ["p"]
    engine.fails("pod", "start")
    engine.fails("pod", "inspect", "../p")


def test_a_restart_policy_of_a_member(engine: Engine) -> None:
    engine.ok("pod", "create", "--network", "none", "--name", "p")
    joined(engine, "p", "--name", "a", "--restart", "always", *LONG)
    before = namespace(engine, "a", "net")
    os.kill(engine.pids(engine.inspect("a")["Id"])[1], signal.SIGKILL)
    wait_for(lambda: engine.inspect("a")["RestartCount"] == 1 and engine.state("a")["Running"])
    assert namespace(engine, "a", "net") == before
    engine.ok("pod", "stop", "-t", "0", "p")
    assert state(engine, "p") == "Exited"


def test_a_restart_policy_of_the_pods(engine: Engine) -> None:
    """It is that of the containers that say nothing else."""
    engine.ok("pod", "create", "--network", "none", "--restart", "on-failure:3", "--name", "p")
    assert pod(engine, "p")["RestartPolicy"] == "on-failure"
    for name, options, policy in (("a", "", "on-failure"), ("b", "--restart always", "always"),
                                  ("c", "--restart no", "no"), ("d", "--rm", "no")):  # fmt: skip
        engine.ok("create", "--pod", "p", "--name", name, *options.split(), *LONG)
        assert engine.inspect(name)["HostConfig"]["RestartPolicy"]["Name"] == policy
    assert engine.inspect("a")["HostConfig"]["RestartPolicy"]["MaximumRetryCount"] == 3
    assert engine.inspect(infra(engine, "p"))["HostConfig"]["RestartPolicy"]["Name"] == "no"
    engine.ok("start", "a")
    os.kill(engine.pids(engine.inspect("a")["Id"])[1], signal.SIGKILL)
    wait_for(lambda: engine.inspect("a")["RestartCount"] == 1 and engine.state("a")["Running"])
    engine.ok("pod", "create", "--infra=false", "--share=", "--restart", "always", "--name", "q")
    engine.ok("create", "--network", "none", "--pod", "q", "--name", "e", *LONG)
    assert engine.inspect("e")["HostConfig"]["RestartPolicy"]["Name"] == "always"
    assert "not known" in engine.fails("pod", "create", "--restart", "perhaps")


def test_a_clone(engine: Engine) -> None:
    """It is what the other one is, but for ids and names, and shares nothing with it."""
    engine.ok("volume", "create", "named")
    engine.ok("pod", "create", "--name", "p", "--network", "none", "--label", "x=y", "--share",
              "net,uts,ipc,pid", "--restart", "on-failure", "--infra-name", "first",
              "--infra-conmon-pidfile", engine.home / "pid", "--shm-size", "2m")  # fmt: skip
    engine.ok("create", "--pod", "p", "--name", "a", "-e", "A=b c", "-v", "named:/named", "-v",
              "/own", "--tmpfs", "/t:size=1m", "-u", "7:8", "-w", "/tmp", "--read-only",
              "--cap-drop", "ALL", "--ulimit", "nofile=99", "--health-cmd", "true",
              "--stop-timeout", "0", "--init", *LONG)  # fmt: skip
    engine.ok("create", "--pod", "p", "--name", "b", "--network", "none", "--stop-timeout", "0",
              *LONG)  # fmt: skip
    engine.ok("pod", "start", "p")
    q = engine.ok("pod", "clone", "p", "q")
    about, before = pod(engine, "q"), pod(engine, "p")
    assert about["Id"] == q and about["State"] == "Created"
    names = [c["Name"] for c in about["Containers"]]
    assert names == ["first-clone", "a-clone", "b-clone"]
    for key in ("Labels", "SharedNamespaces", "ExitPolicy", "RestartPolicy", "CreateCommand"):
        assert about[key] == before[key], key
    assert engine.ok("pod", "start", "q") == q and state(engine, "q") == "Running"
    assert engine.ok("exec", "a-clone", "hostname") == "q" != engine.ok("exec", "a", "hostname")
    assert engine.ok("exec", "a-clone", "sh", "-c", "echo $HOSTNAME $A; pwd; id -u; ulimit -n") == (
        "q b c\n/tmp\n7\n99"
    )
    own = infra(engine, "q")
    for kind in ("net", "uts", "ipc", "pid"):
        assert namespace(engine, "a-clone", kind) == namespace(engine, own, kind), kind
        assert namespace(engine, "a-clone", kind) != namespace(engine, "a", kind), kind
    one, two = engine.inspect("a"), engine.inspect("a-clone")
    assert [m["Destination"] for m in two["Mounts"]] == [m["Destination"] for m in one["Mounts"]]
    sources = [{m["Destination"]: m["Source"] for m in about["Mounts"]} for about in (one, two)]
    assert sources[0]["/named"] == sources[1]["/named"] and sources[0]["/own"] != sources[1]["/own"]
    for key in ("Config", "HostConfig"):
        left, right = (dict(about[key]) for about in (one, two))
        for about in (left, right):
            for gone in ("Hostname", "Env", "VolumesFrom", "Pod", "NetworkMode", "IpcMode",
                         "PidMode", "UTSMode", "LogConfig"):  # fmt: skip
                about.pop(gone, None)
        assert left == right
    # again, with names of its own; those of the first are taken
    third = engine.ok("pod", "clone", "--start", "p")
    assert pod(engine, third)["Name"] == "p-clone" and state(engine, third) == "Running"
    assert "a-clone1" in engine.ps()
    fourth = engine.ok("pod", "clone", "--destroy", "--name", "r", "--start", "p")
    assert engine.run("pod", "exists", "p").code == 1 and state(engine, "r") == "Running"
    assert pod(engine, "r")["Id"] == fourth
    assert "already in use" in engine.fails("pod", "clone", "q", "r")
    assert "same time" in engine.fails("pod", "clone", "--name", "x", "q", "y")
    assert "no such pod" in engine.fails("pod", "clone", "nothing")
    engine.ok("pod", "rm", "-f", "-t0", "-a")
    assert engine.ok("volume", "ls", "-q") == "named"
    engine.ok("volume", "rm", "named")
    assert engine.left() == []


def test_a_clone_of_what_has_no_other(engine: Engine) -> None:
    text = ("apiVersion: v1\nkind: Pod\nmetadata: {name: k}\nspec:\n"
            "  volumes: [{name: e, emptyDir: {}}]\n  containers: [{name: a, image: busybox, "
            "volumeMounts: [{name: e, mountPath: /e}]}]\n")  # fmt: skip
    played = engine.run("kube", "play", "--network", "none", "--start=false", "-", input=text)
    assert played.code == 0, played
    assert "its volumes are its pod's alone" in engine.fails("pod", "clone", "k")
    engine.ok("pod", "create", "--infra=false", "--share=", "--name", "bare")
    engine.ok("create", "--pod", "bare", "--network", "none", "--name", "c", *LONG)
    engine.ok("pod", "clone", "--start", "bare")
    assert engine.ps() == ["c-clone"] and state(engine, "bare-clone") == "Running"
    said = engine.ok("exec", "c-clone", "sh", "-c", "hostname; echo $HOSTNAME").split()
    assert said == [engine.inspect("c-clone")["Id"][:12]] * 2


def test_a_clone_with_other_ids(user: Engine) -> None:
    user.ok("pod", "create", "--network", "none", "--name", "p", "--userns", "keep-id")
    user.ok("create", "--pod", "p", "--name", "a", "--stop-timeout", "0", *LONG)
    user.ok("pod", "clone", "--start", "p", "q")
    assert user.ok("exec", "a-clone", "id", "-un") == user.user
    assert namespace(user, "a-clone", "user") == namespace(user, infra(user, "q"), "user")
    user.ok("pod", "create", "--network", "none", "--name", "r", "--userns", "auto")
    assert "no other one may have its ids" in user.fails("pod", "clone", "r")


def test_a_damaged_pod_is_removed_by_force(engine: Engine) -> None:
    pod_id = engine.ok("pod", "create", "--network", "none", "--name", "p")
    joined(engine, "p", "--name", "a", *LONG)
    (engine.root / "pods" / pod_id / "pod.json").write_text("{")
    assert "damaged" in engine.fails("pod", "rm", pod_id, code=1)
    assert engine.ok("pod", "ps", "-q") == ""
    engine.ok("pod", "rm", "-f", pod_id)
    assert engine.left() == []


def test_half_made_and_half_removed_ones_are_swept(engine: Engine) -> None:
    pod_id = engine.ok("pod", "create", "--network", "none", "--name", "p")
    engine.ok("create", "--pod", "p", "--name", "a", "busybox")
    (engine.root / "pods" / pod_id / "pod.json").unlink()
    assert engine.ok("pod", "ps", "-q") == ""
    engine.ok("pod", "create", "--network", "none", "--name", "other")  # any creation sweeps
    engine.ok("pod", "rm", "other")
    assert engine.left() == []


def test_the_first_process_of_a_pod(engine: Engine) -> None:
    """No image, no command, no rights, an empty root that cannot be written."""
    engine.ok("pod", "create", "--network", "none", "--name", "p")
    engine.ok("pod", "start", "p")
    own = infra(engine, "p")
    about = engine.inspect(own)
    assert about["Config"]["Image"] == "" and about["HostConfig"]["ReadonlyRootfs"]
    pid = engine.pids(own)[1]
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    assert status["Name"] == "infra" and int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert status["Seccomp"] == "2" and len(os.listdir(f"/proc/{pid}/fd")) == 3
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    private = sum(int(line.split()[1]) for line in rollup.splitlines() if "Private" in line)
    assert private < 200, rollup


def test_system_prune(engine: Engine) -> None:
    pod_id = engine.ok("pod", "create", "--network", "none", "--name", "p")
    engine.ok("run", "--pod", "p", "busybox", "true")
    engine.ok("pod", "stop", "-t", "0", "p")
    kept = engine.ok("pod", "create", "--network", "none", "--name", "q")
    assert engine.ok("pod", "prune", "--dry-run") == pod_id
    assert len(engine.ok("pod", "ps", "-q").split()) == 2
    assert f"Deleted Pods:\n{pod_id}" in engine.ok("system", "prune", "-f")
    assert engine.ok("pod", "ps", "-q", "--no-trunc") == kept
    assert engine.run("system", "check").code == 0  # names that lead to pods lead somewhere
