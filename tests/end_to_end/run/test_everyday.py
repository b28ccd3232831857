"""What scripts and CI files do every day, where a difference to the peers did harm."""

from __future__ import annotations

import json
import os
from pathlib import Path

from engine import Engine

NONE = ("--network", "none")


def test_the_digest_of_a_tagged_image_has_no_row(root: Engine) -> None:
    """`rmi $(images | grep none)` must find what is dangling alone."""
    digest = root.ok("image", "inspect", "-f", "{{.Digest}}", "busybox")
    root.ok("pull", "-q", f"busybox@{digest}")
    assert "<none>" not in root.ok("images", "busybox")
    assert root.ok("images", "-q", "busybox").count("\n") == 0
    assert digest in root.ok("images", "--digests", "busybox")
    root.ok("untag", "busybox", f"busybox@{digest}")


def test_variables_from_a_pipe(engine: Engine) -> None:
    """It can be read once."""
    words = ("run", "--rm", *NONE, "--env-file", "/dev/stdin", "busybox", "sh", "-c", "echo $A.$B")
    if not engine.rootless:  # a user may not open root's file again
        assert engine.ok(*words, input="A=1\nB=2\n") == "1.2"
    fifo = engine.home / "fifo"
    os.mkfifo(fifo, 0o666)
    fifo.chmod(0o666)
    engine.home.chmod(0o755)
    pid = os.fork()
    if pid == 0:
        fd = os.open(fifo, os.O_WRONLY)
        os.write(fd, b"A=3\n")
        os._exit(0)
    words = ("create", *NONE, "--name", "c", "--env-file", str(fifo), "busybox")
    engine.ok(*words, timeout=10)
    os.waitpid(pid, 0)
    assert "A=3" in engine.inspect("c")["Config"]["Env"]
    fifo.unlink()


def test_inspect_finds_volumes(root: Engine) -> None:
    root.ok("volume", "create", "data")
    for words in (("inspect", "data"), ("inspect", "--type", "volume", "data")):
        assert json.loads(root.ok(*words))[0]["Mountpoint"].endswith("/data/_data")
    assert "nosuch" in root.fails("inspect", "--type", "volume", "nosuch")
    assert "data" in root.fails("inspect", "--type", "image", "data")


def test_a_directory_that_is_missing(engine: Engine) -> None:
    engine.detached("--name", "c", "busybox", "sleep", "1000")
    assert "/nope" in engine.fails("exec", "-w", "/nope", "c", "true", code=127)
    assert "/etc/passwd" in engine.fails("exec", "-w", "/etc/passwd", "c", "true", code=126)


def test_published_ports_are_exposed(root: Engine) -> None:
    root.ok("create", "--name", "c", "-p", "18080:80", "-p", "18053:53/udp", "busybox")
    assert sorted(root.inspect("c")["Config"]["ExposedPorts"]) == ["53/udp", "80/tcp"]


def test_dockers_own_log_driver(engine: Engine) -> None:
    engine.ok("run", "--name", "c", *NONE, "--log-driver", "local", "busybox", "echo", "x")
    assert engine.ok("logs", "c") == "x"


MARKERS = ("/.dockerenv", "/run/.containerenv")


def test_programs_can_tell_that_they_run_in_a_container(engine: Engine) -> None:
    script = "for f in /.dockerenv /run/.containerenv; do [ -f $f ] && echo $f; done"
    run = ("run", "--network", "none", "--name", "c")
    assert engine.ok(*run, "busybox", "sh", "-c", script).split() == [*MARKERS]
    # they are no change of the container's
    assert engine.ok("diff", "c") == ""
    engine.ok("rm", "c")
    for more in (("--read-only",), ("--tmpfs", "/run"), ("--privileged",)):
        run = ("run", "--rm", "--network", "none", *more)
        assert engine.ok(*run, "busybox", "sh", "-c", script).split() == [*MARKERS]


def test_markers_are_not_made_in_a_directory_of_the_host(root: Engine, tmp_path: Path) -> None:
    root.ok("run", "--rm", "--network", "none", "-v", f"{tmp_path}:/run", "busybox", "true")
    assert list(tmp_path.iterdir()) == []
