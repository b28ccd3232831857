"""Ways to a service: TCP, TLS with certificates of clients, ssh; and ways that end badly."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from engine import Engine, free_port, wait_for
from far import Far
from oci_images import entry, tar
from tcp_service import Tcp, reachable

NONE = ("--network", "none")
BIG = "0123456789abcdef" * 40_000


def test_tcp(root: Engine) -> None:
    served = Tcp(root)
    far = Far(root, f"tcp://127.0.0.1:{served.port}")
    assert far.run("run", "--rm", "-i", *NONE, "busybox", "cat", input=BIG).out == BIG
    assert "TLS" in far.fails("--tlsverify", "ps")
    served.end()
    assert "connection refused" in far.fails("ps")


def test_tls(root: Engine, certificates: Path) -> None:
    own = reachable(certificates, root)
    files = ("--tlscert", f"{own}/server-cert.pem", "--tlskey", f"{own}/server-key.pem")
    served = Tcp(root, "--tlsverify", "--tlscacert", f"{own}/ca.pem", *files)
    host = f"tcp://127.0.0.1:{served.port}"
    far = Far(root, host, DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=str(own))
    done = far.run("run", "--rm", "-i", *NONE, "busybox", "sh", "-c", "cat; exit 3", input=BIG)
    assert (done.out == BIG, done.err, done.code) == (True, "", 3)
    made = far.ok("create", "--name", "c", *NONE, "busybox", "sh")
    assert far.ok("ps", "-aq", "--no-trunc") == made
    ca, cert, key = f"ca={own}/ca.pem", f"cert={own}/cert.pem", f"key={own}/key.pem"
    root.ok("context", "create", "tls", "--docker", f"host={host},{ca},{cert},{key}")
    assert root.ok("--context", "tls", "ps", "-aq", "--no-trunc") == made
    options = ("--tlscacert", f"{own}/ca.pem", "--tlscert", f"{own}/cert.pem")
    bare = Far(root, host)
    key_option = ("--tlskey", f"{own}/key.pem")
    assert (
        root.ok("-H", host, "--tlsverify", *options, *key_option, "ps", "-aq", "--no-trunc") == made
    )
    for general, why in (
        ((), "TLS"),
        (("--tlsverify", "--tlscacert", f"{own}/ca.pem"), "TLS"),
        (("--tlsverify", "--tlscacert", f"{own}/other-ca.pem", "--tlscert", f"{own}/cert.pem",
          *key_option), "certificate is not accepted"),
        (("--tlsverify", "--tlscacert", f"{own}/ca.pem", "--tlscert", f"{own}/other-cert.pem",
          "--tlskey", f"{own}/other-key.pem"), "TLS"),
        (("--tlsverify", *options, "--tlskey", f"{own}/other-key.pem"), "TLS with"),
        (("--tlsverify", "--tlscacert", "/nothing"), "no such file"),
    ):  # fmt: skip
        done = root.run("-H", host, *general, "ps")
        assert done.code == 125 and why.lower() in done.err.lower(), (general, done.err)
        assert done.err.count("\n") == 1 and "Traceback" not in done.err
    assert root.ok("-H", host, "--tls", *options, *key_option, "ps", "-aq", "--no-trunc") == made
    assert bare.host == host
    served.end()
    subprocess.run(["rm", "-r", own], check=True)


# ---- ssh ----


@pytest.fixture
def ssh(root: Engine, tmp_path: Path) -> Iterator[tuple[Engine, str]]:
    """The root engine with an ssh(1) that knows a daemon on loopback, on which the same engine is
    installed; and that daemon's address."""
    port, home = free_port(), root.home / "ssh"
    home.mkdir()

    def key(path: Path) -> None:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)

    key(home / "host")
    key(home / "key")
    binaries = home / "bin"
    binaries.mkdir()
    quoted = " ".join(f"'{word}'" for word in root.command())
    (binaries / "crunpy").write_text(f'#!/bin/sh\nexec {quoted} "$@"\n')
    (home / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {home}/host\nPidFile none\nUsePAM no\n"
        f"AuthorizedKeysFile {home}/key.pub\nStrictModes no\nPermitRootLogin yes\nAllowUsers root\n"
        f"PasswordAuthentication no\nSetEnv PATH={binaries}:/usr/bin:/bin\n"
    )
    (home / "ssh_config").write_text(
        f"IdentityFile {home}/key\nStrictHostKeyChecking no\nUserKnownHostsFile /dev/null\n"
        "LogLevel ERROR\nIdentitiesOnly yes\n"
    )
    (binaries / "ssh").write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {home}/ssh_config "$@"\n')
    for program in binaries.iterdir():
        program.chmod(0o755)
    empty = Path("/run/sshd")  # sshd(8): where it has nothing
    is_new = not empty.exists()
    empty.mkdir(mode=0o755, exist_ok=True)
    log = (tmp_path / "log").open("wb")
    command = ["/usr/sbin/sshd", "-D", "-e", "-f", home / "sshd_config"]
    daemon = subprocess.Popen(command, stderr=log, start_new_session=True)
    wait_for(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
    before = root.env["PATH"]
    root.env["PATH"] = f"{binaries}:{before}"
    yield root, f"ssh://root@127.0.0.1:{port}"
    root.env["PATH"] = before
    for line in root.processes():  # the service that was begun for us, before its idle time is over
        if "dial.sock" in line:
            os.kill(int(line.split()[0]), signal.SIGTERM)
    wait_for(lambda: not (root.run_root / "dial.sock").exists())
    daemon.terminate()
    daemon.wait()
    log.close()
    if is_new:
        empty.rmdir()
    (root.run_root / "dial.lock").unlink()


def test_ssh(ssh: tuple[Engine, str]) -> None:
    engine, host = ssh
    far = Far(engine, host)
    done = far.run("run", "--rm", "-i", *NONE, "busybox", "sh", "-c", "cat; exit 4", input="by ssh")
    assert (done.out, done.err, done.code) == ("by ssh", "", 4)
    engine.ok("create", "--name", "c", *NONE, "busybox")
    assert far.ok("ps", "-a", "--format", "{{.Names}}") == "c"
    terminal = engine.pty(*far.words("run", "-it", "--rm", *NONE, "busybox", "sh"))
    terminal.until("/ # ")
    terminal.write("exit 5\n")
    assert terminal.wait() == 5
    service = engine.popen("system", "service", f"unix://{engine.home}/own.sock")
    assert b"API listen" in service.stderr.readline()
    engine.ok("system", "connection", "add", "there", f"{host}{engine.home}/own.sock")
    assert engine.ok("--connection", "there", "ps", "-a", "--format", "{{.Names}}") == "c"
    service.send_signal(signal.SIGTERM)
    service.wait(20)
    assert "no such file" in engine.fails("--connection", "there", "ps")
    port = int(host.rpartition(":")[2])
    message = Far(engine, f"ssh://nobody@127.0.0.1:{port}").fails("ps")
    assert "Permission denied" in message, message
    assert "refused" in Far(engine, f"ssh://root@127.0.0.1:{free_port()}").fails("ps")
    engine.env["PATH"] = "/nothing"
    try:
        assert "the program ssh is missing" in engine.fails(
            "-H", host, "ps", wrap=["env", "PATH=/usr/bin:/bin"])  # fmt: skip
    finally:
        engine.env["PATH"] = f"{engine.home}/ssh/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


# ---- bad ends ----


def test_sockets_that_are_none(user: Engine, tmp_path: Path) -> None:
    message = user.fails("-H", "unix:///nothing/x.sock", "ps")
    assert "no such file or directory (is a service running there?" in message
    assert "system service" in message
    with socket.socket(socket.AF_UNIX) as closed:
        path = user.home / "closed.sock"
        closed.bind(str(path))
        path.chmod(0o777)
        assert "connection refused" in user.fails("-H", f"unix://{path}", "ps")
        closed.listen()
        path.chmod(0o600)
        assert "permission denied (the socket" in user.fails("-H", f"unix://{path}", "ps")
    path.unlink()
    for words in ("-H unix:///x --context y ps", "-H tcp://x:y ps", "-H npipe:////./pipe/x ps",
                  "--context nosuch ps", "--connection nosuch ps",
                  "-H tcp://host.invalid:1 ps"):  # fmt: skip
        assert user.run(*words.split()).code == 125


@contextmanager
def answering(engine: Engine, answer: Callable[[socket.socket, bytes], None]) -> Iterator[str]:
    """A service that answers each request's head with what `answer` does; its address."""
    path = engine.home / "odd.sock"
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    path.chmod(0o777)
    server.listen()

    def serve(sock: socket.socket) -> None:
        with sock:
            head = b""
            while data := sock.recv(65536):
                head += data
                while b"\r\n\r\n" in head:
                    one, _, head = head.partition(b"\r\n\r\n")
                    try:
                        answer(sock, one)
                    except OSError:
                        return

    def accept() -> None:
        while True:
            try:
                sock, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(sock,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"unix://{path}"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        path.unlink()


def ping(sock: socket.socket, version: str = "1.41") -> None:
    sock.sendall(
        f"HTTP/1.1 200 OK\r\nApi-Version: {version}\r\nContent-Length: 2\r\n\r\nOK".encode()
    )


@pytest.mark.parametrize("name", ["../canary", "/canary", "..", "a/../../canary", "."])
def test_a_service_chooses_no_place_on_this_machine(
    root: Engine, tmp_path: Path, name: str
) -> None:
    """What it calls the file that is copied is a name, and no path."""
    about = base64.b64encode(json.dumps({"name": name, "mode": 0o644, "size": 4}).encode())
    archive = tar(entry("file", b"evil"))

    def answer(sock: socket.socket, head: bytes) -> None:
        if b"/_ping" in head:
            ping(sock)
            return
        body = b"" if head.startswith(b"HEAD") else archive
        sock.sendall(b"HTTP/1.1 200 OK\r\nX-Docker-Container-Path-Stat: " + about
                     + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)  # fmt: skip

    canary, target = tmp_path / "canary", tmp_path / "target"
    canary.write_text("untouched")
    target.mkdir()
    with answering(root, answer) as address:
        message = root.fails("-H", address, "cp", "c:/file", target)
    assert "not the name of a file" in message or "leads out" in message
    assert canary.read_text() == "untouched" and [*target.iterdir()] == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["canary", "target"]


def test_services_that_say_nonsense(root: Engine) -> None:
    def said(what: bytes, *, first: bool = False) -> Callable[[socket.socket, bytes], None]:
        def answer(sock: socket.socket, head: bytes) -> None:
            if b"/_ping" in head and not first:
                ping(sock)
                return
            sock.sendall(what)
            sock.shutdown(socket.SHUT_RDWR)

        return answer

    ok = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    for answer, why in (
        (said(b"SSH-2.0-OpenSSH\r\n\r\n", first=True), "no HTTP"),
        (said(b"", first=True), "ended without an answer"),
        (said(ok + b"Content-Length: 2\r\n\r\nhi", first=True), "not a service of Docker's API"),
        (said(b"HTTP/1.1 503 X\r\nContent-Length: 4\r\n\r\nbusy", first=True), "busy"),
        (said(ok + b"Content-Length: 9\r\n\r\n<html>hi!"), "no JSON"),
        (said(ok + b"Content-Length: 2\r\n\r\n{}"), "no list"),
        (said(ok + b"Content-Length: 99\r\n\r\n[{"), "in the middle"),
        (said(ok + b'Content-Length: 8\r\n\r\n[{"Id":1}]'[:-2] + b"}"), ""),
        (said(b"HTTP/1.1 500 X\r\nContent-Length: 6\r\n\r\nbroken"), "broken"),
        (said(b'HTTP/1.1 409 X\r\nContent-Length: 18\r\n\r\n{"message":"taken"}'), "taken"),
        (said(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), ""),
        (lambda sock, _: ping(sock, "1.12"), "at least 1.24 is needed"),
    ):
        with answering(root, answer) as host:
            done = root.run("-H", host, "ps")
            assert done.code == 125 and why in done.err, (why, done.err)
            assert "Traceback" not in done.err and "internal" not in done.err, done.err


def test_an_old_service_is_asked_in_its_words(root: Engine) -> None:
    asked: list[bytes] = []

    def answer(sock: socket.socket, head: bytes) -> None:
        asked.append(head.split()[1])
        if b"/_ping" in head:
            ping(sock, "1.30")
        else:
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")

    with answering(root, answer) as host:
        assert root.ok("-H", host, "ps", "-q", "--filter", "label=a=b") == ""
        assert asked[-1].startswith(b"/v1.30/containers/json?all=0&filters=%7B%22label%22")
        assert root.ok("-H", host, "ps", "-q", env={"DOCKER_API_VERSION": "1.25"}) == ""
        assert asked[-1].startswith(b"/v1.25/")
        assert "Docker's API, which cannot say it" in root.fails("-H", host, "secret", "ls")


def test_a_slow_service_is_waited_for(root: Engine) -> None:
    def answer(sock: socket.socket, head: bytes) -> None:
        if b"/_ping" in head:
            ping(sock)
            return
        for piece in (b"HTTP/1.1 200 OK\r\nContent-Le", b"ngth: 2\r\n\r\n", b"[", b"]"):
            time.sleep(0.2)
            sock.sendall(piece)

    with answering(root, answer) as host:
        assert root.ok("-H", host, "ps", "-q") == ""


def test_services_that_die_meanwhile(fresh: Callable[[str], Engine]) -> None:
    from api_service import Served

    engine = fresh("root")
    engine.ok("pull", "-q", "busybox")
    engine.detached("--name", "c", "busybox", "sh", "-c", "while echo x; do sleep 0.1; done")
    for words in (("run", "--rm", *NONE, "busybox", "sh", "-c", "echo up; sleep 100"),
                  ("logs", "-f", "c"), ("exec", "c", "sh", "-c", "echo up; sleep 100"),
                  ("attach", "--no-stdin", "c"), ("wait", "c")):  # fmt: skip
        served = Served(engine)
        process = engine.popen("-H", f"unix://{served.path}", *words)
        if words[0] != "wait":
            assert process.stdout.readline()
        else:
            time.sleep(0.5)
        served.process.kill()
        served.process.wait()
        code, err = process.wait(20), process.stderr.read().decode()
        assert code == 125 and err.count("\n") == 1 and "Traceback" not in err, (words, code, err)
        os.unlink(served.path)


def test_a_pull_that_ends_in_the_middle(root: Engine) -> None:
    def answer(sock: socket.socket, head: bytes) -> None:
        if b"/_ping" in head:
            ping(sock)
            return
        line = b'{"status":"Downloading","progressDetail":{},"id":"0123456789ab"}\n'
        sock.sendall(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(line) + line
        )
        sock.sendall(b"\r\n")
        sock.shutdown(socket.SHUT_RDWR)

    with answering(root, answer) as host:
        for words in (("pull", "busybox"), ("build", "-")):
            done: Any = root.run("-H", host, *words, input="FROM busybox\n")
            assert done.code == 125 and "in the middle of an answer" in done.err, done.err
