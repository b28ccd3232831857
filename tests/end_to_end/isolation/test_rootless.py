"""An unprivileged user: set-up, ids, what is missing and how it is said."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from engine import REACHABLE, Engine, wait_for
from hiding import hidden

NONE = ("run", "--rm", "--network", "none")


def test_root_inside_is_the_user_outside(user: Engine) -> None:
    source = user.home / "xdg/out"
    mounted = (*NONE, "-v", f"{source}:/out", "busybox")
    script = "id -u; touch /out/root; touch /out/other; chown 1234:77 /out/other"
    assert user.ok(*mounted, "sh", "-c", script) == "0"
    own = pwd.getpwnam(user.user)
    found = (source / "root").stat()
    assert (found.st_uid, found.st_gid) == (own.pw_uid, own.pw_gid)
    assert (source / "other").stat().st_uid > 65536
    assert user.ok(
        *NONE, "-v", f"{source}:/out", "busybox", "stat", "-c", "%u:%g", "/out/other"
    ) == ("1234:77")
    user.ok(*NONE, "-v", f"{source}:/out", "busybox", "rm", "-r", "/out/other")


def test_all_ids_are_mapped(user: Engine) -> None:
    out = user.ok(*NONE, "busybox", "cat", "/proc/self/uid_map")
    rows = [[int(n) for n in line.split()] for line in out.split("\n")]
    assert sum(r[2] for r in rows) == 65537 and rows[0][:2] == [0, pwd.getpwnam(user.user).pw_uid]


def test_without_xdg_runtime_dir(fresh: Callable[[str], Engine]) -> None:
    engine = fresh("user")
    uid = pwd.getpwnam(engine.user).pw_uid
    expected = Path(f"/tmp/crunpy-run-{uid}")
    env: dict[str, str | None] = {"XDG_RUNTIME_DIR": None}
    try:
        engine.ok("run", "-d", "-q", "--name", "c", "--network", "none", "busybox", "sleep", "1000",
                  env=env)  # fmt: skip
        assert stat.S_IMODE(expected.stat().st_mode) == 0o700 and expected.stat().st_uid == uid
        assert engine.ok("exec", "c", "id", "-u", env=env) == "0"
        assert engine.ok("stop", "-t0", "c", env=env) == "c"
        assert engine.ok("rm", "c", env=env) == "c"
    finally:
        engine.run("rm", "-fa", env=env)
        subprocess.run(["rm", "-rf", expected], check=True)


@pytest.mark.parametrize("mode", [0o755, 0o777])
def test_run_directory_of_somebody_else_is_refused(
    fresh: Callable[[str], Engine], mode: int
) -> None:
    engine = fresh("user")
    expected = Path(f"/tmp/crunpy-run-{pwd.getpwnam(engine.user).pw_uid}")
    expected.mkdir()
    expected.chmod(mode)
    try:
        message = engine.fails(
            "run", "--rm", "-q", "busybox", "true", env={"XDG_RUNTIME_DIR": None}
        )
        assert "belongs to another user" in message and "CRUNPY_RUNROOT" in message
    finally:
        subprocess.run(["rm", "-rf", expected], check=True)


def test_user_without_subordinate_ids(user: Engine, base: Path) -> None:
    empty = base / "no-ids"
    empty.write_text("somebody:100000:65536\n")
    for file in ("subuid", "subgid"):
        wrap = hidden((str(empty), f"/etc/{file}"))
        message = user.fails(*NONE, "busybox", "true", wrap=wrap)
        assert f"/etc/{file}" in message and f"--add-{file}s" in message and user.user in message
    assert user.left() == []


@pytest.mark.parametrize("program", ["newuidmap", "newgidmap"])
def test_without_newuidmap(user: Engine, program: str) -> None:
    wrap = hidden(("/dev/null", f"/usr/bin/{program}"))
    message = user.fails(*NONE, "busybox", "true", wrap=wrap)
    assert program in message and "apt install uidmap" in message
    assert user.left() == []


def test_newuidmap_that_refuses(user: Engine, base: Path) -> None:
    wrong = base / "wrong-ids"
    wrong.write_text(f"{user.user}:1:65536\n")
    # the range is in the file that we read, but newuidmap, being run outside, reads another
    refusing = base / "refuses"
    refusing.write_text("#!/bin/sh\necho 'write to uid_map failed' >&2; exit 1\n")
    refusing.chmod(0o755)
    wrap = hidden((str(refusing), "/usr/bin/newuidmap"))
    done = user.run(*NONE, "busybox", "true", wrap=wrap)
    assert done.code == 125 and "Traceback" not in done.err
    assert done.err.strip().split("\n")[-1].startswith("crunpy: error: ")


def test_user_namespaces_disabled(user: Engine) -> None:
    """A namespace of all ids in which no further one may be made."""
    command = user.command(*NONE, "busybox", "true")
    # the first shell has lost its capabilities, as it was nobody when it was executed
    script = 'read go; exec sh -c "$0" sh "$@"'
    inner = 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"'
    process = subprocess.Popen(
        ["unshare", "--user", "sh", "-c", script, inner, *command],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    own = os.readlink("/proc/self/ns/user")
    wait_for(lambda: os.readlink(f"/proc/{process.pid}/ns/user") != own)
    for kind in ("uid", "gid"):
        Path(f"/proc/{process.pid}/{kind}_map").write_text("0 0 4294967295")
    _, err = process.communicate(b"go\n", timeout=20)
    text = err.decode()
    assert process.returncode == 125 and text.count("\n") == 1, text
    assert text.startswith("crunpy: error: ") and "user namespaces are disabled" in text
    assert "max_user_namespaces" in text
    assert user.left() == []


def test_root_cannot_be_reached_by_the_user(root: Engine, user: Engine) -> None:
    root.detached("--name", "c", "busybox", "sleep", "1000")
    done = user.run("--root", str(root.root), "--runroot", str(root.run_root), "ps", "-a")
    assert "c" not in done.out.split() and "Traceback" not in done.err


def test_store_is_private_whatever_the_umask(fresh: Callable[[str], Engine]) -> None:
    for who in ("root", "user"):
        engine = fresh(who)
        wrap = ["sh", "-c", 'umask 000; exec "$@"', "sh"]
        engine.ok(*NONE, "-q", "--name", "c", "-v", "vol:/v", "busybox", "true", wrap=wrap)
        engine.ok("create", "--network", "none", "--name", "d", "busybox", wrap=wrap)
        for top in (engine.root, engine.run_root):
            assert stat.S_IMODE(top.stat().st_mode) == 0o700, top
        for path in [*engine.root.glob("*"), *engine.root.glob("containers/*")]:
            if path.is_dir() and not path.is_symlink():
                assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
        records = [*engine.root.glob("containers/*/*.json")]
        assert records and all(stat.S_IMODE(p.stat().st_mode) == 0o600 for p in records)


def test_umask_inside_is_ours_not_the_callers(engine: Engine) -> None:
    for mask in ("000", "077"):
        wrap = ["sh", "-c", f'umask {mask}; exec "$@"', "sh"]
        assert engine.ok(*NONE, "busybox", "sh", "-c", "umask", wrap=wrap) == "0022"
    assert engine.ok(*NONE, "--umask", "0027", "busybox", "sh", "-c", "umask") == "0027"


def test_in_a_directory_that_the_user_cannot_read(user: Engine) -> None:
    assert user.ok(*NONE, "busybox", "echo", "fine", cwd="/root") == "fine"


def test_commands_are_quick_for_users_too(user: Engine) -> None:
    started = time.monotonic()
    for _ in range(5):
        user.ok(*NONE, "busybox", "true")
    assert (time.monotonic() - started) / 5 < 1.5


def test_a_container_that_ends_while_its_namespace_is_entered(user: Engine) -> None:
    """Between the look at its status and the opening of /proc/PID/ns/user."""
    code = """
import os
from crun_py.engine.context import Context
from crun_py.state import Status
pid = os.posix_spawn("/bin/true", ["true"], {})
os.waitpid(pid, 0)
context = Context()
context.join(Status("running", {"pid": pid}))
print(os.geteuid(), context.rootless)
"""
    become = ["setpriv", "--reuid", user.user, "--regid", user.user, "--clear-groups"]
    variables = [f"{k}={v}" for k, v in user.env.items()]
    done = subprocess.run(
        [*become, "env", "-i", *variables, f"PYTHONPATH={REACHABLE}", sys.executable, "-c", code],
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("0 True\n", "")
