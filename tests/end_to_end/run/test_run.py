"""`run`: command line, exit status, streams, and what the options change inside."""

from __future__ import annotations

import os
from pathlib import Path

import images
import pytest
from engine import Engine
from mirror import Registry
from oci_images import directory, entry, tar

NONE = ("run", "--rm", "--network", "none")


def test_output_and_exit_status(engine: Engine) -> None:
    done = engine.run(*NONE, "busybox", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.code, done.out, done.err) == (7, "out\n", "err\n")


@pytest.mark.parametrize(
    "command,code,words",
    [
        (["false"], 1, ""),
        (["sh", "-c", "exit 255"], 255, ""),
        (["/nonexistent"], 127, "no such file"),
        (["nonexistent"], 127, "not found in $PATH"),
        (["/etc"], 126, ""),
        (["/etc/passwd"], 126, "permission denied"),
    ],
)
def test_exit_codes(engine: Engine, command: list[str], code: int, words: str) -> None:
    done = engine.run(*NONE, "busybox", *command)
    assert done.code == code
    if words:
        assert words in done.err
    if code in (126, 127):
        assert done.err.startswith("crunpy: error: ") and done.err.count("\n") == 1


def test_the_first_process_killed_by_a_signal(engine: Engine) -> None:
    for number, name in ((9, "KILL"), (11, "SEGV"), (15, "TERM")):
        done = engine.run(*NONE, "--init", "busybox", "sh", "-c", f"kill -{name} $$")
        assert done.code == 128 + number


def test_it_looks_like_a_machine_of_its_own(engine: Engine) -> None:
    script = (
        "id -u; id -g; hostname; echo $$; pwd; ls /proc | grep -c '^[0-9]'; cat /proc/1/comm; true"
    )
    lines = engine.ok(*NONE, "--hostname", "box", "busybox", "sh", "-c", script).split("\n")
    assert lines[:5] == ["0", "0", "box", "1", "/"]
    assert int(lines[5]) < 6 and lines[6] == "sh"


def test_hostname_is_the_short_id(engine: Engine) -> None:
    container_id = engine.detached("busybox", "sh", "-c", "hostname; cat /etc/hostname")
    engine.ok("wait", container_id)
    assert engine.ok("logs", container_id).split() == [container_id[:12]] * 2


def test_files_keep_their_owners_and_modes(engine: Engine, registry: Registry) -> None:
    layer = tar(
        directory("odd", uid=1234, gid=77, mode=0o2750),
        entry("odd/tool", b"#!/bin/sh\nid -u\n", uid=1234, gid=1234, mode=0o4755),
        entry("odd/high", b"x", uid=65000, gid=65001, mode=0o640),
        entry(
            "odd/attr", b"x", pax_headers={"SCHILY.xattr.user.colour": "blue"}
        ),
    )  # fmt: skip
    name = registry.push("test/owners", images.image(registry.busybox, layer))
    script = "stat -c '%u %g %a %n' /odd /odd/tool /odd/high"
    assert engine.ok(*NONE, "-q", name, "sh", "-c", script).split("\n") == [
        "1234 77 2750 /odd",
        "1234 1234 4755 /odd/tool",
        "65000 65001 640 /odd/high",
    ]
    upper = engine.inspect(name)["GraphDriver"]["Data"]["LowerDir"].split(":")
    found = [Path(d) / "odd/attr" for d in upper if (Path(d) / "odd/attr").exists()]
    assert os.getxattr(found[0], "user.colour") == b"blue"
    engine.ok("rmi", name)


def test_signals_are_as_a_program_expects_them(engine: Engine) -> None:
    """Python ignores SIGPIPE; a container must not inherit that, nor blocked signals."""
    read = ("grep", "-E", "^Sig(Ign|Blk):", "/proc/self/status")
    engine.detached("--name", "c", "busybox", "sleep", "1000")
    for command in ((*NONE, "busybox"), (*NONE, "-t", "busybox"), (*NONE, "--init", "busybox"),
                    ("exec", "c"), ("exec", "-t", "c")):  # fmt: skip
        masks = [int(line.split()[1], 16) for line in engine.ok(*command, *read).split("\n")]
        # 32 and 33 are the C library's own
        assert [mask & ~(3 << 31) for mask in masks] == [0, 0], command


# ---- the image's configuration ----


@pytest.fixture(scope="module")
def configured(registry: Registry) -> str:
    """An image with every kind of configuration."""
    layer = tar(
        directory("data", uid=1234, gid=1234, mode=0o750),
        entry("data/seed", b"grown\n", uid=1234, gid=77),
    )
    image = images.image(
        registry.busybox,
        layer,
        Entrypoint=["echo", "entry"],
        Cmd=["cmd"],
        User="tester",
        WorkingDir="/srv/app",
        Env=[images.PATH, "FROM_IMAGE=yes", "EMPTY="],
        Labels={"who": "image", "both": "image"},
        Volumes={"/data": {}},
        StopSignal="SIGUSR1",
    )
    return registry.push("test/configured", image)


def test_entrypoint_and_command(engine: Engine, configured: str) -> None:
    assert engine.ok(*NONE, "-q", configured) == "entry cmd"
    assert engine.ok(*NONE, configured, "a", "b c") == "entry a b c"
    assert engine.ok(*NONE, "--entrypoint", "echo", configured, "x") == "x"
    assert engine.ok(*NONE, "--entrypoint", "", configured, "echo", "y") == "y"
    # a new entry point does without the image's command
    assert engine.ok(*NONE, "--entrypoint", "pwd", configured) == "/srv/app"
    assert "no command" in engine.fails(*NONE, "--entrypoint", "", configured)


def test_user_workdir_environment_of_the_image(engine: Engine, configured: str) -> None:
    script = "id -u; id -G; pwd; echo $FROM_IMAGE; echo $HOME; stat -c '%u %g' /data/seed"
    lines = engine.ok(
        *NONE, "-q", "--entrypoint", "sh", configured, "-c", script
    ).split("\n")  # fmt: skip
    assert lines == ["1234", "1234 77", "/srv/app", "yes", "/home/tester", "1234 77"]


def test_labels_and_stop_signal_of_the_image(engine: Engine, configured: str) -> None:
    engine.ok("create", "-q", "--name", "c", "--label", "both=run", "-l", "bare", configured)
    config = engine.inspect("c")["Config"]
    assert config["Labels"] == {"who": "image", "both": "run", "bare": ""}
    assert config["StopSignal"] == "SIGUSR1"
    assert config["Volumes"] == {"/data": {}}


# ---- environment ----


def environment(engine: Engine, *options: object, **kwargs: object) -> dict[str, str]:
    text = engine.ok(*NONE, *options, "busybox", "env", **kwargs)
    return dict(line.partition("=")[::2] for line in text.split("\n"))


def test_environment_options(engine: Engine, tmp_path: Path) -> None:
    found = environment(
        engine, "-e", "A=1", "--env", "B=x=y z", "-e", "HERE", "-e", "GONE", "-e", "E=",
        env={"HERE": "copied"},
    )  # fmt: skip
    assert found["A"] == "1" and found["B"] == "x=y z" and found["HERE"] == "copied"
    assert "GONE" not in found and found["E"] == ""


def test_environment_of_the_command_does_not_leak_in(engine: Engine) -> None:
    marks = {f"MARK_{n}": "secret" for n in range(50)}
    found = environment(engine, env=marks)
    assert set(found) <= {"PATH", "HOSTNAME", "HOME", "SHLVL", "PWD"}
    assert found["PATH"] == images.PATH.removeprefix("PATH=") and found["HOME"] == "/root"


def test_environment_file(engine: Engine, base: Path) -> None:
    file = base / "env"
    file.write_bytes(
        b"\xef\xbb\xbfA=1\r\n# comment\n\n  B=two words \nC='quoted'\nHERE\nPRE*\nD=x#y\n"
    )
    found = environment(
        engine, "--env-file", file, "-e", "A=won", env={"HERE": "h", "PRE_A": "p", "PRE_B": "q"}
    )
    assert found["A"] == "won" and found["B"] == "two words " and found["C"] == "'quoted'"
    assert found["HERE"] == "h" and found["PRE_A"] == "p" and found["PRE_B"] == "q"
    assert found["D"] == "x#y"


@pytest.mark.parametrize("line", [b"=x", b"A B=1", b"export A=1", b"\xff=1"])
def test_bad_environment_file(engine: Engine, base: Path, line: bytes) -> None:
    file = base / "bad-env"
    file.write_bytes(b"OK=1\n" + line + b"\n")
    assert str(file) in engine.fails(*NONE, "--env-file", file, "busybox", "true")
    assert "no such file" in engine.fails(*NONE, "--env-file", "/nope", "busybox", "true")


# ---- directory and user ----


def test_working_directory(engine: Engine) -> None:
    assert engine.ok(*NONE, "-w", "/tmp/made/here", "busybox", "pwd") == "/tmp/made/here"
    assert engine.ok(*NONE, "--workdir=/etc/../etc", "busybox", "pwd") == "/etc"
    assert "absolute" in engine.fails(*NONE, "-w", "etc", "busybox", "pwd")


@pytest.mark.parametrize(
    "text,expected",
    [
        ("", "0:0:0"),
        ("root", "0:0:0"),
        ("0", "0:0:0"),
        ("tester", "1234:1234:1234 77"),
        ("1234", "1234:1234:1234 77"),
        ("tester:extra", "1234:77:77"),
        ("tester:0", "1234:0:0"),
        ("1234:1", "1234:1:1"),
        ("4000", "4000:0:0"),
        ("4000:other", "4000:78:78"),
        ("77", "77:0:0"),
        ("nobody", "65534:65534:65534"),
        ("00012", "12:0:0"),
        (":extra", "0:77:77"),
    ],
)
def test_user_strings(engine: Engine, text: str, expected: str) -> None:
    out = engine.ok(*NONE, "-u", text, "busybox", "sh", "-c", "echo $(id -u):$(id -g):$(id -G)")
    uid, gid, groups = out.split(":")
    assert f"{uid}:{gid}" == expected.rpartition(":")[0]
    assert set(groups.split()) == set(expected.rpartition(":")[2].split())


@pytest.mark.parametrize(
    "text",
    ["nosuch", "tester:nosuch", "4294967295", "4294967296", "99999999999999999999", "-1", "1.5",
     "0x10", "tester:4294967296", "\uff11\uff12", " root", "root ", "a:b:c", "+1"],
)  # fmt: skip
def test_bad_user_strings(engine: Engine, text: str) -> None:
    message = engine.fails(*NONE, "-u" + text, "busybox", "id")
    assert "user" in message or "group" in message


def test_further_groups(engine: Engine) -> None:
    out = engine.ok(*NONE, "-u", "tester", "--group-add", "other", "--group-add", "99",
                    "busybox", "id", "-G")  # fmt: skip
    assert set(out.split()) == {"1234", "77", "78", "99"}
    assert "group" in engine.fails(*NONE, "--group-add", "nosuch", "busybox", "true")


@pytest.mark.parametrize("kind", ["fifo", "loop", "device", "directory"])
def test_hostile_passwd_does_not_hang(engine: Engine, registry: Registry, kind: str) -> None:
    import tarfile

    how = {
        "fifo": {"type": tarfile.FIFOTYPE},
        "loop": {"type": tarfile.SYMTYPE, "linkname": "passwd"},
        "device": {"type": tarfile.SYMTYPE, "linkname": "/dev/zero"},
        "directory": {"type": tarfile.DIRTYPE, "mode": 0o755},
    }[kind]
    image = images.image(registry.busybox, tar(entry("etc/passwd", **how)))
    name = registry.push(f"test/passwd-{kind}", image)
    engine.ok("pull", "-q", name)
    message = engine.fails(*NONE, "-u", "tester", name, "true", timeout=10)
    assert "no such user" in message or "not a regular file" in message
    done = engine.run(*NONE, "-u", "12", name, "sh", "-c", "exit 3", timeout=10)
    assert done.code == 3 or "not a regular file" in done.err
    engine.ok("rmi", name)


# ---- files ----


def test_read_only_root(engine: Engine) -> None:
    script = "touch /x; touch /tmp/x; echo y > /t/x && cat /t/x; mount | grep ' / '"
    done = engine.run(*NONE, "--read-only", "--tmpfs", "/t:size=1m,mode=755", "busybox",
                      "sh", "-c", script)  # fmt: skip
    assert done.err.count("Read-only file system") == 2
    assert done.out.startswith("y\n") and "(ro" in done.out


def test_tmpfs(engine: Engine) -> None:
    script = "grep ' /t ' /proc/mounts; stat -c %a /t; dd if=/dev/zero of=/t/x bs=1k count=2048"
    done = engine.run(*NONE, "--tmpfs", "/t:size=1m", "busybox", "sh", "-c", script)
    options = done.out.split("\n")[0].split()[3].split(",")
    assert {"rw", "nosuid", "nodev", "noexec"} <= set(options)
    assert done.out.split("\n")[1] == "1777" and "No space left" in done.err and done.code == 1


def test_bind_mount(engine: Engine) -> None:
    source = engine.home / "shared"
    engine.run("version")
    source.mkdir(exist_ok=True)
    source.chmod(0o777)
    (source / "in").write_text("hello")
    out = engine.ok(*NONE, "-v", f"{source}:/s", "busybox", "sh", "-c", "cat /s/in; id>/s/out")
    assert out == "hello" and "uid=0" in (source / "out").read_text()
    script = "cat /s/in; touch /s/x"
    done = engine.run(*NONE, "-v", f"{source}:/s:ro", "busybox", "sh", "-c", script)
    assert done.out == "hello" and "Read-only" in done.err and not (source / "x").exists()


def test_bind_mount_of_a_file_and_of_what_is_missing(engine: Engine) -> None:
    file = engine.home / "file"
    file.write_text("content")
    file.chmod(0o644)
    assert engine.ok(*NONE, "-v", f"{file}:/etc/deep/er", "busybox", "cat", "/etc/deep/er") == (
        "content"
    )
    missing = engine.home / "xdg/missing" if engine.rootless else engine.home / "missing"
    engine.ok(*NONE, "-v", f"{missing}:/m", "busybox", "touch", "/m/x")
    assert (missing / "x").exists()
    assert "permission denied" in engine.fails(
        *NONE, "-v", "/sys/nope:/m", "busybox", "true"
    ) or not engine.rootless  # fmt: skip


def test_named_volume_is_seeded_once_and_stays(engine: Engine, configured: str) -> None:
    run = (*NONE, "-q", "--entrypoint", "sh", "-v", "keep:/data", configured, "-c")
    assert engine.ok(*run, "cat /data/seed; stat -c '%u %g %a' /data; echo more > /data/new") == (
        "grown\n1234 1234 750"
    )
    assert engine.ok(*run, "rm /data/seed; cat /data/new") == "more"
    assert engine.ok(*run, "ls /data") == "new"
    assert [v.name for v in engine.volumes()] == ["keep"]
    bare = ("--entrypoint", "ls", "-u", "0", "-v", "raw:/data:nocopy", configured, "/data")
    assert engine.ok(*NONE, *bare) == ""


def test_anonymous_volumes_go_with_their_container(engine: Engine, configured: str) -> None:
    engine.ok(*NONE, "-q", "-v", "/more", configured)
    assert engine.volumes() == []
    engine.ok("run", "--network", "none", "--name", "a", "-v", "/more", configured)
    assert len(engine.volumes()) == 2
    engine.ok("rm", "-v", "a")
    assert engine.volumes() == []
    engine.ok("run", "--network", "none", "--name", "a", "-v", "named:/more", configured)
    engine.ok("rm", "a")
    assert len(engine.volumes()) == 2, "rm without -v keeps both"


@pytest.mark.parametrize(
    "text",
    ["", ":", "a:b:c:d", "/x:relative", "/x:/y:odd", "../..:/", "x/y:/z", "/a:/../x", "-:/x"],
)
def test_bad_volumes(engine: Engine, text: str) -> None:
    engine.fails(*NONE, "-v", text, "busybox", "true")


# ---- limits and the rest ----


def test_ulimit(engine: Engine) -> None:
    script = "ulimit -Sn; ulimit -Hn; ulimit -c"
    out = engine.ok(*NONE, "--ulimit", "nofile=100:200", "--ulimit", "core=0", "busybox",
                    "sh", "-c", script)  # fmt: skip
    assert out.split() == ["100", "200", "0"]
    for bad in ("nofile", "nosuch=1", "nofile=2:1", "nofile=x"):
        engine.fails(*NONE, "--ulimit", bad, "busybox", "true")


def test_init_reaps_and_forwards(engine: Engine) -> None:
    script = "for i in 1 2 3; do (sleep 0.1 &) ; done; sleep 0.5; ps -o stat | grep -c Z"
    assert engine.ok(*NONE, "--init", "busybox", "sh", "-c", f"{script}; true") == "0"
    shown = engine.ok(*NONE, "--init", "busybox", "sh", "-c", "cat /proc/1/cmdline /proc/1/comm")
    assert shown.replace("\0", "") == "initinit"  # nothing of the host's side
    out = engine.ok(*NONE, "--init", "busybox", "sh", "-c", "echo $$")
    assert out != "1"
    trap = "trap 'echo got; exit 5' USR1; echo ready; while :; do sleep 0.05; done"
    container_id = engine.detached("--init", "busybox", "sh", "-c", trap)
    engine.logs_until(container_id, "ready")
    engine.ok("kill", "-s", "USR1", container_id)
    assert engine.ok("wait", container_id) == "5"
    assert "got" in engine.ok("logs", container_id)


def test_memory_limit_without_a_controller_is_refused(engine: Engine) -> None:
    controllers = Path("/sys/fs/cgroup/cgroup.controllers")
    if controllers.exists() and "memory" in controllers.read_text() and not engine.rootless:
        assert engine.run(*NONE, "--memory", "64m", "busybox", "true").code == 0
        return
    for option, word in (
        ("--memory=64m", "memory"),
        ("--cpus=1", "cpu"),
        ("--pids-limit=9", "pids"),
    ):
        message = engine.fails(*NONE, option, "busybox", "true")
        assert word in message and "controller" in message
    assert engine.ps("-a") == []


def test_pull_policies(engine: Engine, registry: Registry) -> None:
    image = images.image(registry.busybox, Cmd=["echo", "one"])
    name = registry.push("test/policy", image)
    assert "not in this store" in engine.fails(*NONE, "--pull", "never", name)
    done = engine.run(*NONE, name)
    assert done.out == "one\n" and f"Unable to find image '{name}:latest' locally" in done.err
    registry.push("test/policy", images.image(registry.busybox, Cmd=["echo", "two"]))
    assert engine.run(*NONE, name).out == "one\n"
    assert engine.run(*NONE, "--pull", "missing", name).out == "one\n"
    assert engine.run(*NONE, "--pull=always", name).out == "two\n"
    assert engine.run(*NONE, "--pull=never", name).out == "two\n"
    assert "pull" in engine.fails(*NONE, "--pull=odd", name)
    engine.ok("rmi", name)


def test_debug_prints_the_plan(engine: Engine) -> None:
    done = engine.run("--debug", *NONE, "busybox", "echo", "hi")
    assert done.out == "hi\n" and done.code == 0
    for word in ("overlay", "mount proc on /proc", "pivot", "seccomp", "exec ['echo', 'hi']"):
        assert word in done.err, word


def test_options_end_at_the_image(engine: Engine) -> None:
    assert engine.ok(*NONE, "busybox", "echo", "--rm", "-x", "--", "y") == "--rm -x -- y"
    assert engine.ok(*NONE, "--", "busybox", "echo", "-z") == "-z"


def test_cidfile(engine: Engine) -> None:
    file = engine.home / ("xdg/own-cid" if engine.rootless else "own-cid")
    container_id = engine.detached("--cidfile", file, "busybox", "true")
    assert file.read_text() == container_id
    assert "exists" in engine.fails(*NONE, "--cidfile", file, "busybox", "true")
    file.unlink()
