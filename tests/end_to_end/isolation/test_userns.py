"""User namespaces of containers' own: --userns, --uidmap; as root with mapped layers, as a user
with copies of them."""

from __future__ import annotations

import io
import os
import pwd
import subprocess
import tarfile
from pathlib import Path

import pytest
from engine import USER, Engine

NONE = ("run", "--rm", "--network", "none")
MAPS = {
    "root": ("--uidmap", "0:200000:2000", "--gidmap", "0:300000:2000"),
    "user": ("--uidmap", "0:100:2000"),
}


def maps(engine: Engine) -> tuple[str, ...]:
    return MAPS["user" if engine.user else "root"]


def outside(engine: Engine, container_id: str, uid: int) -> int:
    """The host's id for a uid of the container."""
    for line in Path(f"/proc/{engine.pids(container_id)[1]}/uid_map").read_text().splitlines():
        inside, first, count = map(int, line.split())
        if inside <= uid < inside + count:
            return first + uid - inside
    raise AssertionError(uid)


def test_ids_are_mapped(engine: Engine) -> None:
    script = (
        "id -u; stat -c %u:%g /bin/busybox /etc/hosts /tmp; touch /mine /dev/shm/x;"
        "stat -c %u /mine; sleep 1000"
    )
    found = engine.detached(*maps(engine), "--name", "c", "busybox", "sh", "-c", script)
    log = engine.logs_until("c", "0:0\n0\n")
    assert log.split()[:2] == ["0", "0:0"] and log.split()[3] == "0:0", log
    pid = engine.pids(found)[1]
    assert os.stat(f"/proc/{pid}").st_uid == outside(engine, found, 0) != 0
    assert engine.ok("exec", "c", "id", "-u") == "0"
    assert engine.ok("exec", "-u", "tester", "c", "id", "-u") == "1234"
    assert engine.ok("exec", "c", "sh", "-c", "touch /more && stat -c %u /more") == "0"
    assert "2000" in engine.ok("exec", "c", "cat", "/proc/self/uid_map")


def test_network_volumes_and_terminal(engine: Engine) -> None:
    script = (
        "hostname; cat /etc/hosts >/dev/null; echo 1 > /vol/f; stat -c %u /vol/f;"
        "ip addr show lo | grep -c UP"
    )
    out = engine.ok(
        *NONE, *maps(engine), "-h", "inside", "-v", "v:/vol", "busybox", "sh", "-c", script
    )
    assert out.split() == ["inside", "0", "1"]
    out = engine.ok("run", "--rm", *maps(engine), "busybox", "ip", "route")
    assert "default" in out
    terminal = engine.pty(
        *NONE, "-it", *maps(engine), "busybox", "sh", "-c", "tty; stat -c %u $(tty)"
    )
    assert b"/dev/pts/0" in terminal.until(b"\r\n0\r\n") and terminal.wait() == 0


def test_files_of_such_a_container(engine: Engine) -> None:
    engine.detached(*maps(engine), "--name", "c", "busybox", "sh", "-c",
                    "echo new > /new; chown 1234:77 /new; echo up; sleep 1000")  # fmt: skip
    engine.logs_until("c", "up")
    file = engine.home / "f"
    file.write_text("host")
    os.chmod(file, 0o644)
    for state in ("running", "stopped"):
        raw = engine.run("cp", "c:/new", "-", check=True).raw
        with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
            member = archive.getmember("new")
            assert (member.uid, member.gid) == (1234, 77), state
        engine.ok("cp", file, f"c:/{state}")
        assert engine.ok("diff", "c").splitlines()[0] == "A /new"
        engine.ok("commit", "c", f"img{state}")
        seen = engine.ok(*NONE, f"img{state}", "stat", "-c", "%u:%g", "/new", f"/{state}")
        assert seen.split() == ["1234:77", "0:0"]
        engine.ok("rmi", f"img{state}")
        raw = engine.run("export", "c", check=True).raw
        with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
            assert archive.getmember("new").uid == 1234 and archive.getmember("etc").uid == 0
        if state == "running":
            engine.ok("kill", "c")
    engine.ok("start", "c")
    assert engine.ok("exec", "c", "stat", "-c", "%u", "/running", "/stopped").split() == ["0", "0"]
    file.unlink()


def test_mounted_while_it_starts(root: Engine) -> None:
    root.ok("create", "--network", "none", *MAPS["root"], "--name", "c", "busybox", "sleep", "1000")
    path = Path(root.ok("mount", "c"))
    root.ok("start", "c")
    root.ok("exec", "c", "touch", "/made")
    assert (path / "made").stat().st_uid == 200000
    assert root.ok("exec", "c", "stat", "-c", "%u", "/made", "/bin").split() == ["0", "0"]


def test_idmapped_volumes(root: Engine) -> None:
    work = root.home / "work"
    work.mkdir()
    (work / "f").write_text("x")
    options = (*MAPS["root"], "-v")
    assert root.ok(*NONE, *options, f"{work}:/w", "busybox", "stat", "-c", "%u", "/w/f") == "65534"
    script = "stat -c %u /w/f; touch /w/g"
    assert root.ok(*NONE, *options, f"{work}:/w:idmap", "busybox", "sh", "-c", script) == "0"
    assert (work / "g").stat().st_uid == 0
    subprocess.run(["rm", "-r", work], check=True)


def test_image_content_of_volumes(engine: Engine) -> None:
    script = "stat -c %u:%g /home /home/tester; echo 1.2.3.4 x >> /etc/hosts && echo written"
    out = engine.ok(*NONE, *maps(engine), "-v", "/home", "busybox", "sh", "-c", script)
    assert out.split() == ["0:0", "0:0", "written"]


def test_keep_id(user: Engine) -> None:
    own = pwd.getpwnam(USER)
    work = user.home / "work"
    work.mkdir()
    os.chown(work, own.pw_uid, own.pw_gid)
    options = ("--userns=keep-id", "-v", f"{work}:/w", "-w", "/w")
    out = user.ok(*NONE, *options, "busybox", "sh", "-c", "id -u; touch f; stat -c %u f /bin")
    assert out.split() == [str(own.pw_uid), str(own.pw_uid), "0"]
    assert (work / "f").stat().st_uid == own.pw_uid
    out = user.ok(*NONE, "--userns=keep-id:uid=1234,gid=77", "-v", f"{work}:/w", "busybox", "sh",
                  "-c", "id -u; id -g; stat -c %u:%g /w/f")  # fmt: skip
    assert out.split() == ["1234", "77", "1234:77"]
    assert user.ok(*NONE, *options, "-u", "root", "busybox", "id", "-u") == "0"
    subprocess.run(["rm", "-r", work], check=True)


def test_nomap_and_auto(user: Engine) -> None:
    found = user.detached("--userns=nomap", "busybox", "sleep", "1000")
    pid = user.pids(found)[1]
    assert os.stat(f"/proc/{pid}").st_uid != pwd.getpwnam(USER).pw_uid
    first = user.detached("--userns=auto:size=3000", "busybox", "sleep", "1000")
    second = user.detached("--userns=auto", "busybox", "sleep", "1000")
    assert outside(user, second, 0) >= outside(user, first, 0) + 3000
    assert "no 99999999 ids" in user.fails("create", "--userns=auto:size=99999999", "busybox")


def test_shared_with_another_container(engine: Engine) -> None:
    engine.detached(*maps(engine), "--name", "a", "--ipc", "shareable", "busybox", "sleep", "1000")
    engine.detached("--userns", "container:a", "--ipc", "container:a", "--network", "container:a",
                    "--name", "b", "busybox", "sleep", "1000")  # fmt: skip
    seen = [engine.ok("exec", n, "readlink", "/proc/self/ns/user") for n in "ab"]
    assert seen[0] == seen[1]
    engine.ok("rm", "-f", "b")


@pytest.mark.parametrize(
    "options,words",
    [
        ("--userns x", "not known"), ("--uidmap 0", "INSIDE"), ("--uidmap 1:5:5", "id 0"),
        ("--userns host --uidmap 0:1:5", "conflicts"), ("--userns container:nosuch", "no such"),
        ("--userns auto:x=1", "size=N"), ("--subuidname nosuchname", "nosuchname"),
        ("--uidmap 0:5:9999999999", "range"), ("--userns keep-id:x=1", "keep-id"),
    ],
)  # fmt: skip
def test_bad_maps(engine: Engine, options: str, words: str) -> None:
    assert words in engine.fails("create", *options.split(), "busybox")


def test_for_users_only(root: Engine) -> None:
    for mode in ("keep-id", "nomap"):
        assert "plain users" in root.fails("create", "--userns", mode, "busybox")
