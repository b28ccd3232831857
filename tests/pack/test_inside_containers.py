"""crunpy in containers of other engines, as in CI: what docs/ci.md says is enough, and an error
that comes of the outer container says what that lacks."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import systems
from docker_daemon import docker_daemon
from engine import CHECKOUT, Engine
from images import busybox_tar
from mirror import Registry
from onefile import onefile

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="other machines are emulated"),
]

PODMAN_CONF = """
[containers]
pids_limit = 0
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
"""What this machine's lack of limits wants of podman."""
ROOT = """
exec <&-
crunpy import -q /given/busybox.tar busybox >/dev/null
crunpy run --rm --network none busybox echo none
crunpy run --rm -p 8080:80 busybox echo port
printf 'FROM busybox\\nRUN echo x >/x\\n' | crunpy build -q -t made - >/dev/null
crunpy run --rm --network none made cat /x
"""
ROOT_PRINTS = ["none", "port", "x"]
USER = """
exec <&-
useradd -m -u 1001 ann 2>/dev/null
chown -R ann: /home/ann
su ann -c 'set -e
crunpy import -q /given/busybox.tar busybox >/dev/null
crunpy run --rm --network none busybox echo none
crunpy run --rm busybox echo usual
crunpy build -q -t made /given/context >/dev/null
crunpy run --rm made cat /x'
"""
USER_PRINTS = ["none", "usual", "x"]


class Outer(NamedTuple):
    """An engine in whose containers crunpy runs."""

    command: list[str]
    volumes: list[str]

    def run(
        self, script: str, *options: str, network: str = "none", image: str = systems.PYTHON
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.command, "run", "--rm", "--network", network, "--shm-size", "1m",
             *self.volumes, *options, image, "sh", "-ec", script],
            capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def advised(self, script: str) -> tuple[list[str], str]:
        """The options that errors tell of, one after the other, until it works; what it prints."""
        options: list[str] = []
        for _ in range(4):
            done = self.run(script, *options)
            if done.returncode == 0:
                return options, done.stdout
            options += self.advice_of(done)
        raise AssertionError(options)

    @staticmethod
    def advice_of(done: subprocess.CompletedProcess[str]) -> list[str]:
        """The options that its error tells of."""
        said = re.search(r"start it with \w+ run (.*); see `crunpy doctor`", done.stderr)
        assert done.returncode and said, (done.args[-12:], done.stdout, done.stderr)
        return shlex.split(said[1])


@pytest.fixture(scope="module")
def given(base: Path) -> list[str]:
    """The one file and an image, for all containers."""
    place = base / "inside"
    place.mkdir()
    (place / "busybox.tar").write_bytes(busybox_tar())
    (place / "context").mkdir()
    (place / "context/Dockerfile").write_text("FROM busybox\nRUN echo x >/x\n")
    return ["-v", f"{onefile('x86_64')}:/usr/local/bin/crunpy:ro", "-v", f"{place}:/given:ro"]


@pytest.fixture(scope="module")
def archive(base: Path) -> Path:
    """The image, for podman and docker."""
    made = base / "inside.tar"
    subprocess.run(
        ["skopeo", "copy", "-q", "--insecure-policy", f"oci:{systems.debian()}",
         f"docker-archive:{made}:{systems.PYTHON}:latest"],
        check=True,
    )  # fmt: skip
    return made


@pytest.fixture(scope="module")
def docker(base: Path, given: list[str], archive: Path) -> Iterator[Outer]:
    with docker_daemon(base / "docker-inside") as daemon:
        subprocess.run([*daemon.command, "load", "-q", "-i", archive], check=True,
                       capture_output=True)  # fmt: skip
        yield Outer(daemon.command, given)


@pytest.fixture
def crunpy(root: Engine, given: list[str]) -> Iterator[Outer]:
    root.ok("load", "-q", "-i", systems.debian())
    yield Outer(root.command(), given)
    root.run("volume", "rm", "kept")


def _podman(home: Path, archive: Path, given: list[str], user: str = "") -> Iterator[Outer]:
    (home / "xdg").mkdir(parents=True, mode=0o700)
    (home / "containers.conf").write_text(PODMAN_CONF)
    command = ["env", "-i", f"HOME={home}", f"PATH={os.environ['PATH']}",
               f"XDG_RUNTIME_DIR={home}/xdg", f"CONTAINERS_CONF={home}/containers.conf", "podman",
               "--root", f"{home}/root", "--runroot", f"{home}/run",
               "--runtime", "runc"]  # fmt: skip
    if user:
        subprocess.run(["chown", "-R", f"{user}:", home], check=True)
        command = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups", *command]
    subprocess.run([*command, "load", "-q", "-i", archive], check=True, capture_output=True)
    yield Outer(command, given)
    subprocess.run([*command, "rm", "--all", "--force"], capture_output=True)
    subprocess.run([*command, "volume", "rm", "--all", "--force"], capture_output=True)
    subprocess.run([*command, "rmi", "--all", "--force"], capture_output=True)
    if user:  # it keeps a process that holds the user namespace
        subprocess.run([*command, "system", "migrate"], capture_output=True)
    subprocess.run(["umount", "-q", home / "root/overlay"], check=False)


@pytest.fixture(scope="module")
def podman(base: Path, given: list[str], archive: Path) -> Iterator[Outer]:
    yield from _podman(base / "podman-inside", archive, given)


@pytest.fixture(scope="module")
def rootless(base: Path, given: list[str], archive: Path, user_name: str) -> Iterator[Outer]:
    """podman, run by a plain user."""
    archive.chmod(0o644)
    yield from _podman(base / "rootless-inside", archive, given, user_name)


ADVICE = {
    ("crunpy", "root"): "--cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt unmask=/proc/sys",
    ("podman", "root"): "--cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt unmask=/proc/sys",
    ("rootless", "root"): "--cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt unmask=/proc/sys",
    ("docker", "root"): "--cap-add SYS_ADMIN --cap-add NET_ADMIN "
    "--security-opt seccomp=unconfined --security-opt systempaths=unconfined",
    ("crunpy", "user"): "--cap-add SYS_ADMIN --security-opt unmask=ALL",
    ("rootless", "user"): "--cap-add SYS_ADMIN --security-opt unmask=ALL",
    ("podman", "user"): "--cap-add SYS_ADMIN --security-opt unmask=ALL",
    ("docker", "user"): "--cap-add SYS_ADMIN "
    "--security-opt seccomp=unconfined --security-opt systempaths=unconfined",
}
"""Outer engine, and who runs crunpy there → what the errors say, as docs/ci.md does."""


@pytest.mark.parametrize("outer", ["crunpy", "podman", "rootless", "docker"])
@pytest.mark.parametrize("who", ["root", "user"])
def test_errors_say_what_is_lacking(request: pytest.FixtureRequest, outer: str, who: str) -> None:
    """In a container without options an error names the options with which it works, and no
    more."""
    engine: Outer = request.getfixturevalue(outer)
    script = ROOT if who == "root" else USER
    options, printed = engine.advised(script)
    assert " ".join(options) == ADVICE[outer, who]
    assert printed.split() == (ROOT_PRINTS if who == "root" else USER_PRINTS)


@pytest.mark.parametrize("outer", ["crunpy", "podman", "rootless", "docker"])
@pytest.mark.parametrize("who", ["root", "user"])
def test_pull_and_push(
    request: pytest.FixtureRequest, registry: Registry, outer: str, who: str
) -> None:
    """With a registry that the outer container reaches."""
    engine: Outer = request.getfixturevalue(outer)
    name = f"{registry.host}/inside/{outer}-{who}"
    job = (
        f"set -e; crunpy pull -q --tls-verify=false {registry.host}/library/busybox >/dev/null; "
        f"crunpy tag {registry.host}/library/busybox {name}; "
        f"crunpy push -q --tls-verify=false {name}; crunpy rmi {name} >/dev/null; "
        f"crunpy run -q --rm --tls-verify=false --network host {name} echo pushed"
    )
    if who == "user":
        job = f"useradd -m -u 1001 ann; chown -R ann: /home/ann; su ann -c {shlex.quote(job)}"
    done = engine.run(job, *shlex.split(ADVICE[outer, who]), network="host")
    assert done.stdout.split()[-1:] == ["pushed"], done


@pytest.mark.parametrize("outer", ["crunpy", "podman", "docker"])
def test_a_read_only_container(request: pytest.FixtureRequest, outer: str) -> None:
    """The one file says what it takes to be unpacked there, and that does."""
    engine: Outer = request.getfixturevalue(outer)
    options = ["--read-only", *(["--read-only-tmpfs=false"] if outer == "podman" else [])]
    done = engine.run("crunpy --version", *options)
    assert done.returncode == 125 and done.stderr.count("read-only file system") == 3, done
    advice = re.search(r"in a container (--tmpfs \S+)\)", done.stderr)
    assert advice, done
    done = engine.run("crunpy --version", *options, *shlex.split(advice[1]))
    assert (done.returncode, done.stdout) == (0, "crunpy version 0.1.0\n"), done


def test_the_doctor_says_it_too(crunpy: Outer) -> None:
    told = crunpy.run("crunpy doctor || true").stdout
    assert "this is a container of crunpy, which lacks what containers in it take" in told
    assert f"crunpy run {ADVICE['crunpy', 'root']} …" in told
    options = shlex.split(ADVICE["crunpy", "root"])
    told = crunpy.run("crunpy doctor || true", *options).stdout
    assert "this is a container of crunpy, with all that it takes" in told


def test_privileged(crunpy: Outer) -> None:
    """Then nothing is lacking; on a volume there is an overlay, and nothing is copied."""
    done = crunpy.run(ROOT, "--privileged")
    assert done.stdout.split() == ROOT_PRINTS, done
    assert "each container gets a copy" in done.stderr
    done = crunpy.run(ROOT, "--privileged", "-v", "kept:/var/lib/crunpy")
    assert done.stdout.split() == ROOT_PRINTS and "copy" not in done.stderr, done


STORE = "/home/ann/.local/share/crunpy"
LIFE = (
    "set -e; crunpy import -q /given/busybox.tar busybox >/dev/null; "
    "crunpy run --rm --network none -u 5 busybox id -u"
)


@pytest.mark.parametrize("outer", ["crunpy", "podman", "docker"])
def test_a_users_volume(request: pytest.FixtureRequest, outer: str) -> None:
    """A new one is root's: each of the ways that the error tells of makes it the user's."""
    engine: Outer = request.getfixturevalue(outer)
    options = shlex.split(ADVICE[outer, "user"])
    as_ann = f"su ann -c {shlex.quote(LIFE)}"

    def run(script: str, image: str, *more: str) -> subprocess.CompletedProcess[str]:
        return engine.run(script, *options, *more, image=image)

    def has_user(name: str, further: str = "") -> str:
        made = ["run", "--name", name, "--network", "none", systems.PYTHON, "sh", "-ec",
                f"useradd -m -u 1001 ann; {further}"]  # fmt: skip
        for words in (made, ["commit", name, f"{name}-image"], ["rm", name]):
            subprocess.run([*engine.command, *words], check=True, capture_output=True, timeout=120)
        return f"{name}-image"

    plain = has_user("plain")
    owned = has_user("owned", f"mkdir -p {STORE}; chown -R ann: /home/ann")
    try:
        done = run(as_ann, plain, "-v", f"late:{STORE}")
        assert done.returncode == 125 and f"as root chown 1001:1001 {STORE}; or" in done.stderr
        done = run("su ann -c 'crunpy doctor'", plain, "-v", f"late:{STORE}")
        assert done.returncode == 1 and f"as root: chown 1001 {STORE}" in done.stdout
        done = run(f"chown 1001:1001 {STORE}; {as_ann}", plain, "-v", f"late:{STORE}")
        assert (done.stdout, done.stderr) == ("5\n", ""), done
        done = run(as_ann, owned, "-v", f"early:{STORE}")
        assert (done.stdout, done.stderr) == ("5\n", ""), done
        if outer != "docker":  # which has no :U
            done = run(LIFE, plain, "-v", f"given:{STORE}:U", "--user", "1001:1001",
                       "-e", "HOME=/home/ann")  # fmt: skip
            assert (done.stdout, done.stderr) == ("5\n", ""), done
    finally:
        subprocess.run([*engine.command, "volume", "rm", "late", "early", "given"],
                       capture_output=True)  # fmt: skip
        subprocess.run([*engine.command, "rmi", plain, owned], capture_output=True)


def test_ids_within_the_outer_ones(rootless: Outer) -> None:
    """useradd's are not; those that docs/ci.md has are."""
    options = shlex.split(ADVICE["rootless", "user"])
    begin = "useradd -m -u 1001 ann; "
    done = rootless.run(f"{begin} su ann -c {shlex.quote(LIFE)}", *options)
    assert "100000-165535 is not within 0-65536" in done.stderr
    assert "ann:2000:63000 would do" in done.stderr and "there is no id but root's" in done.stderr
    assert "ann:2000:60000" in (CHECKOUT / "docs/ci.md").read_text()
    begin += "echo ann:2000:60000 | tee /etc/subuid >/etc/subgid; "
    done = rootless.run(f"{begin} su ann -c {shlex.quote(LIFE)}", *options)
    assert done.stdout == "5\n" and "namespace" not in done.stderr, done


@pytest.mark.parametrize("who", ["root", "user"])
def test_inner_privileged(rootless: Outer, who: str) -> None:
    """It wants a /sys that may be written: with --privileged, or without a network of its own."""
    inner = (
        "crunpy import -q /given/busybox.tar busybox >/dev/null; "
        "crunpy run --rm --privileged --network host busybox echo host; "
        "crunpy run --rm --privileged --network none busybox echo none"
    )
    job = inner if who == "root" else f"useradd -m ann; su ann -c {shlex.quote(inner)}"
    done = rootless.run(job, *shlex.split(ADVICE["rootless", who]))
    assert done.stdout == "host\n" and done.returncode == 125
    assert (
        "podman run --privileged, as what is on /sys here is read-only; or use --network host"
        in (done.stderr)
    )
    done = rootless.run(job, "--privileged")
    assert done.stdout == "host\nnone\n", done


def test_no_home(docker: Outer) -> None:
    """A user of --user without a name has / as his home directory."""
    options = shlex.split("--security-opt seccomp=unconfined --security-opt systempaths=unconfined")
    job = (
        "crunpy import -q /given/busybox.tar busybox >/dev/null; "
        "crunpy run --rm --network none busybox id -u"
    )
    done = docker.run(job, *options, "--user", "4321:4321")
    assert done.returncode == 125 and "set HOME, XDG_DATA_HOME or CRUNPY_ROOT" in done.stderr, done
    done = docker.run(job, *options, "--user", "4321:4321", "-e", "HOME=/tmp")
    assert done.stdout == "0\n" and "/etc/subuid has no ids for user 4321" in done.stderr, done


def test_no_device_for_networks(podman: Outer) -> None:
    """What is asked for is the outer engine's option, not a module of its machine."""
    job = (
        "touch /usr/bin/pasta; chmod +x /usr/bin/pasta; useradd -m ann; su ann -c '"
        "crunpy import -q /given/busybox.tar busybox >/dev/null; "
        "crunpy run --rm -p 8080:80 busybox true'"
    )
    done = podman.run(job, *shlex.split(ADVICE["podman", "user"]))
    assert done.returncode == 125, done
    assert "start it with podman run --device /dev/net/tun; or use --network none" in done.stderr


def test_the_document_says_so() -> None:
    """docs/ci.md has each line of ADVICE."""
    text = (CHECKOUT / "docs/ci.md").read_text()
    for (outer, who), options in ADVICE.items():
        name = "podman, run by a plain user" if outer == "rootless" else outer
        assert f"| {name} | {who} | `{options}` |" in text
