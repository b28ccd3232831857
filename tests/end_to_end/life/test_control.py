"""pause, restart, rename, update, prune, port, wait --condition, events, exists."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable

from engine import Engine, free_port, wait_for

from crun_py import clock

NONE = ("--network", "none")


def sleeper(engine: Engine, name: str, *options: str) -> str:
    return engine.detached("--name", name, "--stop-timeout", "0", *options,
                           "busybox", "sleep", "1000")  # fmt: skip


# ---- pause ----


def test_pause_and_unpause(root: Engine) -> None:
    root.detached("--name", "c", "busybox", "sh", "-c", "while :; do echo x; sleep 0.02; done")
    root.logs_until("c", "x")
    assert root.ok("pause", "c") == "c"
    assert root.state("c")["Status"] == "paused" and root.state("c")["Paused"]
    assert "(Paused)" in root.ok("ps", "--format", "{{.Status}}")
    assert root.ps("--filter", "status=paused") == ["c"]
    before = root.ok("logs", "c")
    time.sleep(0.2)
    assert root.ok("logs", "c") == before
    assert "paused" in root.fails("exec", "c", "true")
    assert "not running" in root.fails("pause", "c")
    assert root.ok("unpause", "c") == "c"
    wait_for(lambda: root.ok("logs", "c") != before)
    assert "not paused" in root.fails("unpause", "c")


def test_paused_ones_are_stopped_killed_and_removed_at_once(root: Engine) -> None:
    for name in ("a", "b", "c"):
        script = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.02; done"
        root.detached("--name", name, "busybox", "sh", "-c", script)
        root.logs_until(name, "ready")
    assert len(root.ok("pause", "--all").split()) == 3
    root.ok("stop", "a")
    assert root.state("a")["ExitCode"] == 7
    root.ok("kill", "b")
    assert root.state("b")["ExitCode"] == 137
    root.ok("rm", "-f", "c")
    assert root.ps() == []


def test_pause_without_a_cgroup_says_what_is_missing(user: Engine) -> None:
    sleeper(user, "c")
    message = user.fails("pause", "c")
    assert "cgroup" in message and "(as root: " in message


# ---- restart, rename ----


def test_restart(engine: Engine) -> None:
    sleeper(engine, "c")
    pid = engine.state("c")["Pid"]
    assert engine.ok("restart", "c") == "c"
    assert engine.state("c")["Pid"] not in (0, pid)
    engine.ok("stop", "c")
    assert engine.ok("restart", "-t", "0", "c") == "c"
    assert engine.state("c")["Running"]
    sleeper(engine, "d")
    engine.ok("stop", "d")
    assert len(engine.ok("restart", "--running").split()) == 1
    assert engine.ps() == ["c"]
    assert "no such container" in engine.fails("restart", "nobody")


def test_rename(engine: Engine) -> None:
    container_id = sleeper(engine, "web")
    engine.ok("rename", "web", "shop")
    assert engine.ps() == ["shop"] and engine.inspect("shop")["Name"] == "/shop"
    assert "no such container" in engine.fails("inspect", "--type", "container", "web")
    sleeper(engine, "web")
    assert "already in use" in engine.fails("rename", "shop", "web")
    assert "its name already" in engine.fails("rename", "shop", "shop")
    assert "not allowed" in engine.fails("rename", "shop", "a/b")
    engine.ok("rename", container_id[:12], "yard")
    engine.ok("rm", "-f", "yard")
    assert engine.ps("-a") == ["web"]


# ---- update ----


def test_update_of_the_restart_policy(engine: Engine) -> None:
    sleeper(engine, "c")
    assert engine.ok("update", "--restart", "on-failure:3", "c") == "c"
    found = engine.inspect("c")["HostConfig"]["RestartPolicy"]
    assert found == {"Name": "on-failure", "MaximumRetryCount": 3}
    pid = engine.state("c")["Pid"]
    engine.ok("update", "--restart", "always", "c")
    engine.ok("stop", "c")
    time.sleep(0.3)
    assert engine.state("c")["Status"] == "exited"
    engine.ok("start", "c")
    assert engine.state("c")["Pid"] != pid


def test_update_with_nothing_or_nonsense(engine: Engine) -> None:
    sleeper(engine, "c")
    assert "nothing to change" in engine.fails("update", "c")
    assert "not known" in engine.fails("update", "--restart", "often", "c")


def test_update_of_a_limit_that_cannot_be_held(root: Engine) -> None:
    sleeper(root, "c")
    done = root.run("update", "--memory", "64m", "c")
    kept = root.inspect("c")["HostConfig"]["Memory"]
    assert (done.code, kept) in ((125, 0), (0, 64 << 20)), done
    done = root.run("update", "--blkio-weight", "100", "c")  # of no other kind
    assert (done.code, root.inspect("c")["HostConfig"]["BlkioWeight"]) in ((125, 0), (0, 100))
    assert done.code == 0 or "no cgroup v2 io controller" in done.err


# ---- prune, port, exists ----


def test_prune(engine: Engine) -> None:
    sleeper(engine, "runs")
    for name, label in (("old", "keep=1"), ("new", "a=b")):
        engine.ok("run", "--name", name, *NONE, "-l", label, "busybox", "sh", "-c",
                  "dd if=/dev/zero of=/f bs=1k count=5 2>/dev/null")  # fmt: skip
    new_id = engine.inspect("new")["Id"]
    out = engine.run("container", "prune", input="n\n").out
    assert out.startswith("WARNING!") and len(engine.ps("-a")) == 3
    out = engine.ok("container", "prune", "-f", "--filter", "label!=keep")
    assert out.splitlines() == ["Deleted Containers:", new_id, "", "Total reclaimed space: 5.12kB"]
    assert engine.ok("container", "prune", "-f", "--filter", "until=1h") == (
        "Total reclaimed space: 0B"
    )
    assert "Deleted" in engine.run("container", "prune", input="y\n").out
    assert engine.ps("-a") == ["runs"]
    assert "not known" in engine.fails("container", "prune", "-f", "--filter", "x=1")


def test_prune_that_only_says(engine: Engine) -> None:
    sleeper(engine, "runs")
    engine.ok("create", "--name", "base", *NONE, "busybox")
    engine.ok("create", "--name", "joined", "--network", "container:base", "busybox")
    engine.ok("create", "--name", "other", *NONE, "-v", "data:/d", "busybox")
    engine.ok("create", "--name", "kept", "--network", "container:runs", "busybox")
    anonymous = engine.ok("volume", "create")
    engine.ok("volume", "create", "named")
    engine.ok("network", "create", "--subnet", "10.143.7.0/24", "idle")
    kinds = (("ps", "-aq"), ("volume", "ls", "-q"), ("network", "ls", "-q"))
    before = [engine.ok(*words) for words in kinds], files(engine)

    said = engine.ok("container", "prune", "--dry-run").splitlines()
    assert said[0] == "Would delete Containers:" and said[-1] == "Total reclaimable space: 0B"
    volumes = engine.ok("volume", "prune", "--dry-run").splitlines()
    assert volumes == ["Would delete Volumes:", anonymous, "", "Total reclaimable space: 0B"]
    assert "named" in engine.ok("volume", "prune", "-a", "--dry-run").splitlines()
    assert "data" not in engine.ok("volume", "prune", "-a", "--dry-run").splitlines()
    networks = engine.ok("network", "prune", "--dry-run")
    assert networks.splitlines() == ["Would delete Networks:", "idle"]
    refused = engine.fails("container", "prune", "--dry-run", "--filter", "x=1")
    assert "not known" in refused
    assert ([engine.ok(*words) for words in kinds], files(engine)) == before

    for kind, was in (("container", said), ("volume", volumes)):
        done = engine.ok(kind, "prune", "-f").splitlines()
        assert done[1:-1] == was[1:-1], kind
    assert engine.ok("network", "prune", "-f").splitlines() == ["Deleted Networks:", "idle"]
    assert engine.ps("-a") == ["runs"]


def files(engine: Engine) -> dict[str, int]:
    """What the store has, and when each thing was changed."""
    return {
        str(path): path.lstat().st_mtime_ns
        for kind in ("containers", "volumes", "networks")
        for path in (engine.root / kind).rglob("*")
    }


def test_port(engine: Engine) -> None:
    port = free_port()
    engine.ok("run", "-d", "--name", "c", "-p", f"{port}:80", "-p", "127.0.0.1::53/udp",
              "--stop-timeout", "0", "busybox", "sleep", "1000")  # fmt: skip
    lines = sorted(engine.ok("port", "c").splitlines())
    assert lines[1] == f"80/tcp -> 0.0.0.0:{port}" and lines[0].startswith("53/udp -> 127.0.0.1:")
    assert engine.ok("port", "c", "80") == f"0.0.0.0:{port}"
    assert engine.ok("port", "c", "80/tcp") == f"0.0.0.0:{port}"
    assert "no public port" in engine.fails("port", "c", "81")
    assert f"80/tcp -> 0.0.0.0:{port}" in engine.ok("port", "--all")
    engine.ok("stop", "c")
    assert engine.ok("port", "c") == ""


def test_container_exists(engine: Engine) -> None:
    sleeper(engine, "c")
    assert engine.run("container", "exists", "c").code == 0
    assert engine.run("container", "exists", "nobody") == (1, "", "", b"")


# ---- wait ----


def test_wait_for_conditions(engine: Engine) -> None:
    engine.ok("create", *NONE, "--name", "c", "--health-cmd", "true", "--health-interval", "100ms",
              "--stop-timeout", "0", "busybox", "sleep", "1000")  # fmt: skip
    assert engine.ok("wait", "--condition", "created", "c") == "-1"
    results = {}

    def wait(condition: str) -> None:
        results[condition] = engine.ok("wait", "--condition", condition, "c", timeout=30)

    threads = [threading.Thread(target=wait, args=(c,)) for c in ("running", "healthy", "exited")]
    for thread in threads:
        thread.start()
    engine.ok("start", "c")
    threads[0].join()
    threads[1].join()
    engine.ok("stop", "c")
    threads[2].join()
    assert results == {"running": "-1", "healthy": "-1", "exited": "137"}
    removed = threading.Thread(target=wait, args=("removed",))
    removed.start()
    time.sleep(0.2)
    engine.ok("rm", "c")
    removed.join()
    assert results["removed"] == "-1"
    assert "not known" in engine.fails("wait", "--condition", "tired", "c")


# ---- events ----


def test_events_of_a_life(engine: Engine) -> None:
    container_id = engine.detached("--name", "c", "-l", "a=b", "busybox", "sleep", "1000")
    engine.ok("exec", "c", "true")
    engine.ok("kill", "c")
    engine.ok("rename", "c", "d")
    engine.ok("rm", "d")
    lines = engine.ok("events", "--since", "10m", "--until", "0s", "--format", "json").splitlines()
    events = [json.loads(line) for line in lines]
    mine = [e for e in events if e["Type"] == "container" and e["id"] == container_id]
    assert [e["Action"].partition(":")[0] for e in mine] == [
        "create", "start", "exec_create", "exec_start", "exec_die", "kill", "die", "stop", "rename",
        "destroy",
    ]  # fmt: skip
    (die,) = (e for e in mine if e["Action"] == "die")
    assert die["Actor"]["Attributes"] == {
        "a": "b",
        "image": "busybox",
        "name": "c",
        "exitCode": "137",
    }
    assert die["time"] == die["timeNano"] // 10**9 and die["Actor"]["ID"] == container_id


def test_events_filters_and_formats(engine: Engine) -> None:
    began = clock.now()
    for name in ("web", "shop"):
        engine.ok("run", "--rm", *NONE, "--name", name, "-l", f"who={name}", "busybox", "true")

    def look(*filters: str) -> list[str]:
        options = [word for f in filters for word in ("--filter", f)]
        return engine.ok("events", "--since", began, "--until", "0s", *options, "--format",
                         "{{.Action}} {{.Actor.Attributes.name}}").splitlines()  # fmt: skip

    assert look("event=die") == look("event=died") == ["die web", "die shop"]
    assert look("event=start", "container=web") == ["start web"]
    assert look("label=who=shop", "event=destroy") == ["destroy shop"]
    assert look("type=network") == []
    assert "not known" in engine.fails("events", "--until", "0s", "--filter", "colour=red")
    text = engine.ok("events", "--since", began, "--until", "0s", "--filter", "event=die")
    assert " container die " in text and "(exitCode=0, image=busybox, name=web, who=web)" in text


def test_events_stream(engine: Engine) -> None:
    engine.ok("run", "--rm", *NONE, "--name", "web", "busybox", "true")
    process = engine.popen(
        "events", "--since", clock.now(), "--format", "{{.Action}}", "--filter", "type=container"
    )
    time.sleep(0.4)
    engine.ok("run", "--rm", *NONE, "--name", "shop", "busybox", "true")
    seen = [process.stdout.readline().decode().strip() for _ in range(4)]
    assert seen == ["create", "start", "die", "destroy"]
    process.terminate()


def test_rm_depend_and_ignore_and_filter(engine: Engine) -> None:
    sleeper(engine, "first")
    engine.ok("run", "-d", "--name", "second", "--network", "container:first",
              "--stop-timeout", "0", "busybox", "sleep", "1000")  # fmt: skip
    sleeper(engine, "third", "-l", "x=y")
    engine.ok("rm", "-f", "--filter", "label=x=y")
    assert engine.ps("-a") == ["first", "second"]
    assert engine.ok("rm", "--ignore", "nobody") == ""
    engine.ok("rm", "-f", "--depend", "first")
    assert engine.ps("-a") == []


def test_cleanup_by_hand(engine: Engine) -> None:
    engine.run("run", "--name", "web", *NONE, "busybox", "false")
    sleeper(engine, "shop")
    assert engine.ok("container", "cleanup", "web", "shop") == ""
    assert engine.ps("-a") == ["web", "shop"]
    engine.ok("container", "cleanup", "--all", "--rm")
    assert engine.ps("-a") == ["shop"]


def test_latest_filter_and_cidfile(root: Engine) -> None:
    """podman's ways of naming containers, where they were missing."""
    cidfile = root.home / "cid"
    root.detached("--name", "web", "-l", "x=y", "--stop-timeout", "0", "busybox", "sleep", "1000")
    root.detached("--name", "shop", "--cidfile", cidfile, "--stop-timeout", "0", "busybox", "sleep",
                  "1000")  # fmt: skip
    shop = cidfile.read_text()
    assert root.ok("pause", "--cidfile", cidfile) == shop
    assert root.ok("unpause", "--latest") == shop
    web = root.inspect("web")["Id"]
    for command in ("pause", "unpause", "restart", "stop"):
        assert root.ok(command, "-f", "label=x=y") == web
    assert root.ok("restart", "--cidfile", cidfile) == shop
    assert root.ok("exec", "-l", "cat", "/etc/hostname") == shop[:12]
    assert "COMMAND" in root.fails("exec", "web")
    assert root.ok("inspect", "-l", "-t", "container", "-f", "{{.Name}}") == "/shop"
    assert root.ok("container", "inspect", "-l", "-f", "{{.Name}}") == "/shop"
    root.ok("exec", "-l", "touch", "/made")
    assert root.ok("diff", "-l") == "A /made"
    for wrong in ("status=bogus", "health=well", "restart-policy=often"):
        assert "not one" in root.fails("ps", "-a", "--filter", wrong)
    assert "block device" in root.fails("update", "--device-read-bps", "/dev/null:1m", "web")


def everything(engine: Engine) -> dict[str, int]:
    """All that the store has, and when each thing was changed; locks and what commands note for
    their own sake are left out."""
    return {
        str(path): path.lstat().st_mtime_ns
        for kind in ("containers", "volumes", "networks", "images", "layers", "pods", "build")
        for path in (engine.root / kind).rglob("*")
        if "lock" not in path.name and path.is_file()
    }


def test_removals_that_only_say(fresh: Callable[[str], Engine], engine: Engine) -> None:
    """`rm`, `rmi`, `image prune`, `system prune`: what they say, they do then, no less and no
    more."""
    engine = fresh("user" if engine.rootless else "root")
    engine.ok("pull", "-q", "busybox")
    dockerfile = "FROM busybox\nRUN echo {} >/f\n"
    for name in ("one", "two", "three"):
        engine.ok(
            "build", "-q", "--network", "none", "-t", name, "-", input=dockerfile.format(name)
        )
    engine.ok("tag", "one", "also")
    engine.ok("run", "-d", "--name", "runs", *NONE, "two", "sleep", "1000")
    engine.ok("create", "--name", "base", *NONE, "busybox")
    engine.ok("create", "--name", "of-one", *NONE, "one")
    engine.ok("create", "--name", "joined", "--network", "container:base", "busybox")
    engine.ok("network", "create", "--subnet", "10.143.8.0/24", "n")
    engine.ok("create", "--name", "netted", "--network", "n", "-v", "/anonymous", "busybox")
    engine.ok("pod", "create", "--name", "p", "--network", "none")
    engine.ok("run", "--pod", "p", "--name", "member", "busybox", "true")
    engine.ok("pod", "stop", "-t", "0", "p")
    before = everything(engine)

    assert engine.ok("rm", "--dry-run", "joined", "base") == "joined\nbase"
    assert "shared by container" in engine.fails("rm", "--dry-run", "base", code=1)
    assert "it is running" in engine.fails("rm", "--dry-run", "runs", code=1)
    assert engine.ok("rm", "--dry-run", "-f", "runs") == "runs"
    assert "no such container" in engine.fails("rm", "--dry-run", "nobody", code=1)
    assert engine.ok("rmi", "--dry-run", "also") == "Would untag: also:latest"
    assert "uses it" in engine.fails("rmi", "--dry-run", "two", code=1)
    two_names = engine.run("rmi", "--dry-run", "-f", "also", "one")
    assert "would be removed" in two_names.err
    assert two_names.out.splitlines()[:2] == ["Would untag: also:latest", "Would untag: one:latest"]
    assert "Would delete: sha256:" in two_names.out
    pruned = engine.ok("image", "prune", "-a", "--dry-run")
    assert pruned.splitlines()[:2] == ["Would delete Images:", "untagged: three:latest"]
    said = engine.ok("system", "prune", "-a", "--volumes", "--dry-run")
    assert everything(engine) == before

    done = engine.ok("system", "prune", "-a", "--volumes", "-f")
    words = done.replace("Deleted", "Would delete").replace("reclaimed", "reclaimable")
    assert words == said  # also how much that is
    assert said.count("Would delete") == 6 and "Total reclaimable space: " in said
    assert engine.ok("ps", "-a", "--format", "{{.Names}}") == "runs"
    engine.ok("rm", "-f", "-t", "0", "runs")
