"""A container's life by the commands of an OCI runtime, ours and runc's (runtime.md)."""

from __future__ import annotations

import glob
import json
import os
import signal
import subprocess
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from engine import REACHABLE, wait_for
from oci_bundles import Bundle, Runtime
from tracing import traced_program

from crun_py.cgroup import group

LOOP = "trap 'exit 5' TERM; echo begun; while :; do sleep 0.05; done"


def test_run_and_its_status(any_oci: Runtime, bundle: Bundle) -> None:
    bundle.write("sh", "-c", "id -u; echo wrong >&2; exit 7")
    done = any_oci.run("run", "-b", bundle.path, "c")
    assert (done.returncode, done.stdout, done.stderr) == (7, "0\n", "wrong\n")
    assert any_oci.fails("state", "c")
    bundle.write("sh", "-c", "sleep 1000")
    process = subprocess.Popen(any_oci.command("run", "-b", bundle.path, "c"),
                               stdin=subprocess.DEVNULL)  # fmt: skip
    any_oci.until("c", "running")
    any_oci.ok("kill", "c", "KILL")
    assert process.wait(30) == 137


def test_create_start_kill_delete(any_oci: Runtime, bundle: Bundle) -> None:
    bundle.write("sh", "-c", f"touch /tmp/begun; {LOOP}")
    pid_file = bundle.path / "pid"
    any_oci.create("c", bundle, "--pid-file", pid_file)
    found = any_oci.state("c")
    assert found["status"] == "created" and found["id"] == "c"
    assert found["pid"] == int(pid_file.read_text()) and found["bundle"] == str(bundle.path)
    assert not (bundle.rootfs / "tmp/begun").exists()
    any_oci.ok("start", "c")
    wait_for((bundle.rootfs / "tmp/begun").exists)
    any_oci.until("c", "running")
    for words in (("start", "c"), ("delete", "c"), ("create", "-b", bundle.path, "c")):
        assert any_oci.fails(*words)
    assert any_oci.state("c")["pid"] == found["pid"]
    any_oci.ok("kill", "c", "TERM")
    any_oci.until("c", "stopped")
    assert any_oci.state("c")["pid"] == 0
    for words in (("kill", "c", "KILL"), ("start", "c")):
        assert any_oci.fails(*words)
    assert any_oci.run("exec", "c", "true").returncode != 0
    any_oci.ok("delete", "c")
    for words in (("delete", "c"), ("state", "c"), ("kill", "c"), ("start", "c")):
        assert any_oci.fails(*words)
    any_oci.ok("delete", "--force", "c")


def test_the_first_process_is_the_subreapers_child(any_oci: Runtime, bundle: Bundle) -> None:
    """Which waits for it: conmon and containerd's shim do."""
    bundle.write("sh", "-c", "exit 3")
    script = """
import ctypes, os, subprocess, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
subprocess.run(sys.argv[1].split("|") + ["create", "-b", sys.argv[2], "c"], check=True)
subprocess.run(sys.argv[1].split("|") + ["start", "c"], check=True)
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    done = subprocess.run(
        ["/usr/bin/python3", "-c", script, "|".join(any_oci.command()), str(bundle.path)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout == "3\n", done


def test_exec(any_oci: Runtime, bundle: Bundle) -> None:
    any_oci.create("c", bundle.write("sh", "-c", LOOP))
    any_oci.ok("start", "c")
    assert any_oci.ok("exec", "-e", "A=b", "--cwd", "/tmp", "c", "sh", "-c", "echo $A; pwd") == (
        "b\n/tmp"
    )
    assert any_oci.run("exec", "c", "sh", "-c", "exit 9").returncode == 9
    assert any_oci.ok("exec", "--user", "7:8", "c", "id").startswith("uid=7 gid=8")
    done = any_oci.run("exec", "c", "cat", input="through", stdin=None)
    assert done.stdout == "through"
    process = {**bundle.config["process"], "args": ["sh", "-c", "umask"],
               "user": {"uid": 0, "gid": 0, "umask": 0o27}}  # fmt: skip
    file = bundle.path / "process.json"
    file.write_text(json.dumps(process))
    if any_oci.ours:  # runc 1.1 knows no umask there
        assert any_oci.ok("exec", "--process", file, "c") == "0027"
    pid_file = bundle.path / "pid"
    any_oci.ok("exec", "-d", "--pid-file", pid_file, "c", "sleep", "1000",
               stdout=subprocess.DEVNULL, stderr=None, capture_output=False)  # fmt: skip
    pid = int(pid_file.read_text())
    assert Path(f"/proc/{pid}/comm").read_text() in ("sleep\n", "busybox\n")
    assert pid in json.loads(any_oci.ok("ps", "--format", "json", "c"))
    assert "sleep 1000" in any_oci.ok("ps", "c")
    assert "nothere" in any_oci.run("exec", "c", "nothere").stderr


def test_words_that_runc_understands(any_oci: Runtime, bundle: Bundle) -> None:
    any_oci.create("c", bundle.write("sleep", "1000"))
    any_oci.ok("start", "c")
    any_oci.ok("kill", "c", "0")
    done = any_oci.run("exec", "--cap", "CAP_NONE", "--cap", "CAP_SYS_TIME", "c", "grep", "CapPrm",
                       "/proc/self/status")  # fmt: skip
    assert int(done.stdout.split()[1], 16) >> 25 & 1 and done.returncode == 0
    assert "CAP_NONE" in done.stderr
    assert any_oci.run("nosuch").returncode == 3
    any_oci.ok("delete", "-f", "c")


def test_commands_that_cannot_be_run(any_oci: Runtime, bundle: Bundle) -> None:
    """Told at the creation, and nothing is left."""
    for word, told in (("nothere", "not found"), ("/bin/nothere", "no such file"),
                       ("/tmp", "")):  # fmt: skip
        bundle.write(word)
        done = any_oci.run("create", "-b", bundle.path, "c")
        assert done.returncode == 1 and told in done.stderr, word
        assert any_oci.fails("state", "c")


def test_signals_are_passed_on(any_oci: Runtime, bundle: Bundle) -> None:
    process = subprocess.Popen(
        any_oci.command("run", "-b", bundle.write("sh", "-c", LOOP).path, "c"),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout and process.stdout.readline() == b"begun\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 5
    process.stdout.close()
    assert any_oci.fails("state", "c")


def test_list(any_oci: Runtime, bundle: Bundle) -> None:
    assert any_oci.ok("list", "-q") == ""
    any_oci.create("one", bundle.write("sleep", "1000"))
    any_oci.create("two", bundle)
    assert any_oci.ok("list", "-q").split() == ["one", "two"]
    rows = json.loads(any_oci.ok("list", "--format", "json"))
    assert [(row["id"], row["status"], row["owner"]) for row in rows] == [
        ("one", "created", "root"), ("two", "created", "root")]  # fmt: skip
    assert any_oci.ok("list").splitlines()[0].split() == [
        "ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]  # fmt: skip
    any_oci.ok("delete", "two")  # also without a start


def test_pause_and_resume(oci: Runtime, bundle: Bundle) -> None:
    oci.create("c", bundle.write("sh", "-c", "while :; do echo x >> /tmp/x; sleep 0.01; done"))
    assert oci.fails("pause", "c") and oci.fails("resume", "c")
    oci.ok("start", "c")
    file = bundle.rootfs / "tmp/x"
    wait_for(lambda: file.exists() and file.stat().st_size > 4)
    oci.ok("pause", "c")
    assert oci.state("c")["status"] == "paused" and "paused" in oci.ok("list")
    size = file.stat().st_size
    time.sleep(0.2)
    assert file.stat().st_size == size
    done = oci.run("exec", "c", "true")
    assert done.returncode == 255 and "it is paused" in done.stderr
    oci.ok("resume", "c")
    wait_for(lambda: file.stat().st_size > size)
    oci.ok("pause", "c")
    oci.ok("delete", "--force", "c")


@pytest.mark.parametrize("stage", ["created", "running"])
def test_all_of_it_is_killed(oci: Runtime, bundle: Bundle, stage: str) -> None:
    oci.create("c", bundle.write("sh", "-c", "sleep 1000 & sleep 1000 & wait"))
    if stage == "running":
        oci.ok("start", "c")
        wait_for(lambda: len(json.loads(oci.ok("ps", "-f", "json", "c"))) == 3)
    pids = json.loads(oci.ok("ps", "-f", "json", "c"))
    oci.ok("kill", "--all", "c", "KILL")
    oci.until("c", "stopped")
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids[1:]))
    oci.ok("delete", "c")


def test_a_damaged_state_hides_no_other(oci: Runtime, bundle: Bundle) -> None:
    oci.create("good", bundle.write("sleep", "1000"))
    (oci.root / "bad").mkdir()
    (oci.root / "bad/state.json").write_text("{")
    done = oci.run("list", "-q")
    assert done.stdout.split() == ["good"] and "bad/state.json" in done.stderr
    assert "bad/state.json" in oci.fails("delete", "bad")
    oci.ok("delete", "--force", "bad")
    assert oci.ok("list", "-q") == "good"


def test_a_bundle_by_a_relative_path(any_oci: Runtime, bundle: Bundle) -> None:
    bundle.write("echo", "here")
    done = any_oci.run("run", "--bundle", f"./{bundle.path.name}/", "c", cwd=bundle.path.parent)
    assert done.stdout == "here\n", done


def _run_as(user_name: str, bundle: Bundle, place: Path) -> subprocess.CompletedProcess[str]:
    subprocess.run(["chown", "-R", f"{user_name}:", bundle.path, place], check=True)
    os.chmod(bundle.path, 0o755)
    program = REACHABLE / ".venv/bin/crunpy-oci"
    return subprocess.run(
        ["setpriv", "--reuid", user_name, "--regid", user_name, "--clear-groups", "env", "-i",
         f"HOME={place}", f"XDG_RUNTIME_DIR={place}", f"PATH={os.environ['PATH']}",
         program, "run", "-b", bundle.path, "c"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_a_plain_user_without_a_namespace(bundle: Bundle, base: Path, user_name: str) -> None:
    """As `spec` without --rootless has it: said before anything is made."""
    place = Path(tempfile.mkdtemp(prefix="oci", dir=base))
    bundle.write("true")
    done = _run_as(user_name, bundle, place)
    assert done.returncode == 1
    assert "no user namespace (crunpy-oci spec --rootless" in done.stderr
    assert not (place / "crunpy-oci/c").exists()
    subprocess.run(["rm", "-r", place], check=True)


@pytest.mark.parametrize("own", [True, False], ids=["one id", "many ids"])
def test_a_plain_user(bundle: Bundle, base: Path, user_name: str, own: bool) -> None:
    """By hand, as `spec --rootless` has it."""
    import pwd

    user = pwd.getpwnam(user_name)
    linux = bundle.config["linux"]
    linux["namespaces"].append({"type": "user"})
    for name, number, file in (("uidMappings", user.pw_uid, "/etc/subuid"),
                               ("gidMappings", user.pw_gid, "/etc/subgid")):  # fmt: skip
        linux[name] = [{"containerID": 0, "hostID": number, "size": 1}]
        if not own:
            line = next(one for one in Path(file).read_text().splitlines()
                        if one.startswith(user_name + ":"))  # fmt: skip
            _, first, count = line.split(":")
            linux[name].append({"containerID": 1, "hostID": int(first), "size": int(count)})
    bundle.write("sh", "-c", "id -u; cat /proc/self/uid_map; touch /tmp/x && echo made")
    pts = next(m for m in bundle.config["mounts"] if m["destination"] == "/dev/pts")
    pts["options"].remove("gid=5")  # as `spec --rootless` has it
    bundle.write(*bundle.config["process"]["args"])
    place = Path(tempfile.mkdtemp(prefix="oci", dir=base))
    done = _run_as(user_name, bundle, place)
    assert done.returncode == 0, done
    lines = done.stdout.splitlines()
    assert lines[0] == "0" and lines[-1] == "made" and len(lines) == (3 if own else 4)
    assert not (place / "crunpy-oci/c").exists()
    subprocess.run(["rm", "-r", place], check=True)


def test_preserved_descriptors(any_oci: Runtime, bundle: Bundle) -> None:
    bundle.write("sh", "-c", "cat <&3; ls /proc/self/fd | wc -l")
    file = bundle.path / "given"
    file.write_text("given\n")
    words = any_oci.command("run", "--preserve-fds", "1", "-b", bundle.path, "c")
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" 3< {file}', "sh", *words],
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[0] == "given", done
    assert int(done.stdout.splitlines()[1]) <= 6


def test_no_descriptor_of_ours_gets_in(oci: Runtime, bundle: Bundle) -> None:
    bundle.write("sh", "-c", "ls -l /proc/self/fd")
    out = oci.ok("run", "-b", bundle.path, "c")
    assert sorted(line.split()[-3] for line in out.splitlines() if "->" in line) == [
        "0", "1", "2"]  # fmt: skip


def test_terminal_of_run(oci: Runtime, bundle: Bundle) -> None:
    from engine import Pty

    bundle.write("sh", "-c", "tty; stty size; read x; echo got $x; exit 6", terminal=True)
    terminal = Pty(oci.command("run", "-b", bundle.path, "c"), dict(os.environ), 33, 77)
    terminal.until("/dev/pts/0")
    terminal.write("word\n")
    terminal.until("got word")
    assert terminal.wait() == 6 and terminal.mode() == terminal.before
    terminal.close()


def test_console_socket(any_oci: Runtime, bundle: Bundle, tmp_path: Path) -> None:
    import socket

    bundle.write("sh", "-c", "tty; echo size; read x; echo got $x", terminal=True,
                 consoleSize={"height": 33, "width": 77})  # fmt: skip
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "console"))
        listener.listen(1)
        any_oci.create("c", bundle, "--console-socket", tmp_path / "console")
        with listener.accept()[0] as peer:
            name, fds, _, _ = socket.recv_fds(peer, 64, 1)
    assert len(fds) == 1 and name
    assert os.get_terminal_size(fds[0]) == (77, 33)
    any_oci.ok("start", "c")
    os.write(fds[0], b"word\n")
    seen = b""
    while b"got word" not in seen:
        seen += os.read(fds[0], 4096)
    assert b"/dev/pts/0" in seen
    os.close(fds[0])
    any_oci.until("c", "stopped")


@pytest.mark.parametrize(
    ("verb", "role"), [("create", "cli"), ("create", "monitor"), ("create", "init"),
                       ("start", "cli"), ("delete", "cli")],
)  # fmt: skip
def test_killed_before_any_call(oci: Runtime, bundle: Bundle, verb: str, role: str) -> None:
    """Whatever is left then is cleared by delete --force, and no process goes on.

    role: the command, the core helper, the first process.  A sample of the calls that change
    something, but all of `create`'s own, which are few; CRUNPY_CRASH_EVERY=1 tries all."""
    name = bundle.path.name
    bundle.write("sh", "-c", LOOP, name)
    words = ("--bundle", bundle.path) if verb == "create" else ("--force",) * (verb == "delete")
    command = ["sh", "-c", 'exec "$@" > /dev/null 2>&1', "sh", *oci.command(verb, *words, name)]

    def hit(k: int) -> Any:
        if verb != "create":
            oci.create(name, bundle)
        return traced_program(role, k, signal.SIGKILL, command)

    calls = hit(0)["counts"][role]
    oci.ok("delete", "--force", name)
    every = int(os.environ.get("CRUNPY_CRASH_EVERY", "0")) or calls // 6 + 1
    if (verb, role) == ("create", "cli"):
        every = 1
    for k in range(1 + zlib.crc32(f"{verb} {role}".encode()) % every, calls + 1, every):
        at = hit(k)["at"]
        oci.ok("delete", "--force", name)
        assert oci.ok("list", "-q") == "", at
        wait_for(lambda: not left_of(name))


def left_of(name: str) -> list[str]:
    """Processes and cgroups of a container, in whose command lines its name stands."""
    lines = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    base = group.base()
    processes = [line for line in lines.splitlines()
                 if line.endswith(name) or f"crunpy-init {name} " in line]  # fmt: skip
    return processes + (glob.glob(f"{base}/oci-{name}-*") if base else [])
