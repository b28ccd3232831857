"""A `crunpy system service` of a test on TCP, and certificates for it."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from engine import Engine, free_port


def certificates(where: Path) -> Path:
    """ca.pem, server-cert.pem and -key.pem, cert.pem and key.pem (a client's), other-*: unknown;
    in the directory `where`."""

    def openssl(*args: str) -> None:
        subprocess.run(["openssl", *args], cwd=where, check=True, capture_output=True)

    for ca in ("ca", "other-ca"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={ca}",
                "-keyout", f"{ca}-key.pem", "-out", f"{ca}.pem")  # fmt: skip
    (where / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:engine.example\n")
    for name, ca in (("server-", "ca"), ("", "ca"), ("other-", "other-ca")):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-keyout",
                f"{name}key.pem", "-out", f"{name}csr.pem")  # fmt: skip
        openssl("x509", "-req", "-in", f"{name}csr.pem", "-CA", f"{ca}.pem", "-CAkey",
                f"{ca}-key.pem", "-CAcreateserial", "-days", "2", "-extfile", "names", "-out",
                f"{name}cert.pem")  # fmt: skip
    where.chmod(0o755)
    for path in where.iterdir():
        path.chmod(0o644)
    return where


class Tcp:
    """A service on TCP."""

    def __init__(self, engine: Engine, *options: str, verb: tuple[str, ...] = ("system", "service"),
                 address: str = "127.0.0.1") -> None:  # fmt: skip
        self.port = free_port()
        self.process = engine.popen(*verb, "-H", f"tcp://{address}:{self.port}", *options)
        self.said = ""
        while "API listen on" not in self.said:
            line = self.process.stderr.readline().decode()
            assert line, self.said
            self.said += line

    def curl(self, *options: object, scheme: str = "https", path: str = "_ping") -> tuple[int, str]:
        done = subprocess.run(
            ["curl", "-s", *map(str, options), f"{scheme}://127.0.0.1:{self.port}/{path}"],
            capture_output=True, text=True, timeout=30,
        )  # fmt: skip
        return done.returncode, done.stdout

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=20) == 0


def reachable(certificates: Path, engine: Engine) -> Path:
    """The certificates where the engine's user may read them."""
    copied = engine.home / "certificates"
    subprocess.run(["cp", "-r", certificates, copied], check=True)
    subprocess.run(["chmod", "-R", "a+rX", copied], check=True)
    return copied
