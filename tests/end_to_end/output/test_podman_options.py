"""Options, verbs and filters that podman's users type, beside docker's own words."""

from __future__ import annotations

import functools
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from engine import Engine

RUN = ("run", "--rm", "--network", "none")
CREATE = ("create", "--network", "none")


@contextmanager
def served(directory: Path) -> Iterator[str]:
    """The address of a web server for the files of a directory."""
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(directory))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_spellings(root: Engine) -> None:
    root.ok(*CREATE, "--name", "c", "busybox")
    root.ok("mount", "c")
    assert root.inspect("c")["Id"] in root.ok("mount", "--notruncate")
    root.ok("umount", "c")
    root.ok("image", "mount", "busybox")
    root.ok("image", "umount", "-a")
    assert root.ok("image", "mount") == ""
    root.ok("volume", "create", "v")
    root.ok("volume", "rm", "-t", "3", "v")
    root.ok("volume", "rm", "--time=3", "-f", "v")


@pytest.mark.parametrize("option", ["--dns-opt", "--dns-option"])
def test_resolver_options(engine: Engine, option: str) -> None:
    words = ("run", "--rm", option, "ndots:3", option, "rotate", "busybox", "cat")
    assert "options ndots:3 rotate" in engine.ok(*words, "/etc/resolv.conf")


SIGNALS = {
    "1": "1 -1 HUP hup SIGHUP -HUP -SIGHUP sighup",
    "6": "IOT", "29": "POLL", "34": "RTMIN", "37": "RTMIN+3 SIGRTMIN+3", "63": "RTMAX-1",
    "64": "RTMAX",
}  # fmt: skip
"""number: names of signal(7), with or without SIG, in either case, with a dash"""


def test_names_of_signals(root: Engine) -> None:
    traps = "; ".join(f"trap 'echo got {n}' {n}" for n in SIGNALS)
    pairs = [(name, number) for number, text in SIGNALS.items() for name in text.split()]
    root.detached("--name", "c", "busybox", "sh", "-c", f"{traps}; echo up; "
                  "while :; do sleep 0.05; done")  # fmt: skip
    root.logs_until("c", "up")
    wrong: list[str] = []
    for count, (name, number) in enumerate(pairs, 1):
        done = root.run("kill", f"--signal={name}", "c")
        deadline = time.monotonic() + 3
        while not done.code and root.run("logs", "c").out.count("got") < count - len(wrong):
            assert time.monotonic() < deadline, name
        last = root.ok("logs", "--tail", "1", "c")
        if done.code or last != f"got {number}":
            wrong.append(f"{name}: {done.err}{last}")
    assert not wrong, "\n".join(wrong)


def names(engine: Engine, *filters: str) -> list[str]:
    options = [word for text in filters for word in ("-f", text)]
    return sorted(engine.ok("ps", "-a", *options, "--format", "{{.Names}}").split())


def test_filters(root: Engine) -> None:
    for name, policy in (("web1", "always"), ("web2", "no"), ("db", "on-failure:3")):
        root.ok(*CREATE, "--name", name, "--restart", policy, "busybox")
    assert names(root, "restart-policy=always") == ["web1"]
    assert names(root, "restart-policy=on-failure") == ["db"]
    for pattern, found in (
        ("web", ["web1", "web2"]), ("^web", ["web1", "web2"]), ("^/web1$", ["web1"]),
        ("^web1$", ["web1"]), ("1$", ["web1"]), ("^b", []), ("web[12]", ["web1", "web2"]),
        ("web(1|3)", ["web1"]), ("w.b2", ["web2"]), ("/db", ["db"]), (r"web\d", ["web1", "web2"]),
    ):  # fmt: skip
        assert names(root, f"name={pattern}") == found, pattern
    assert names(root, "name=db", "name=1$") == ["db", "web1"]
    assert "name" in root.fails("ps", "-f", "name=[")


def test_an_image_as_a_mount_that_can_be_written(engine: Engine) -> None:
    """For this container alone: the image stays as it is."""
    mount = "type=image,src=busybox,dst=/i,rw=true"
    script = "echo 1 > /i/new; cat /i/new"
    for _ in range(2):
        assert (
            engine.ok(*RUN, "--mount", mount, "busybox", "sh", "-c", f"ls /i/new; {script}") == "1"
        )
    for mount in ("type=image,src=busybox,dst=/i", "type=image,src=busybox,dst=/i,rw=false"):
        done = engine.run(*RUN, "--mount", mount, "busybox", "touch", "/i/new")
        assert done.code == 1 and "Read-only" in done.err


def test_load_from_a_server(engine: Engine) -> None:
    file = engine.home / "archive.tar"
    engine.ok("tag", "busybox", "loaded:1")
    engine.ok("save", "-o", file, "loaded:1")
    engine.ok("rmi", "loaded:1")
    with served(engine.home) as address:
        assert "loaded:1" in engine.ok("load", "-i", f"{address}/archive.tar")
        assert "404" in engine.fails("load", "-i", f"{address}/nosuch.tar")
    engine.ok("rmi", "loaded:1")
    file.unlink()


def test_a_root_that_is_laid_over(engine: Engine) -> None:
    """--rootfs PATH:O: what is written stays out of the directory."""
    directory = engine.home / "tree"
    directory.mkdir()
    engine.ok(*CREATE, "--name", "c", "busybox")
    archive = engine.run("export", "c", check=True).raw
    become = ["setpriv", "--reuid", engine.user, "--regid", engine.user, "--clear-groups"]
    subprocess.run(["chown", engine.user or "root", directory], check=True)
    subprocess.run([*(become if engine.user else []), "tar", "x", "-C", directory], input=archive,
                   check=True)  # fmt: skip
    script = "echo 1 > /new; cat /new"
    assert engine.ok(*RUN, "--rootfs", f"{directory}:O", "sh", "-c", script) == "1"
    assert not (directory / "new").exists()
    subprocess.run(["rm", "-rf", directory], check=True)


def test_volumes_of_other_kinds(root: Engine) -> None:
    source = root.home / "bound"
    source.mkdir()
    (source / "f").write_text("here")
    kinds = ("type=bind", "type=none,o=bind", "type=none,o=bind+ro")
    for number, kind in enumerate(kinds):
        options = f"{kind},device={source}"
        words = [w for o in options.split(",") for w in ("-o", o.replace("+", ","))]
        root.ok("volume", "create", *words, f"b{number}")
        assert root.ok(*RUN, "-v", f"b{number}:/v", "busybox", "cat", "/v/f") == "here"
        done = root.run(*RUN, "-v", f"b{number}:/v", "busybox", "touch", "/v/g")
        assert (done.code == 1) == ("ro" in kind), options
    memory = ("-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m,uid=5,mode=700")
    root.ok("volume", "create", *memory, "t")
    out = root.ok(*RUN, "-v", "t:/v", "busybox", "sh", "-c",
                  "stat -c %u:%a /v; df /v | tail -n1; echo x > /v/f")  # fmt: skip
    assert out.startswith("5:700") and out.split()[1:3] == ["tmpfs", "1024"], out
    root.ok("volume", "rm", "t", "b0", "b1", "b2")
    assert (source / "f").read_text() == "here"
    for bad in ("type=nosuch", "o=bind", "device=/nosuch", "nosuch=1"):
        root.fails("volume", "create", "-o", bad, "bad")
    for path in source.iterdir():
        path.unlink()
    source.rmdir()


def test_contents_of_volumes(engine: Engine) -> None:
    """volume export and import: archives; volume mount: a place on the host."""
    engine.ok(*RUN, "-v", "a:/v", "busybox", "sh", "-c", "echo 1 > /v/f; chown 5:6 /v/f")
    file = engine.home / "a.tar"
    engine.ok("volume", "export", "-o", file, "a")
    engine.ok("volume", "create", "b")
    engine.ok("volume", "import", "b", file)
    assert engine.ok(*RUN, "-v", "b:/v", "busybox", "stat", "-c", "%u:%g %s", "/v/f") == "5:6 2"
    raw = engine.run("volume", "export", "a", check=True).raw
    engine.ok("volume", "create", "c")
    engine.ok("volume", "import", "c", "-", input=raw)
    assert engine.ok(*RUN, "-v", "c:/v", "busybox", "cat", "/v/f") == "1"
    assert "nosuch" in engine.fails("volume", "import", "nosuch", file, code=1)
    if not engine.rootless:
        place = Path(engine.ok("volume", "mount", "a"))
        assert (place / "f").read_text() == "1\n"
        engine.ok("volume", "unmount", "a")
    file.unlink()
    engine.ok("volume", "rm", "a", "b", "c")


def test_the_exit_code_of_a_timeout(engine: Engine) -> None:
    """255, and 137 only where somebody else killed it."""
    assert engine.run(*RUN, "--timeout", "1", "busybox", "sleep", "100").code == 255
    engine.detached("--timeout", "1", "--name", "c", "busybox", "sleep", "100")
    assert engine.ok("wait", "c") == "255"


def test_kept_groups_are_alone(engine: Engine) -> None:
    for options in (
        "--group-add keep-groups --group-add 5",
        "--group-add 5 --group-add keep-groups",
    ):
        assert "keep-groups" in engine.fails(*CREATE, *options.split(), "busybox")
