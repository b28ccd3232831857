"""Where the service listens: TCP with and without TLS, origins of web pages, dockerd's options."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import docker
import pytest
from engine import Engine, free_port, wait_for
from tcp_service import Tcp, reachable


@pytest.mark.parametrize(
    ("place", "why"),
    [("tcp://0.0.0.0:2375", "would be root"), ("tcp://127.0.0.1:x", "no port"),
     ("unix://relative", "not known"), ("fd://", "nobody handed"), ("http://x", "not known")],
)  # fmt: skip
def test_where_it_does_not_listen(engine: Engine, place: str, why: str) -> None:
    done = engine.run("system", "service", place)
    assert done.code == 125 and why in done.err


def test_tcp_is_of_this_machine_and_warned_of(engine: Engine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = engine.popen("system", "service", f"tcp://127.0.0.1:{port}")
    lines = [process.stderr.readline().decode() for _ in range(2)]
    assert "everybody who connects" in lines[0] and lines[1].startswith("API listen")
    client = docker.DockerClient(base_url=f"tcp://127.0.0.1:{port}", version="1.41")
    assert client.ping() is True
    client.close()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 0


def test_clients_show_certificates(engine: Engine, certificates: Path) -> None:
    own = reachable(certificates, engine)
    files = ("--tlscert", f"{own}/server-cert.pem", "--tlskey", f"{own}/server-key.pem")
    served = Tcp(engine, "--tlsverify", "--tlscacert", f"{own}/ca.pem", *files, address="0.0.0.0")
    assert "may do what you may" not in served.said
    ca = ("--cacert", certificates / "ca.pem")
    assert served.curl(*ca)[0] != 0, "without a certificate"
    bad = ("--cert", certificates / "other-cert.pem", "--key", certificates / "other-key.pem")
    assert served.curl(*ca, *bad)[0] != 0
    good = ("--cert", certificates / "cert.pem", "--key", certificates / "key.pem")
    assert served.curl(*ca, *good) == (0, "OK")
    assert served.curl(*ca, *good, "-H", "Host: engine.example") == (0, "OK")
    assert served.curl(scheme="http")[0] != 0
    done = subprocess.run(
        ["docker", "run", "--rm", "-i", "--network", "none", "busybox", "cat"], input=b"by TLS",
        env={"DOCKER_HOST": f"tcp://127.0.0.1:{served.port}", "DOCKER_TLS_VERIFY": "1",
             "DOCKER_CERT_PATH": str(certificates), "PATH": os.environ["PATH"], "HOME": "/nothing"},
        capture_output=True, timeout=60,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == (b"by TLS", b"")
    served.end()
    subprocess.run(["rm", "-r", own], check=True)


def test_tls_without_certificates_of_clients(engine: Engine, certificates: Path) -> None:
    own = reachable(certificates, engine)
    files = ("--tlscert", f"{own}/server-cert.pem", "--tlskey", f"{own}/server-key.pem")
    served = Tcp(engine, "--tls", *files)
    assert "may do what you may" in served.said
    assert served.curl("--cacert", certificates / "ca.pem") == (0, "OK")
    served.end()
    place = f"tcp://0.0.0.0:{free_port()}"
    assert "would be root" in engine.fails("system", "service", "--tls", *files, place)
    for option, path, why in (
        ("--tlskey", f"{own}/other-key.pem", "no certificate, or not its key"),
        ("--tlscert", f"{own}/nothing", "no such file"),
    ):
        message = engine.fails("system", "service", "--tls", *files, option, path, place)
        assert why in message and path in message
    subprocess.run(["rm", "-r", own], check=True)


def test_insecure_tcp_is_said(root: Engine) -> None:
    served = Tcp(root, "--insecure-tcp", address="0.0.0.0")
    assert "may do what you may" in served.said
    assert served.curl(scheme="http") == (0, "OK")
    served.end()


def test_origins_that_may_ask(root: Engine) -> None:
    served = Tcp(root, "--cors", "https://a.example")
    ask = ("-i", "-H", "Origin: https://a.example")
    code, said = served.curl(*ask, scheme="http")
    assert code == 0 and "Access-Control-Allow-Origin: https://a.example" in said
    said = served.curl(*ask, "-X", "OPTIONS", scheme="http", path="containers/json")[1]
    assert said.startswith("HTTP/1.1 200") and "Access-Control-Allow-Methods: " in said
    said = served.curl("-i", "-H", "Origin: https://b.example", scheme="http")[1]
    assert said.startswith("HTTP/1.1 403")
    served.end()


def test_daemon(engine: Engine) -> None:
    """dockerd's options and settings."""
    port = free_port()
    file, pid = engine.home / "daemon.json", engine.home / "pid"
    file.write_text(json.dumps({
        "hosts": [f"tcp://127.0.0.1:{port}"], "labels": ["a=b"], "live-restore": True,
        "registry-mirrors": ["https://mirror.example"], "pidfile": str(pid),
    }))  # fmt: skip
    file.chmod(0o644)
    served = Tcp(engine, "--config-file", str(file), "--label", "c=d", "--registry-mirror",
                 "https://first.example", verb=("daemon",))  # fmt: skip
    assert "'live-restore' has no meaning here" in served.said
    client = docker.DockerClient(base_url=f"tcp://127.0.0.1:{port}", version="1.41")
    about = client.info()
    client.close()
    assert about["Labels"] == ["a=b", "c=d"]
    mirrors = about["RegistryConfig"]["IndexConfigs"]["docker.io"]["Mirrors"]
    assert [m.rstrip("/") for m in mirrors][-2:] == [  # the tests' own is there
        "https://mirror.example",
        "https://first.example",
    ]
    assert Path(f"/proc/{pid.read_text().strip()}/cmdline").read_bytes().count(b"daemon")
    served.end()
    assert not pid.exists()
    assert engine.ok("daemon", "--validate", "--config-file", file) == ""
    for wrong, why in (("{", "not valid JSON"), ('{"hosts": 7}', "wrong type"), ("[]", "object")):
        file.write_text(wrong)
        assert why in engine.fails("daemon", "--validate", "--config-file", file)
    file.unlink()


def test_mirrors_of_one_command(engine: Engine) -> None:
    said = engine.ok("--registry-mirror", "http://m.example", "--insecure-registry", "i.example",
                     "info", "--format", "{{json .RegistryConfig}}")  # fmt: skip
    about: Any = json.loads(said)
    assert "http://m.example" in said and "i.example" in json.dumps(about)


@pytest.mark.parametrize("arguments", [(), ("fd://",)])
def test_a_socket_that_systemd_hands_over(root: Engine, arguments: tuple[str, ...]) -> None:
    path = root.home / "activated.sock"
    variables = [word for name, value in root.env.items() for word in ("-E", f"{name}={value}")]
    command = root.command("system", "service", "-t", "1", *arguments)
    command = command[command.index(sys.executable) :]  # without env -i
    process = subprocess.Popen(
        ["systemd-socket-activate", "-l", path, *variables, *command],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    root.started.append(process)
    wait_for(path.exists)
    done = subprocess.run(["curl", "-s", "--unix-socket", path, "http://d/_ping"],
                          capture_output=True, timeout=30)  # fmt: skip
    assert done.stdout == b"OK"
    assert process.wait(timeout=30) == 0, "it ends by itself, and systemd would start it again"
    path.unlink()
