"""The many options of run and create: each does what docker's or podman's users expect."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from engine import Engine, wait_for
from mirror import Registry

from crun_py.cli.container import run as run_verb
from crun_py.options import foreign

NONE = ("run", "--rm", "--network", "none")


def out(engine: Engine, options: str, script: str, **kwargs: Any) -> str:
    return engine.ok(*NONE, *options.split(), "busybox", "sh", "-c", script, **kwargs)


# ---- labels, environment, time ----


def test_annotations_and_labels(engine: Engine) -> None:
    file = engine.home / "labels"
    file.write_text("# comment\na=1\nb=2\n")
    engine.ok("create", "--network", "none", "--name", "c", "--annotation", "x.y=z",
              "--label-file", file, "-l", "b=3", "busybox")  # fmt: skip
    found = engine.inspect("c")
    assert found["Config"]["Labels"] == {"a": "1", "b": "3"}
    spec = (engine.root / "containers" / found["Id"] / "config.json").read_text()
    assert '"x.y":"z"' in spec
    assert "annotation" in engine.fails("create", "--annotation", "=x", "busybox")
    file.unlink()


def test_environment(engine: Engine) -> None:
    env: dict[str, str | None] = {"http_proxy": "http://p:1", "MINE": "m", "NO_PROXY": "x"}
    seen = out(engine, "", "env", env=env)
    assert "http_proxy=http://p:1" in seen and "NO_PROXY=x" in seen and "MINE" not in seen
    assert "proxy" not in out(engine, "--http-proxy=false", "env", env=env).lower()
    assert "MINE=m" in out(engine, "--env-host", "env", env=env)
    assert out(engine, "--env-merge PATH=${PATH}:/opt/x", "echo $PATH").endswith("/bin:/opt/x")
    assert "HOSTNAME" not in out(engine, "--unsetenv HOSTNAME", "env | grep HOSTN || true")
    left = engine.ok(*NONE, "--unsetenv-all", "-e", "A=1", "busybox", "/bin/env")
    assert sorted(line.partition("=")[0] for line in left.splitlines()) == ["A", "HOME"]


def test_time_zone(engine: Engine) -> None:
    zones = Path("/usr/share/zoneinfo")
    assert zones.is_dir(), "tzdata is not installed"
    assert out(engine, "--tz Asia/Tokyo", "date +%z") == "+0900"
    assert (
        out(engine, "--tz local", "date +%z")
        == subprocess.check_output(["date", "+%z"], text=True, env={}).strip()
    )
    for bad in ("No/Where", "../../etc/passwd", "/etc/passwd"):
        assert "time zone" in engine.fails("create", "--tz", bad, "busybox")


def test_timeout(engine: Engine) -> None:
    assert engine.run(*NONE, "--timeout", "1", "busybox", "sleep", "100").code == 255
    engine.detached("--timeout", "1", "--name", "c", "busybox", "sleep", "100")
    wait_for(lambda: engine.state("c")["Status"] == "exited")
    assert engine.state("c")["ExitCode"] == 255


def test_umask_domain_and_names(engine: Engine) -> None:
    assert out(engine, "--umask 0077", "umask") == "0077"
    assert out(engine, "--domainname d.e", "cat /proc/sys/kernel/domainname") == "d.e"
    assert "h.d.e h" in out(engine, "--hostname h --domainname d.e", "cat /etc/hosts").replace(
        "\t", " "
    )
    words = ("run", "--rm", "--network-alias", "other", "busybox", "grep", "-c", "other")
    assert engine.ok(*words, "/etc/hosts") == "1"
    assert out(engine, "--no-hosts", "cat /etc/hosts 2>/dev/null || echo none") == "none"


# ---- files with ids ----


def test_pidfiles(engine: Engine) -> None:
    pid, monitor = engine.home / "pid", engine.home / "monitor"
    found = engine.detached("--pidfile", pid, "--conmon-pidfile", monitor, "busybox", "sleep", "99")
    assert (int(monitor.read_text()), int(pid.read_text())) == engine.pids(found)
    for path in (pid, monitor):
        path.unlink()


def test_replace(engine: Engine) -> None:
    first = engine.detached("--name", "c", "busybox", "sleep", "1000")
    second = engine.detached("--replace", "--name", "c", "busybox", "sleep", "1000")
    assert first != second and engine.ps("-a") == ["c"]
    assert "--name" in engine.fails("create", "--replace", "busybox")


def test_preserve_fds(engine: Engine) -> None:
    reads = []
    for n in range(2):
        read, write = os.pipe()
        os.write(write, b"fd%d" % n)
        os.close(write)
        reads.append(read)
    engine.detached("--name", "c", "busybox", "sleep", "1000")
    script = "cat <&3; cat <&4; ls /proc/self/fd | wc -w"

    def place() -> None:
        high = [os.dup2(fd, 100 + n) for n, fd in enumerate(reads)]
        for n, fd in enumerate(high):
            os.dup2(fd, 3 + n)

    for words in ((*NONE, "--preserve-fds", "2", "busybox"), ("exec", "--preserve-fds=2", "c")):
        done = engine.run(*words, "sh", "-c", script, preexec_fn=place, close_fds=False)
        if words[0] == "run":
            assert done.out.startswith("fd0fd1"), done
        else:
            assert done.code == 0 and done.out.split() == ["6"], done  # 0-4 and ls's own
    for fd in reads:
        os.close(fd)
    assert "descriptor 3" in engine.fails(*NONE, "--preserve-fds=1", "busybox", "true")


def test_exec_options(engine: Engine) -> None:
    engine.detached("--name", "c", "busybox", "sleep", "1000")
    file = engine.home / "env"
    file.write_text("A=1\nB=2\n")
    words = ("--env-file", file, "-e", "B=3", "-w", "/tmp", "-u", "tester", "--privileged")
    out = engine.ok("exec", *words, "c", "sh", "-c", "echo $A $B $PWD; id -u")
    assert out.split() == ["1", "3", "/tmp", "1234"]
    terminal = engine.pty(
        "exec", "-it", "--detach-keys", "ctrl-x,x", "c", "sh", "-c", "echo hi; cat"
    )
    terminal.until(b"hi")
    terminal.write(b"\x18x")
    assert terminal.wait() == 0
    assert "keys" in engine.fails("exec", "--detach-keys", "ctrl-", "c", "true")
    file.unlink()


def test_rmi(fresh: Any, registry: Registry) -> None:
    engine = fresh("root")
    assert engine.ok("run", "-q", "--rmi", "--network", "none", "busybox", "echo", "x") == "x"
    assert engine.ok("images", "-q") == "" and engine.ps("-a") == []


# ---- mounts ----


def test_mount_types(engine: Engine) -> None:
    host = engine.home / "host"
    host.mkdir()
    (host / "f").write_text("host")
    if engine.user:
        subprocess.run(["chown", "-R", f"{engine.user}:", host], check=True)
    seen = engine.ok(
        *NONE, "--mount", f"type=bind,src={host},dst=/b,readonly",
        "--mount", "type=volume,source=v,target=/v",
        "--mount", "type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=700",
        "--mount", "type=image,source=busybox,destination=/i",
        "busybox", "sh", "-c",
        "cat /b/f; touch /b/x 2>/dev/null || echo ' ro'; echo y > /v/y;"
        "df -k /t | tail -1 | awk '{print $2}';"
        "stat -c %a /t; ls /i/bin/busybox; touch /i/x 2>/dev/null || echo ro",
    )  # fmt: skip
    assert seen.split("\n") == ["host ro", "1024", "700", "/i/bin/busybox", "ro"]
    assert engine.ok(*NONE, "--mount", "src=v,dst=/v", "busybox", "cat", "/v/y") == "y"
    subprocess.run(["rm", "-rf", host], check=True)


@pytest.mark.parametrize(
    "spec,words",
    [
        ("type=bnd,src=/x,dst=/y", "did you mean bind?"),
        ("type=bind,soruce=/x,dst=/y", "did you mean source?"),
        ("type=bind,src=/nosuch-here,dst=/y", "no such file"),
        ("type=bind,dst=/y", "source"),
        ("type=volume,src=v", "destination"),
        ("type=tmpfs,dst=/t,tmpfs-size=x", "size"),
        ("type=tmpfs,src=/x,dst=/t", "no source"),
        ("type=image,dst=/t", "source=IMAGE"),
        ("type=image,src=nosuch,dst=/t", "nosuch"),
        ("type=bind,src=/x,dst=/y,ro=maybe", "neither"),
        ("type=bind,src=/x,dst=/y,bind-propagation=rshard", "did you mean rshared?"),
        ("type=volume,dst=/y,volume-driver=nfs", "local"),
        ("src=/x,dst=/y,dst=/z", "twice"),
        ("src=a/b,dst=/y", "volume name"),
        ("dst=../y", "absolute"),
    ],
)
def test_bad_mounts(root: Engine, spec: str, words: str) -> None:
    assert words in root.fails("create", "--mount", spec, "busybox")


def test_volumes_from(engine: Engine) -> None:
    engine.ok("create", "--network", "none", "--name", "a", "-v", "/data", "-v", "n:/named",
              "busybox")  # fmt: skip
    engine.ok(*NONE, "--volumes-from", "a", "busybox", "sh", "-c", "echo 1 > /data/f")
    assert out(engine, "--volumes-from a:ro", "cat /data/f; touch /named/x || echo ro") == "1\nro"
    assert "no such container" in engine.fails("create", "--volumes-from", "nosuch", "busybox")
    assert "option 'x'" in engine.fails("create", "--volumes-from", "a:x", "busybox")


def test_volume_options(engine: Engine) -> None:
    host = engine.home / "host"
    (host / "sub").mkdir(parents=True)
    (host / "sub/f").write_text("1")
    if engine.user:
        subprocess.run(["chown", "-R", f"{engine.user}:", host], check=True)
    assert out(engine, f"-v {host}:/m:consistent", "cat /m/sub/f") == "1"
    assert out(engine, f"-v {host}:/m:z,delegated,rslave", "cat /m/sub/f") == "1"
    assert out(engine, f"-v {host}:/m:O", "echo 2 > /m/sub/f; cat /m/sub/f") == "2"
    assert (host / "sub/f").read_text() == "1"
    assert out(engine, f"-u 1234:77 -v {host}:/m:U", "stat -c %u:%g /m/sub/f") == "1234:77"
    assert out(engine, f"-v {engine.home}/made/deep:/m", "ls -d /m") == "/m"
    assert (engine.home / "made/deep").is_dir()
    subprocess.run(["rm", "-rf", host, engine.home / "made"], check=True)


def test_image_volumes(engine: Engine, registry: Registry) -> None:
    import images

    name = registry.push("test/withvolume", images.image(registry.busybox, Volumes={"/d": {}}))
    for how, expected in (("ignore", "0"), ("tmpfs", "1"), ("bind", "1")):
        assert engine.ok(*NONE, "-q", "--image-volume", how, name, "sh", "-c",
                         "grep -c ' /d ' /proc/mounts || true") == expected  # fmt: skip
    assert "image-volume" in engine.fails("create", "--image-volume", "x", name)
    engine.ok("rmi", name)


def test_read_only_with_tmpfs(engine: Engine) -> None:
    script = "touch /x 2>/dev/null || echo ro; touch /tmp/x && echo rw"
    assert out(engine, "--read-only --read-only-tmpfs", script).split() == ["ro", "rw"]


def test_rootfs(engine: Engine, registry: Registry) -> None:
    directory = engine.home / "tree"
    directory.mkdir()
    subprocess.run(["tar", "x", "-C", directory], input=registry.busybox, check=True)
    if engine.user:
        subprocess.run(["chown", "-R", f"{engine.user}:", directory], check=True)
    assert engine.ok(*NONE, "--rootfs", directory, "sh", "-c", "echo $0; echo 1 > /made") == "sh"
    assert (directory / "made").read_text() == "1\n"
    engine.detached("--name", "c", "--rootfs", directory, "sleep", "1000")
    assert engine.ok("exec", "c", "cat", "/made") == "1"
    assert engine.ok("exec", "-u", "tester", "c", "id", "-u") == "1234"
    assert "directory of the host" in engine.fails("diff", "c")
    assert engine.ok("cp", "c:/made", "-").startswith("made")
    assert "not a directory" in engine.fails("create", "--rootfs", "/nosuch", "x")
    engine.ok("rm", "-f", "c")
    subprocess.run(["rm", "-rf", directory], check=True)


# ---- namespaces ----


def inode(engine: Engine, name: str, kind: str) -> str:
    return engine.ok("exec", name, "readlink", f"/proc/self/ns/{kind}")


def test_namespaces_of_the_host(engine: Engine) -> None:
    for option in ("--pid", "--ipc", "--uts", "--cgroupns"):
        kind = option.strip("-").removesuffix("ns")
        seen = out(engine, f"{option} host", f"readlink /proc/self/ns/{kind}")
        assert seen == os.readlink(f"/proc/self/ns/{kind}"), kind
        seen = out(engine, f"{option} private", f"readlink /proc/self/ns/{kind}")
        assert seen != os.readlink(f"/proc/self/ns/{kind}"), kind
    assert str(os.getpid()) in out(engine, "--pid host", "ls /proc; true").split()
    assert out(engine, "--uts host", "hostname") == os.uname().nodename


def test_namespaces_of_another_container(engine: Engine) -> None:
    engine.detached("--name", "a", "--hostname", "shared", "--ipc", "shareable", "busybox", "sleep",
                    "1000")  # fmt: skip
    engine.ok("exec", "a", "sh", "-c", "echo 1 > /dev/shm/x")
    options = "--pid container:a --ipc container:a --uts container:a"
    engine.detached("--name", "b", *options.split(), "busybox", "sleep", "2000")
    for kind in ("pid", "ipc", "uts"):
        assert inode(engine, "a", kind) == inode(engine, "b", kind)
    assert engine.ok("exec", "b", "cat", "/dev/shm/x") == "1"
    assert "sleep 1000" in engine.ok("exec", "b", "ps") and inode(engine, "a", "mnt") != inode(
        engine, "b", "mnt"
    )
    assert engine.ok("exec", "b", "hostname") == "shared"
    engine.ok("rm", "-f", "b")
    engine.ok("kill", "a")
    assert "not running" in engine.fails(*NONE, *options.split(), "busybox", "true")


@pytest.mark.parametrize(
    "options,words",
    [
        ("--pid x", "pid namespace"), ("--ipc container:", "ipc namespace"), ("--uts none", "uts"),
        ("--cgroupns container:x", "no such container"),
        ("--pid container:nosuch", "no such container"),
        ("--uts host -h x", "--hostname"), ("--cpu-period 1", "cpu period"),
        ("--timeout x", "timeout"),
        ("--cpus 1 --cpu-quota 5000", "conflicts"), ("--cpuset-mems x", "cpuset"),
        ("--blkio-weight 5", "10 and 1000"), ("--device-read-bps /dev/null:1m", "block device"),
        ("--device-write-iops x", "DEVICE:VALUE"), ("--cgroup-conf x", "FILE=VALUE"),
        ("--cgroup-conf ../x.y=1", "FILE=VALUE"),
        ("--cgroup-conf cgroup.freeze=1", "it is no limit"), ("--memory-swappiness 200", "100"),
        ("--cgroups x", "cgroups"), ("--cgroup-parent a/../../b", "cgroup parent"),
        ("--systemd x", "systemd"), ("--expose 90-80", "expose"),
        ("--label-file /nosuch", "label file"),
        ("--env-merge x", "KEY=VALUE"), ("--link nosuch", "no such container"),
        ("--requires nosuch", "no such container"), ("--isolation hyperv", "default"),
        ("--volume-driver nfs", "local"),
    ],
)  # fmt: skip
def test_bad_options(root: Engine, options: str, words: str) -> None:
    assert words in root.fails("create", *options.split(), "busybox")


def test_ipc_none(engine: Engine) -> None:
    assert out(engine, "--ipc none", "ls /dev/shm 2>&1 | grep -c No || true") == "1"
    assert out(engine, "--ipc shareable", "df /dev/shm | grep -c shm") == "1"


def test_group_add_keep_groups(user: Engine) -> None:
    """As a user: groups that are not mapped stay, so that files of the group can be read."""
    command = user.command(*NONE, "--group-add", "keep-groups", "busybox", "id", "-G")
    at = command.index("--clear-groups")
    command[at : at + 1] = ["--groups", "4242"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "65534" in done.stdout, done


def test_expose_ranges_and_requires(engine: Engine) -> None:
    engine.ok("create", "--network", "none", "--name", "a", "busybox", "sleep", "1000")
    engine.ok("create", "--network", "none", "--name", "b", "--requires", "a", "--expose",
              "80-82/udp", "busybox", "sleep", "1000")  # fmt: skip
    ports = engine.inspect("b")["Config"]["ExposedPorts"]
    assert sorted(ports) == ["80/udp", "81/udp", "82/udp"]
    engine.ok("start", "b")
    assert engine.ps() == ["a", "b"]


def test_link(root: Engine) -> None:
    root.ok("run", "-d", "--name", "db", "--expose", "5432", "-e", "SECRET=1", "busybox", "sleep",
            "1000")  # fmt: skip
    address = root.inspect("db")["NetworkSettings"]["IPAddress"]
    seen = root.ok("run", "--rm", "--name", "w", "--link", "db:my-db", "busybox", "sh", "-c",
                   "env; cat /etc/hosts; ping -c1 my-db >/dev/null && echo pong")  # fmt: skip
    for line in (
        "MY_DB_NAME=/w/my-db", f"MY_DB_PORT=tcp://{address}:5432", "MY_DB_ENV_SECRET=1",
        f"MY_DB_PORT_5432_TCP_ADDR={address}", "MY_DB_PORT_5432_TCP_PORT=5432", "pong",
    ):  # fmt: skip
        assert line in seen.splitlines(), seen
    assert any(line.startswith(f"{address}\tmy-db") for line in seen.splitlines())
    root.ok("kill", "db")
    assert "not running" in root.fails("run", "--rm", "--link", "db", "busybox")


def test_links_of_users(user: Engine) -> None:
    user.detached("--name", "a", "busybox", "sleep", "1000")
    assert "share no default network" in user.fails("run", "--rm", "--link", "a", "busybox")


# ---- systemd, cgroups, platforms ----


def test_systemd_mode(engine: Engine) -> None:
    script = "echo $container; grep -c ' /run/lock ' /proc/mounts || true"
    assert out(engine, "--systemd always", script).split() == ["crunpy", "1"]
    assert out(engine, "", script).split() == ["0"]


def test_cgroups(root: Engine) -> None:
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    base = Path(next(line.split()[4] for line in mounts if " - cgroup2 " in line))
    parent = f"/crunpy-test-{os.getpid()}"
    try:
        found = root.detached("--cgroup-parent", parent, "busybox", "sleep", "1000")
        assert (base / parent[1:] / found / "cgroup.procs").read_text().strip()
        root.ok("rm", "-f", found)
        found = root.detached("--cgroups", "disabled", "busybox", "sleep", "1000")
        assert not (root.run_root / "containers" / found / "cgroup").exists()
        root.ok("rm", "-f", found)
    finally:
        (base / parent[1:]).rmdir()


def test_a_foreign_image_is_warned_about(root: Engine, registry: Registry) -> None:
    import images

    name = registry.push("test/s390", images.image(registry.busybox, architecture="s390x"))
    done = root.run("create", "-q", "--network", "none", "--arch", "s390x", name)
    assert done.code == 0 and "warning: the image is for linux/s390x" in done.err
    root.ok("rm", done.out.strip())
    root.ok("rmi", name)


# ---- options of other engines ----


def test_limits_of_docker_that_cannot_be_updated(root: Engine) -> None:
    root.ok("create", "--network", "none", "--name", "u", "busybox", "true")
    for name in ("cpu-rt-period", "cpu-rt-runtime"):
        assert f"--{name}: cgroup v2 has no" in root.fails("update", f"--{name}", "1000", "u")
    for name in ("kernel-memory", "memory-swappiness"):
        done = root.run("update", f"--{name}", "50", "-m", "64m", "u")
        assert done.code == 0 and f"warning: --{name} has no effect" in done.err
    root.ok("update", "-m", "0", "--memory-swap", "100m", "u")  # docker's 0: as it is
    limits = root.inspect("u")["HostConfig"]
    assert (limits["Memory"], limits["MemorySwap"]) == (64 << 20, 100 << 20)
    for words in (("-m", "128m"), ("--memory-swap", "32m"), ("--memory-reservation", "65m")):
        assert "memory" in root.fails("update", *words, "u")
    assert root.inspect("u")["HostConfig"]["MemorySwap"] == 100 << 20


def test_options_that_cannot_hold_say_why(root: Engine) -> None:
    for name, (kind, why, _) in foreign.REFUSED.items():
        words = [f"--{name}"] if kind == "flag" else [f"--{name}", "1"]
        message = root.fails("create", *words, "busybox")
        assert f"--{name}" in message and why in message
    for runtime in ("runsc", "kata", "/usr/bin/nosuch"):  # what confines otherwise than we do
        assert f"--runtime {runtime}: " in root.fails("create", "--runtime", runtime, "busybox")
    for name, (kind, _) in foreign.WARNED.items():
        value = "c 1:3 rwm" if name == "device-cgroup-rule" else "1"
        words = [f"--{name}"] if kind == "flag" else [f"--{name}", value]
        done = root.run("create", "--network", "none", *words, "busybox")
        assert done.code == 0 and f"warning: --{name} has no effect" in done.err
    for name, kind in foreign.ACCEPTED.items():
        value = {"init-path": "/bin/true", "seccomp-policy": "image", "runtime": "/usr/bin/runc"}
        words = [f"--{name}={'true' if kind == 'switch' else value.get(name, 'x')}"]
        done = root.run("create", "--network", "none", *words, "busybox")
        assert done.code == 0 and not done.err


PEERS = """
add-host annotation arch attach authfile blkio-weight blkio-weight-device cap-add cap-drop
cgroup-conf cgroup-parent cgroupns cgroups chrootdirs cidfile conmon-pidfile cpu-count cpu-percent
cpu-period cpu-quota cpu-rt-period cpu-rt-runtime cpu-shares cpus cpuset-cpus cpuset-mems detach
detach-keys device device-cgroup-rule device-read-bps device-read-iops device-write-bps
device-write-iops disable-content-trust dns dns-option dns-search domainname entrypoint env env-file
env-host env-merge expose gpus group-add health-cmd health-interval health-on-failure
health-retries health-start-period health-timeout hostname hostuser http-proxy image-volume init
init-path interactive io-maxbandwidth io-maxiops ip ip6 ipc isolation kernel-memory label label-file
link link-local-ip log-driver log-opt mac-address memory memory-reservation memory-swap
memory-swappiness mount name network network-alias no-healthcheck no-hosts oom-kill-disable
oom-score-adj os passwd passwd-entry personality pid pidfile pids-limit platform pod pod-id-file
preserve-fds privileged publish publish-all pull quiet read-only read-only-tmpfs replace requires
restart rm rmi rootfs runtime sdnotify seccomp-policy secret security-opt shm-size sig-proxy
stop-signal stop-timeout storage-opt sysctl systemd timeout tls-verify tmpfs tty tz ulimit umask
unsetenv unsetenv-all user uts variant volume volume-driver volumes-from workdir
"""


def test_every_option_of_the_peers_is_known() -> None:
    known = {word for names, *_ in run_verb.OPTIONS for word in names.split()}
    assert {f"--{name}" for name in PEERS.split()} <= known


def test_a_device_that_its_vendor_describes(root: Engine, tmp_path: Path) -> None:
    """CDI: --device VENDOR/CLASS=NAME."""
    (tmp_path / "cdi").mkdir()
    edits = {"deviceNodes": [{"path": "/dev/card0", "hostPath": "/dev/zero"}], "env": ["CARD=0"]}
    kind = {"cdiVersion": "0.6.0", "kind": "vendor.com/card"}
    spec = {**kind, "devices": [{"name": "0", "containerEdits": edits}]}
    (tmp_path / "cdi/vendor.json").write_text(json.dumps(spec))
    beside = f'mount -t overlay overlay -o lowerdir={tmp_path}:/etc /etc && exec "$@"'
    wrap = ["unshare", "--mount", "sh", "-c", beside, "-"]
    run = ("run", "--rm", "--network", "none", "--device")
    script = "head -c 3 /dev/card0 | wc -c; echo $CARD; stat -c %t:%T /dev/card0"
    out = root.ok(*run, "vendor.com/card=0", "busybox", "sh", "-c", script, wrap=wrap)
    assert out.split() == ["3", "0", "1:5"]
    told = root.fails(*run, "vendor.com/card=1", "busybox", "true")
    assert "vendor.com/card=1: no file describes it" in told
    assert "nvidia.com/gpu=all" in root.fails("create", "--gpus", "all", "busybox")
