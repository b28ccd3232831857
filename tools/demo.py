"""The main job, shown: nginx is pulled, run, asked, looked at and stopped; as root, then as a user.

    choose    the image: docker.io's when it answers, else one made of Debian's packages and
              served by a real docker-registry on loopback, configured as docker.io's mirror
    enter     tools/in-test-namespace: network and mounts of our own
    show      each command with what it really printed; a surprise ends the demo with status 1
    leave     nothing behind: looked for, and said

`make demo` runs this file, which runs itself once more inside the namespace.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
REACHABLE = Path("/run/crunpy-checkout")
"""Where tools/in-test-namespace shows the checkout to the unprivileged user."""
sys.path.insert(0, str(CHECKOUT / "tests"))

import images  # noqa: E402
import oci_images  # noqa: E402

USER = "crunpy-demo"
DOCKER_HUB = "https://registry-1.docker.io/v2/"
ADDRESS = "http://127.0.0.1:8080"


class Surprise(Exception):
    """A step of the demo did not do what it is there to show."""


def say(text: str) -> None:
    print(text, flush=True)


def patiently(command: list[str], stdout: int | None = None) -> subprocess.CompletedProcess[bytes]:
    """subprocess.run, but on Ctrl-C the command, which got it too, may tidy up before we do."""
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stdout and subprocess.STDOUT
    ) as process:
        try:
            out, _ = process.communicate()
        except KeyboardInterrupt:
            process.communicate(timeout=10)
            raise
    return subprocess.CompletedProcess(command, process.returncode, out or b"")


class Shell:
    """Runs commands of one user, echoed and with what they print.

    home:     its own directory, with its store below.
    outside:  words that run a command in the network of whoever started the demo.
    """

    def __init__(self, base: Path, user: str, outside: list[str], settings: dict[str, str]) -> None:
        self.home = base / (user or "root")
        self._outside = outside
        self._become = (
            ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"] if user else []
        )
        self._env = {
            "PATH": f"{base}/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(self.home),
            "XDG_DATA_HOME": f"{self.home}/data",
            "XDG_RUNTIME_DIR": f"{self.home}/run",
            **settings,
        }
        if not user:
            self._env |= {"CRUNPY_ROOT": f"{self.home}/data", "CRUNPY_RUNROOT": f"{self.home}/run"}
        (self.home / "run").mkdir(parents=True, mode=0o700)
        if user:
            subprocess.run(["chown", "-R", f"{user}:", self.home], check=True)

    def command(self, line: str) -> list[str]:
        """What runs a line of shell as this user, in this user's surroundings."""
        given = [f"{name}={value}" for name, value in self._env.items()]
        return [*self._become, "env", "-i", *given, "sh", "-c", line]

    def show(self, line: str, *expected: str, absent: str = "") -> str:
        """Echo and run `line`; its output, which must have all of `expected`."""
        say(f"$ {line}")
        done = patiently(self.command(line), stdout=subprocess.PIPE)
        output = done.stdout.decode(errors="replace")
        say(output)
        missing = [text for text in expected if text not in output]
        if done.returncode:
            raise Surprise(f"{line}: exit status {done.returncode}")
        if missing or (absent and absent in output):
            raise Surprise(f"{line}: " + (f"no {missing[0]!r}" if missing else f"still {absent!r}"))
        return output

    def show_live(self, line: str) -> None:
        """Echo and run `line` on our own terminal, if we have one, and with a way out."""
        say(f"$ {line}")
        done = patiently([*self._outside, *self.command(line)])
        say("")
        if done.returncode:
            raise Surprise(f"{line}: exit status {done.returncode}")

    def quietly(self, line: str) -> None:
        subprocess.run(self.command(line), capture_output=True)


def main_job(shell: Shell) -> str:
    """The commands of the main job; returns the container's id."""
    try:
        shell.show_live("crunpy pull nginx")
        container = shell.show("crunpy run -d --name web -p 8080:80 nginx").strip()
        wait_for_answer()
        shell.show(
            f"curl -si {ADDRESS} | grep -E '^HTTP|^Server|<title>'",
            "HTTP/1.1 200 OK", "Server: nginx", "<title>Welcome to nginx!</title>",
        )  # fmt: skip
        shell.show("crunpy ps", "Up ", "0.0.0.0:8080->80/tcp", "web")
        shell.show("crunpy logs --tail 2 web", '"GET / HTTP/1.1" 200')
        shell.show("crunpy exec web sh -c 'id; nginx -v'", "uid=0(root)", "nginx version")
        shell.show("crunpy stop web", "web")
        shell.show("crunpy ps -a", "Exited (0)", "web")
        shell.show("crunpy rm web", "web")
        shell.show("crunpy ps -a", absent="web")
    finally:
        shell.quietly("crunpy rm -f web")
    return container


def wait_for_answer(timeout_s: float = 10) -> None:
    """Until the server has started and answers."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            urllib.request.urlopen(ADDRESS, timeout=2).close()
            return
        except OSError as e:
            if time.monotonic() > deadline:
                raise Surprise(f"asking {ADDRESS}: {e}") from e
            time.sleep(0.05)


def leftovers(base: Path, containers: list[str]) -> list[str]:
    """Processes, mounts and control groups of the demo that are still there."""
    marks = [str(base), *containers]
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) in (os.getpid(), os.getppid()):
            continue
        with suppress(OSError):
            told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            if any(mark.encode() in told for mark in marks) and "demo.py" not in str(told):
                found.append(f"process {process.name}: {told[:200]!r}")
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    found += [f"mount {line}" for line in mounts if any(mark in line for mark in marks)]
    for container in containers:
        found += [f"cgroup {path}" for path in Path("/sys/fs/cgroup").rglob(f"*{container}*")]
    return found


@contextmanager
def mirror(base: Path) -> Iterator[dict[str, str]]:
    """A registry that serves the assembled image as docker.io's; gives what says so."""
    work = base / "registry"
    work.mkdir()
    (work / "data").symlink_to(images.registry_data())
    with oci_images.docker_registry(work) as host:
        configuration = base / "registries.conf"
        configuration.write_text(
            '[[registry]]\nprefix = "docker.io"\nlocation = "docker.io"\n'
            f'[[registry.mirror]]\nlocation = "{host}"\ninsecure = true\n'
        )
        say(f"A docker-registry on {host} is configured as the mirror of docker.io.\n")
        yield {"CONTAINERS_REGISTRIES_CONF": str(configuration)}


def inside(base: Path, outer: int, from_hub: bool) -> None:
    """The demo itself, in the namespace; `outer` is a process in the machine's network."""
    keep = "TERM LANG HTTPS_PROXY https_proxy NO_PROXY no_proxy CONTAINERS_REGISTRIES_CONF"
    kept = {name: os.environ[name] for name in keep.split() if name in os.environ}
    outside = ["nsenter", f"--net=/proc/{outer}/ns/net"] if from_hub else []
    source: AbstractContextManager[dict[str, str]] = nullcontext({}) if from_hub else mirror(base)
    with source as settings:
        say("════ as root ════")
        first = main_job(Shell(base, "", outside, kept | settings))
        say("════ as a plain user ════")
        shell = Shell(base, USER, outside, kept | settings)
        shell.show("id", USER)
        second = main_job(shell)
    left = leftovers(base, [first, second])
    if left:
        raise Surprise("left behind: " + "\n".join(left))


@contextmanager
def surroundings() -> Iterator[Path]:
    """A directory, the command in its bin/, and the user; gone afterwards."""
    base = Path(tempfile.mkdtemp(prefix="crunpy-demo-"))
    base.chmod(0o755)
    made = not user_exists()
    try:
        if made:
            subprocess.run(["useradd", "--no-create-home", "--home-dir", base, USER], check=True)
        python = str(Path(sys.executable)).replace(str(CHECKOUT), str(REACHABLE), 1)
        command = base / "bin/crunpy"
        command.parent.mkdir()
        command.write_text(f'#!/bin/sh\nexec {python} {REACHABLE}/crun_py/__main__.py "$@"\n')
        command.chmod(0o755)
        yield base
    finally:
        if made:
            subprocess.run(["userdel", "--force", USER], check=True, stderr=subprocess.DEVNULL)
        shutil.rmtree(base)


def user_exists() -> bool:
    try:
        pwd.getpwnam(USER)
    except KeyError:
        return False
    return True


def hub_answers(timeout_s: float = 3) -> bool:
    """Whether docker.io can be reached from here."""
    try:
        urllib.request.urlopen(DOCKER_HUB, timeout=timeout_s).close()
    except urllib.error.HTTPError as e:
        return e.code == 401  # it wants a token: pull gets one
    except OSError:
        return False
    return True


def outside() -> int:
    """Choose the image, enter the namespace, see that nothing is left; the exit status."""
    if os.geteuid() != 0:
        say("make demo needs root: it makes a network namespace and a plain user")
        return 1
    from_hub = hub_answers()
    if from_hub:
        say("docker.io answers: nginx comes from there.")
    else:
        say("docker.io can't be reached: nginx is assembled from Debian's packages (cached).")
        images.registry_data()
    users = user_exists()
    signal.signal(signal.SIGINT, lambda *_: None)  # the one inside ends, then we tidy up
    with surroundings() as base:
        status = subprocess.run(
            [CHECKOUT / "tools/in-test-namespace", sys.executable, __file__,
             str(base), str(os.getpid()), "hub" if from_hub else "mirror"],
        ).returncode  # fmt: skip
    left = leftovers(base, [])
    if base.exists() or left or user_exists() != users:
        say(f"left behind: {base if base.exists() else USER} {left}")
        return 1
    if status == 0:
        say("Nothing is left behind: no process, mount, control group, user or file.")
    return status


def main(arguments: list[str]) -> int:
    try:
        if not arguments:
            return outside()
        inside(Path(arguments[0]), int(arguments[1]), arguments[2] == "hub")
        return 0
    except Surprise as e:
        say(f"demo: {e}")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
