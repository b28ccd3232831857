"""What config.json asks for, and what is refused (config.md, config-linux.md)."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import struct
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engine import wait_for
from oci_bundles import Bundle, Runtime

HOOK_KINDS = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart",
              "poststop"]  # fmt: skip


def shown(oci: Runtime, bundle: Bundle, script: str, **process: Any) -> str:
    return oci.ok("run", "-b", bundle.write("sh", "-c", script, **process).path, "c")


def test_the_process(any_oci: Runtime, bundle: Bundle) -> None:
    sets = {name: ["CAP_CHOWN", "CAP_KILL"] for name in
            ("bounding", "effective", "permitted", "inheritable", "ambient")}  # fmt: skip
    sets["effective"] = ["CAP_KILL"]
    sets["ambient"] = ["CAP_KILL"]
    out = shown(
        any_oci, bundle,
        "id; umask; pwd; env; grep -E 'Cap|NoNewPrivs|oom' /proc/self/status; "
        "cat /proc/self/oom_score_adj",
        user={"uid": 5, "gid": 6, "additionalGids": [7, 8], "umask": 0o77},
        capabilities=sets, noNewPrivileges=False, cwd="/tmp", oomScoreAdj=123,
        env=["PATH=/bin", "A=b"],
    )  # fmt: skip
    assert "uid=5 gid=6 groups=6,7,8" in out or "uid=5 gid=6 groups=7,8" in out
    assert "\n0077\n/tmp\n" in out and "A=b" in out and "NoNewPrivs:\t0" in out
    found = dict(line.split(":\t") for line in out.splitlines() if line.startswith("Cap"))
    assert {name: int(mask, 16) for name, mask in found.items()} == {
        "CapInh": 0x21, "CapPrm": 0x20, "CapEff": 0x20, "CapBnd": 0x21, "CapAmb": 0x20,
    }  # fmt: skip
    assert out.endswith("\n123")


def test_root_names_mounts(any_oci: Runtime, bundle: Bundle) -> None:
    bundle.config["root"]["readonly"] = True
    bundle.config["hostname"] = "told"
    (bundle.path / "data").mkdir()
    (bundle.path / "data/file").write_text("bound\n")
    bundle.config["mounts"] += [
        {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs",
         "options": ["size=1m", "mode=1777", "nosuid"]},
        {"destination": "/data", "type": "bind", "source": str(bundle.path / "data"),
         "options": ["rbind", "ro"]},
    ]  # fmt: skip
    bundle.config["linux"]["maskedPaths"] = ["/proc/version", "/proc/nothere"]
    bundle.config["linux"]["readonlyPaths"] = ["/proc/sys"]
    bundle.config["linux"]["sysctl"] = {"kernel.domainname": "dom"}
    out = shown(
        any_oci, bundle,
        "hostname; touch /x 2>&1; touch /tmp/x && echo tmp; cat /data/file; touch /data/y 2>&1; "
        "wc -c < /proc/version; cd /proc/sys/kernel; echo 1 > domainname; cat domainname; "
        "for d in null zero full random urandom tty; do stat -c '%n %F %t,%T' /dev/$d; done; "
        "for l in fd stdin ptmx; do readlink /dev/$l; done",
    )  # fmt: skip
    lines = out.splitlines()
    assert lines[0] == "told" and "Read-only" in lines[1] and lines[2:4] == ["tmp", "bound"]
    assert "Read-only" in lines[4] and lines[5] == "0" and "dom" in lines
    assert "/dev/null character special file 1,3" in lines
    assert lines[-3:] == ["/proc/self/fd", "/proc/self/fd/0", "pts/ptmx"]


def test_namespaces_with_paths(any_oci: Runtime, bundle: Bundle) -> None:
    any_oci.create("first", bundle.write("sleep", "1000"))
    pid = any_oci.state("first")["pid"]
    for entry in bundle.config["linux"]["namespaces"]:
        if entry["type"] in ("network", "ipc", "uts"):
            name = {"network": "net"}.get(entry["type"], entry["type"])
            entry["path"] = f"/proc/{pid}/ns/{name}"
    del bundle.config["hostname"]
    wanted = {name: os.readlink(f"/proc/{pid}/ns/{name}") for name in ("net", "ipc", "uts")}
    out = shown(any_oci, bundle, "for n in net ipc uts; do readlink /proc/self/ns/$n; done")
    assert out.splitlines() == [wanted["net"], wanted["ipc"], wanted["uts"]]


def _own_users(bundle: Bundle) -> None:
    """A user namespace, whose root the bundle belongs to."""
    linux = bundle.config["linux"]
    linux["namespaces"].append({"type": "user"})
    for name in ("uidMappings", "gidMappings"):
        linux[name] = [{"containerID": 0, "hostID": 100000, "size": 1000}]
    for path in (bundle.path, bundle.rootfs, *bundle.rootfs.rglob("*")):
        os.chown(path, 100000, 100000, follow_symlinks=False)
    bundle.path.parent.chmod(0o755)


def test_a_user_namespace(any_oci: Runtime, bundle: Bundle) -> None:
    _own_users(bundle)
    out = shown(any_oci, bundle, "id -u; cat /proc/self/uid_map; touch /tmp/mine && echo made")
    assert out.split() == ["0", "0", "100000", "1000", "made"]
    assert (bundle.rootfs / "tmp/mine").stat().st_uid == 100000


def test_a_pid_namespace_that_is_there(any_oci: Runtime, bundle: Bundle) -> None:
    """Its processes are shown, and no others: procfs is that of the namespace."""
    any_oci.create("first", bundle.write("sleep", "1000"))
    any_oci.ok("start", "first")
    pid = any_oci.state("first")["pid"]
    entry = next(n for n in bundle.config["linux"]["namespaces"] if n["type"] == "pid")
    entry["path"] = f"/proc/{pid}/ns/pid"
    out = shown(any_oci, bundle, "ps; readlink /proc/self/ns/pid; echo /proc/[0-9]* | wc -w")
    assert "sleep 1000" in out and os.readlink(f"/proc/{pid}/ns/pid") in out
    assert int(out.split()[-1]) <= 5 and "qemu" not in out and "pytest" not in out


def test_a_tmpfs_with_the_content_below_it(any_oci: Runtime, bundle: Bundle) -> None:
    (bundle.rootfs / "etc/file").write_text("content")
    bundle.config["mounts"].append(
        {"destination": "/etc", "type": "tmpfs", "source": "tmpfs",
         "options": ["rw", "tmpcopyup", "size=1m", "mode=0751"]}
    )  # fmt: skip
    out = shown(any_oci, bundle, "cat /etc/file; echo; stat -c %a /etc; echo x > /etc/file")
    # runc takes the directory's mode whatever is said
    assert out.split() == ["content", "751" if any_oci.ours else "755"]
    assert (bundle.rootfs / "etc/file").read_text() == "content"


def test_capabilities_that_nobody_can_give(oci: Runtime, bundle: Bundle) -> None:
    """They are warned of, as the specification wants it, and left out."""
    bundle.config["process"]["capabilities"]["bounding"].append("CAP_NONE")
    bundle.write("true")
    done = oci.run("run", "-b", bundle.path, "c")
    assert done.returncode == 0 and "CAP_NONE" in done.stderr and "warning" in done.stderr


def test_ambient_capabilities_that_are_not_inheritable(oci: Runtime, bundle: Bundle) -> None:
    """buildah asks for them; the kernel gives none."""
    bundle.config["process"]["capabilities"]["ambient"] = ["CAP_KILL"]
    assert "CapAmb:\t0000000000000000" in shown(oci, bundle, "cat /proc/self/status")


def test_shares_without_a_controller(oci: Runtime, bundle: Bundle) -> None:
    """A weight is no limit; the usual one, which containerd asks for, is no matter for words."""
    for shares, told in ((1024, ""), (100, "cpu.shares 100")):
        bundle.config["linux"]["resources"] = {"cpu": {"shares": shares}}
        done = oci.run("run", "-b", bundle.write("true").path, "c")
        assert done.returncode == 0 and told in done.stderr and bool(told) == bool(done.stderr)


def test_a_time_namespace(oci: Runtime, bundle: Bundle) -> None:
    linux = bundle.config["linux"]
    linux["namespaces"].append({"type": "time"})
    linux["timeOffsets"] = {"boottime": {"secs": 10**6}, "monotonic": {"secs": 7, "nanosecs": 5}}
    script = "cat /proc/uptime; cat /proc/self/timens_offsets"
    lines = shown(oci, bundle, script).splitlines()
    own = float(Path("/proc/uptime").read_text().split()[0])
    assert -5 < float(lines[0].split()[0]) - own - 10**6 < 60
    assert [line.split() for line in lines[1:]] == [
        ["monotonic", "7", "5"], ["boottime", "1000000", "0"]]  # fmt: skip
    oci.create("first", bundle.write("sleep", "1000"))
    oci.ok("start", "first")
    assert oci.ok("exec", "first", "cat", "/proc/self/timens_offsets").split()[-2] == "1000000"
    linux["namespaces"][-1]["path"] = f"/proc/{oci.state('first')['pid']}/ns/time"
    del linux["timeOffsets"]
    assert float(shown(oci, bundle, "cat /proc/uptime").split()[0]) > 10**6


@pytest.mark.parametrize(("word", "told"), [("rprivate", False), ("shared", True)])
def test_the_roots_propagation(oci: Runtime, bundle: Bundle, word: str, told: bool) -> None:
    bundle.config["linux"]["rootfsPropagation"] = word
    line = shown(oci, bundle, "grep ' / rw' /proc/self/mountinfo")
    assert ("shared:" in line.partition(" - ")[0]) is told


def test_hooks(oci: Runtime, bundle: Bundle) -> None:
    log = bundle.path / "log"
    script = 'read state; echo "$0 $A $(readlink /proc/self/ns/mnt) $state" >> '
    bundle.config["hooks"] = {
        kind: [{"path": "/bin/sh", "args": ["sh", "-c", f"{script} {log}", kind], "env": ["A=b"]}]
        for kind in HOOK_KINDS
    }
    # in the container its root is the bundle's: the same path is made there
    inside = bundle.rootfs / str(log)[1:]
    inside.parent.mkdir(parents=True)
    oci.create("c", bundle.write("sleep", "1000"))
    pid = oci.state("c")["pid"]
    mounts = os.readlink(f"/proc/{pid}/ns/mnt")
    told = [line.split(" ", 3) for line in log.read_text().splitlines()]
    assert [line[0] for line in told] == HOOK_KINDS[:3] and {line[1] for line in told} == {"b"}
    own = os.readlink("/proc/self/ns/mnt")
    assert [line[2] for line in told] == [own, own, mounts]
    state = json.loads(told[0][3])
    assert (state["id"], state["status"], state["pid"]) == ("c", "creating", pid)
    oci.ok("start", "c")
    kind, _, where, text = inside.read_text().split(" ", 3)
    assert (kind, where) == ("startContainer", mounts)
    assert json.loads(text)["status"] == "created"
    oci.ok("delete", "--force", "c")
    kinds = [line.split()[0] for line in log.read_text().splitlines()]
    assert kinds == [*HOOK_KINDS[:3], "poststart", "poststop"]


@pytest.mark.parametrize("kind", HOOK_KINDS[:4])
@pytest.mark.parametrize("how", ["fails", "hangs"])
def test_hooks_that_fail_or_hang(oci: Runtime, bundle: Bundle, kind: str, how: str) -> None:
    script = "echo words >&2; exit 3" if how == "fails" else "exec sleep 1000"
    bundle.config["hooks"] = {
        kind: [{"path": "/bin/sh", "args": ["sh", "-c", script], "timeout": 1,
                "env": ["PATH=/bin"]}]}  # fmt: skip
    bundle.write("sleep", "1000")
    said = oci.fails("run", "-b", bundle.path, "c")
    assert kind in said and ("words" in said if how == "fails" else "1 s" in said)
    oci.ok("delete", "--force", "c")
    assert oci.ok("list", "-q") == ""


def _changed(bundle: Bundle, change: Callable[[Any], object]) -> None:
    bundle.write("true")
    change(bundle.config)
    (bundle.path / "config.json").write_text(json.dumps(bundle.config))


BAD: dict[str, tuple[Callable[[Any], object], str]] = {
    "no process": (lambda c: c.pop("process"), "process"),
    "no root": (lambda c: c.pop("root"), "root"),
    "no version": (lambda c: c.pop("ociVersion"), "ociVersion"),
    "version 2": (lambda c: c.update(ociVersion="2.0.0"), "ociVersion"),
    "args empty": (lambda c: c["process"].update(args=[]), "args"),
    "args text": (lambda c: c["process"].update(args="true"), "args"),
    "cwd relative": (lambda c: c["process"].update(cwd="tmp"), "cwd"),
    "cwd up": (lambda c: c["process"].update(cwd="/../../etc"), "cwd"),
    "uid": (lambda c: c["process"]["user"].update(uid=-1), "uid"),
    "namespace": (lambda c: c["linux"]["namespaces"].append({"type": "x"}), "namespaces"),
    "namespace twice": (lambda c: c["linux"]["namespaces"].append({"type": "pid"}), "twice"),
    "namespace path": (
        lambda c: c["linux"]["namespaces"][0].update(path="/proc/1/ns/nothere"), "namespace"),
    "host mounts": (
        lambda c: c["linux"].update(
            namespaces=[n for n in c["linux"]["namespaces"] if n["type"] != "mount"]), "mount"),
    "rlimit": (
        lambda c: c["process"].update(rlimits=[{"type": "RLIMIT_X", "soft": 1, "hard": 1}]),
        "rlimits"),
    "rlimit order": (
        lambda c: c["process"].update(rlimits=[{"type": "RLIMIT_NOFILE", "soft": 2, "hard": 1}]),
        "soft"),
    "mount source": (
        lambda c: c["mounts"].append({"destination": "/x", "type": "bind", "options": ["bind"]}),
        "source"),
    "hook path": (lambda c: c.update(hooks={"prestart": [{"path": "x"}]}), "hooks"),
    "hook kind": (lambda c: c.update(hooks={"other": []}), "hooks"),
    "hook time": (
        lambda c: c.update(hooks={"poststop": [{"path": "/x", "timeout": 0}]}), "timeout"),
    "personality": (
        lambda c: c["linux"].update(personality={"domain": "BSD"}), "personality"),
    "propagation": (lambda c: c["linux"].update(rootfsPropagation="rx"), "rootfsPropagation"),
    "time": (
        lambda c: c["linux"].update(timeOffsets={"boottime": {"nanosecs": 10**9}}), "nanosecs"),
    "host's sysctl": (lambda c: c["linux"].update(sysctl={"kernel.panic": "1"}), "kernel.panic"),
    "host's network": (
        lambda c: (c["linux"].update(sysctl={"net.ipv4.ip_forward": "1"}),
                   c["linux"]["namespaces"].remove({"type": "network"})), "net.ipv4"),
    "host's network by its path": (
        lambda c: (c["linux"].update(sysctl={"net.ipv4.ip_forward": "1"}),
                   next(n for n in c["linux"]["namespaces"] if n["type"] == "network").update(
                       path="/proc/self/ns/net")), "net.ipv4"),
    "environment": (lambda c: c["process"].update(env=["A"]), "env"),
    "huge pages": (
        lambda c: c["linux"].update(resources={"hugepageLimits": [{"limit": 1}]}), "hugepage"),
    "rdma": (
        lambda c: c["linux"].update(resources={"rdma": {"mlx5_1": {"hcaHandles": -1}}}), "rdma"),
    "rdma of a device that has a strange name": (
        lambda c: c["linux"].update(resources={"rdma": {"a b": {"hcaHandles": 1}}}), "rdma"),
    "network classes": (
        lambda c: c["linux"].update(resources={"network": {"classID": 1}}), "network"),
    "mapped mount": (
        lambda c: c["mounts"][0].update(uidMappings=[{"containerID": 0}]), "uidMappings"),
    "half mapped mount": (
        lambda c: c["mounts"].append({
            "destination": "/x", "type": "bind", "source": "/",
            "uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}]}), "together"),
    "mapped without a user namespace": (
        lambda c: c["mounts"].append({
            "destination": "/x", "type": "bind", "source": "/", "options": ["idmap"]}),
        "no user namespace"),
    "mapped tmpfs": (
        lambda c: c["mounts"].append({
            "destination": "/x", "type": "tmpfs", "options": ["idmap"]}), "bind mounts alone"),
    "remounted nothing": (
        lambda c: c["mounts"].append({
            "destination": "/tmp", "type": "none", "options": ["remount", "ro"]}), "/tmp"),
    "nobody listens": (
        lambda c: c["linux"].update(seccomp=_notified("mkdir", "/nothing/there")),
        "/nothing/there"),
    "notified of how we tell": (
        lambda c: c["linux"].update(seccomp=_notified("sendmsg", "/x")), "sendmsg"),
    "notified, but nobody is named": (
        lambda c: c["linux"].update(seccomp=_notified("mkdir", "")), "listenerPath"),
    "flag of seccomp": (
        lambda c: c["linux"].update(seccomp={"defaultAction": "SCMP_ACT_ALLOW", "flags": ["X"]}),
        "flag"),
    "affinity": (
        lambda c: c["process"].update(execCPUAffinity={"final": "1-"}), "execCPUAffinity.final"),
    "rdt": (lambda c: c["linux"].update(intelRdt={"closID": "x"}), "intelRdt"),
    "cgroup form": (lambda c: c["linux"].update(cgroupsPath="a:b:c"), "cgroupsPath"),
    "limits": (
        lambda c: c["linux"].update(resources={"memory": {"limit": 1 << 30}}), "memory"),
    "priority": (
        lambda c: c["process"].update(ioPriority={"class": "X"}), "ioPriority"),
    "scheduler": (lambda c: c["process"].update(scheduler={"policy": "X"}), "scheduler"),
    "mappings": (
        lambda c: c["linux"]["namespaces"].append({"type": "user"}), "Mappings"),
}  # fmt: skip


def _notified(name: str, listener: str) -> Any:
    rule = {"names": [name], "action": "SCMP_ACT_NOTIFY"}
    return {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": listener, "syscalls": [rule],
            "listenerMetadata": "for you"}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_what_is_refused(oci: Runtime, bundle: Bundle, what: str) -> None:
    change, told = BAD[what]
    _changed(bundle, change)
    said = oci.fails("create", "-b", bundle.path, "c")
    assert told in said and said.count("\n") == 1, said
    assert not oci.root.exists() or os.listdir(oci.root) == []


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"a": ' * 5000, "\0"])
def test_what_is_no_document(oci: Runtime, bundle: Bundle, text: str) -> None:
    (bundle.path / "config.json").write_text(text)
    assert "config.json" in oci.fails("run", "-b", bundle.path, "c")
    (bundle.path / "config.json").unlink()
    assert "config.json" in oci.fails("run", "-b", bundle.path, "c")


@pytest.mark.parametrize("name", ["", "a/b", "..", ".", "a b", "ä"])
def test_ids(oci: Runtime, bundle: Bundle, name: str) -> None:
    bundle.write("true")
    assert "container id" in oci.fails("create", "-b", bundle.path, "--", name)


def test_messages_in_a_log(oci: Runtime, bundle: Bundle, tmp_path: Path) -> None:
    log = tmp_path / "log"
    for form in ("json", "text"):
        done = oci.run("--log", log, "--log-format", form, "state", "nothere")
        assert done.returncode == 1 and done.stderr.strip() == "container nothere does not exist"
    first, second = log.read_text().splitlines()
    told = json.loads(first)
    assert told["level"] == "error" and told["msg"] == "container nothere does not exist"
    assert "level=error" in second and 'msg="container nothere does not exist"' in second
    assert "xml" in oci.fails("--log-format", "xml", "list")
    assert "no such file" in oci.fails("--log", tmp_path / "no/log", "list")


def test_hostile_roots(oci: Runtime, bundle: Bundle) -> None:
    """Links of the root file system lead nowhere out of it."""
    canary = bundle.path / "canary"
    canary.mkdir()
    (canary / "file").write_text("untouched")
    for name in ("proc", "dev", "sys", "tmp"):
        path = bundle.rootfs / name
        path.rmdir()
        path.symlink_to(f"../../{canary.name}")
    bundle.write("sh", "-c", "echo x > /tmp/file; echo ended")
    oci.run("run", "-b", bundle.path, "c")
    assert (canary / "file").read_text() == "untouched" and os.listdir(canary) == ["file"]


def test_a_tmpfs_that_would_begin_with_files_of_the_host(oci: Runtime, bundle: Bundle) -> None:
    """A link of the root file system gets none of them into the container."""
    secret = bundle.path / "secret"
    secret.mkdir()
    (secret / "key").write_text("secret words")
    (bundle.rootfs / "etc").rmdir()
    for target in (f"../../{secret.name}", str(secret)):
        link = bundle.rootfs / "etc"
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        bundle.config["mounts"] = [m for m in bundle.config["mounts"] if m["destination"] != "/etc"]
        bundle.config["mounts"].append(
            {"destination": "/etc", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]}
        )
        done = oci.run("run", "-b", bundle.write("cat", "/etc/key").path, "c")
        assert "secret words" not in done.stdout and done.returncode != 0
    assert [path.name for path in secret.iterdir()] == ["key"]


def test_manner_of_running(oci: Runtime, bundle: Bundle) -> None:
    bundle.config["linux"]["personality"] = {"domain": "LINUX32"}
    out = shown(oci, bundle, "cat /proc/self/personality /proc/self/stat",
                scheduler={"policy": "SCHED_BATCH", "nice": 5},
                ioPriority={"class": "IOPRIO_CLASS_IDLE"})  # fmt: skip
    assert out.splitlines()[0] == "00000008"
    fields = out.splitlines()[-1].rpartition(")")[2].split()
    assert (fields[38], fields[16]) == ("3", "5")  # policy, nice: proc(5)


def test_seccomp(any_oci: Runtime, bundle: Bundle) -> None:
    bundle.config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": ["mkdir", "mkdirat", "nosuchcall"], "action": "SCMP_ACT_ERRNO",
                      "errnoRet": 5}],
    }  # fmt: skip
    assert "Input/output error" in shown(any_oci, bundle, "mkdir /tmp/d 2>&1; true")


def test_features_and_version(oci: Runtime) -> None:
    found = json.loads(oci.ok("features"))
    assert found["ociVersionMax"] == "1.2.0" and "pid" in found["linux"]["namespaces"]
    assert set(found["hooks"]) == set(HOOK_KINDS)
    assert found["linux"]["intelRdt"] == {"enabled": True, "schemata": True, "monitoring": True}
    assert oci.ok("--version").splitlines()[0].startswith("crunpy-oci version")
    for words in (("checkpoint", "c"), ("restore", "c"), ("state",),
                  ("list", "--nothere")):  # fmt: skip
        assert oci.fails(*words)
    assert "Usage" in oci.ok("--help") and "--bundle" in oci.ok("run", "--help")


def test_mounts_with_other_owners(oci: Runtime, bundle: Bundle) -> None:
    """By mappings of their own, with and without what is mounted below; by those of the user
    namespace."""
    shared = bundle.path / "shared"
    (shared / "below").mkdir(parents=True)
    (shared / "file").touch()
    os.chown(shared / "file", 1000, 1000)
    rows = [{"containerID": 1000, "hostID": 5, "size": 1},
            {"containerID": 0, "hostID": 3000, "size": 1}]  # fmt: skip
    for words, below in (([], "0"), (["idmap"], "0"), (["ridmap"], "3000")):
        bundle.config["mounts"][:] = [m for m in bundle.config["mounts"] if "/m" not in m.values()]
        bundle.config["mounts"].append({
            "destination": "/m", "type": "bind", "source": "shared",
            "options": ["rbind", *words], "uidMappings": rows, "gidMappings": rows})  # fmt: skip
        bundle.write("sh", "-c", "stat -c %u:%g /m/file; stat -c %u /m/below; "
                     "touch /m/new 2>/dev/null || echo no")  # fmt: skip
        mounted = ["unshare", "-m", "sh", "-c",
                   f"mount -t tmpfs none {shared}/below && exec \"$@\"", "sh"]  # fmt: skip
        done = subprocess.run([*mounted, *oci.command("run", "-b", bundle.path, "c")],
                              capture_output=True, text=True, timeout=60)  # fmt: skip
        assert done.stdout.split() == ["5:5", below, "no"], (words, done.stderr)
    del bundle.config["mounts"][-1]["uidMappings"], bundle.config["mounts"][-1]["gidMappings"]
    os.chown(shared / "file", 7, 7)
    _own_users(bundle)
    bundle.write("sh", "-c", "stat -c %u /m/file; touch /m/made")
    assert oci.ok("run", "-b", bundle.path, "c") == "7"
    assert (shared / "made").stat().st_uid == 0


def test_remount(any_oci: Runtime, bundle: Bundle) -> None:
    """What is mounted is changed: a mount alone, a file system."""
    (bundle.path / "shared").mkdir()
    bundle.config["mounts"] += [
        {"destination": "/m", "type": "bind", "source": "shared", "options": ["bind"]},
        {"destination": "/m", "type": "bind", "source": "shared",
         "options": ["bind", "remount", "ro", "nosuid", "noexec"]},
        {"destination": "/t", "type": "tmpfs", "source": "tmpfs", "options": ["size=64k"]},
        {"destination": "/t", "type": "tmpfs", "source": "tmpfs",
         "options": ["remount", "size=128k"]},
    ]  # fmt: skip
    for name in ("m", "t"):
        (bundle.rootfs / name).mkdir()
    bundle.write("sh", "-c", "grep -e ' /m ' -e ' /t ' /proc/mounts; touch /m/x || echo no")
    said = any_oci.ok("run", "-b", bundle.path, "c").splitlines()
    assert len(said) == 3 and said[-1] == "no"
    for word in ("ro", "nosuid", "noexec"):
        assert word in said[0].split()[3].split(",")
    assert "size=128k" in said[1]
    assert os.access(bundle.path / "shared", os.W_OK)


def test_remount_of_a_file(oci: Runtime, bundle: Bundle) -> None:
    (bundle.path / "note").write_text("x\n")
    for words in (["bind"], ["bind", "remount", "ro"]):
        bundle.config["mounts"].append(
            {"destination": "/note", "type": "bind", "source": "note", "options": words}
        )
    bundle.write("sh", "-c", "cat /note; echo y > /note || echo no")
    assert oci.ok("run", "-b", bundle.path, "c").split() == ["x", "no"]


_RECEIVE, _SEND = 0xC0502100, 0xC0182101  # SECCOMP_IOCTL_NOTIF_RECV, _SEND
_CONTINUE = 1  # SECCOMP_USER_NOTIF_FLAG_CONTINUE


class Listener:
    """Who is asked about system calls (seccomp_unotify(2)): mkdir(2) fails with EXDEV, each third
    time it is let through."""

    def __init__(self, path: Path) -> None:
        self.told: list[Any] = []
        self.asked = 0
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.bind(str(path))
        self._sock.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            peer, _ = self._sock.accept()
            with peer:
                data, fds, _, _ = socket.recv_fds(peer, 65536, 1)
                while piece := peer.recv(65536):
                    data += piece
            self.told.append(json.loads(data))
            threading.Thread(target=self._answer, args=fds, daemon=True).start()

    def _answer(self, fd: int) -> None:
        while True:
            request = bytearray(80)
            try:
                fcntl.ioctl(fd, _RECEIVE, request)
            except OSError:  # nobody has the filter any more
                os.close(fd)
                return
            self.asked += 1
            ident = struct.unpack_from("=Q", request)[0]
            good = self.asked % 3 == 0
            answer = struct.pack("=QqiI", ident, 0, 0 if good else -errno.EXDEV, good and _CONTINUE)
            fcntl.ioctl(fd, _SEND, bytearray(answer))


@pytest.mark.parametrize("quiet", [True, False])
def test_who_is_asked_about_system_calls(
    oci: Runtime, bundle: Bundle, tmp_path: Path, quiet: bool
) -> None:
    """Of the first process and a further one.  quiet: no_new_privs, the filter comes last."""
    listener = Listener(tmp_path / "asked")
    profile = _notified("mkdir", str(tmp_path / "asked"))
    profile["flags"] = ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]
    bundle.config["linux"]["seccomp"] = profile
    words = "mkdir /tmp/a || mkdir /tmp/a || mkdir /tmp/a && ls /tmp; sleep 1000"
    bundle.write("sh", "-c", words, noNewPrivileges=quiet)
    oci.create("c", bundle)
    state = oci.state("c")
    assert [told["fds"] for told in listener.told] == [["seccompFd"]]
    told = listener.told[0]
    assert told["metadata"] == "for you" and told["pid"] == state["pid"]
    assert (told["state"]["id"], told["state"]["status"]) == ("c", "creating")
    assert told["ociVersion"] == told["state"]["ociVersion"]
    oci.ok("start", "c")
    wait_for((bundle.rootfs / "tmp/a").is_dir)
    assert listener.asked == 3
    done = oci.run("exec", "c", "sh", "-c", "mkdir /tmp/b; mkdir /tmp/b; mkdir /tmp/b; ls /tmp")
    assert done.stdout.split() == ["a", "b"] and done.stderr.count("cross-device") == 2
    assert (listener.asked, len(listener.told)) == (6, 2)
    assert listener.told[1]["state"]["status"] == "running"
    oci.ok("delete", "--force", "c")


def test_flags_of_a_filter(oci: Runtime, bundle: Bundle) -> None:
    """The kernel knows them, and says so where they do not fit."""
    bundle.config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_TSYNC"]}  # fmt: skip
    bundle.write("grep", "Seccomp:", "/proc/self/status")
    assert oci.ok("run", "-b", bundle.path, "c").split() == ["Seccomp:", "2"]
    bundle.config["linux"]["seccomp"]["flags"] = ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]
    bundle.write("true")
    assert "seccomp" in oci.fails("run", "-b", bundle.path, "c")  # only with a listener


def test_processors_of_further_processes(oci: Runtime, bundle: Bundle) -> None:
    """execCPUAffinity: of exec alone; `final` counts when both are given."""
    for affinity, told in (({"initial": "0"}, "0"), ({"initial": "0", "final": "1"}, "1"),
                           ({"final": "0-1"}, "0-1")):  # fmt: skip
        bundle.write("sleep", "1000", execCPUAffinity=affinity)
        oci.create("c", bundle)
        oci.ok("start", "c")
        grep = ("grep", "Cpus_allowed_list", "/proc/self/status")
        assert oci.ok("exec", "c", *grep).split()[1] == told
        allowed = Path(f"/proc/{oci.state('c')['pid']}/status").read_text()
        assert "Cpus_allowed_list:\t0-" in allowed
        oci.ok("delete", "--force", "c")


def test_a_filter_that_denies_the_end(oci: Runtime, bundle: Bundle) -> None:
    """The first process ends all the same, and nothing of it stays."""
    for names in ([], ["execve"]):
        rule = {"names": names, "action": "SCMP_ACT_ALLOW"}
        bundle.config["linux"]["seccomp"] = {
            "defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule] if names else []}  # fmt: skip
        bundle.write("true")
        done = oci.run("run", "-b", bundle.path, "c")
        assert done.returncode > 0 and "Traceback" not in done.stderr
        assert oci.ok("list", "-q") == ""


def test_the_end_after_hooks_that_failed(oci: Runtime, bundle: Bundle, tmp_path: Path) -> None:
    """poststop is run (runtime.md, "Lifecycle")."""
    bundle.config["hooks"] = {
        "prestart": [{"path": "/bin/false"}],
        "poststop": [{"path": "/bin/sh", "args": ["sh", "-c", f"cat > {tmp_path}/told"]}],
    }
    bundle.write("true")
    assert "prestart" in oci.fails("run", "-b", bundle.path, "c")
    assert json.loads((tmp_path / "told").read_text())["status"] == "stopped"
    assert oci.ok("list", "-q") == ""


def test_a_terminal_that_is_none(any_oci: Runtime, bundle: Bundle) -> None:
    bundle.write("sh", terminal=True)
    any_oci.fails("run", "-b", bundle.path, "c")
    assert any_oci.ok("list", "-q") == ""


def test_run_that_fails_leaves_no_container(oci: Runtime, bundle: Bundle) -> None:
    bundle.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_KILL", "syscalls": []}
    bundle.write("true")
    for _ in range(2):
        assert "exists" not in oci.run("run", "-b", bundle.path, "c").stderr
        assert oci.ok("list", "-q") == ""
