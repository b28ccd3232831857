"""A dockerd of our own, to compare with: no process, mount, file or control group is left of it.
When the caller is killed, its home and empty groups are.

Debian: apt-get install --no-install-recommends docker.io (dockerd, docker, containerd, runc).
To be called in tools/in-test-namespace: its bridges and its rules for packets are made in the
caller's network namespace, and stay until that is gone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

# The shell is process 1 of a PID namespace: when it ends, the kernel ends what is left there, and
# with that the mount namespace goes.  It collects the orphaned shims until the daemon ends, which
# happens when the pipe that is standard input has no writer any more.  Besides its --exec-root
# dockerd writes below /run and has a key in /etc/docker, containerd writes below /run and /opt.
_INSIDE = """
for place in /run /opt /etc/docker; do
	[ ! -d $place ] || mount -t tmpfs tmpfs $place || exit
done
exec 3<&0
"$@" </dev/null 3<&- & daemon=$!
{ read -r _ <&3; kill -KILL $daemon; } &
wait $daemon
"""
_APART = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--mount-proc"]


class Unable(Exception):
    """No daemon runs here; says why in one line."""


class Daemon(NamedTuple):
    """host: what DOCKER_HOST and docker-py's base_url want.  command: its command line, up to
    the verb.  version: the daemon's."""

    host: str
    command: list[str]
    version: str


@contextmanager
def docker_daemon(home: Path, *options: str) -> Iterator[Daemon]:
    """A dockerd that answers, with all of its state below the new directory `home`.

    home: on a file system that an overlay can have as its upper one.  options: more of dockerd's.
    """
    programs = {name: shutil.which(name) for name in ("dockerd", "containerd", "runc", "unshare")}
    if missing := [name for name, path in programs.items() if not path]:
        raise Unable(f"not installed: {', '.join(missing)} (Debian's package docker.io)")
    home.mkdir(mode=0o700)
    group = f"crunpy-docker-{os.getpid()}"
    host = f"unix://{home}/socket"
    program = str(programs["dockerd"])
    command = [program, "--data-root", f"{home}/data", "--exec-root", f"{home}/exec"]
    command += ["--pidfile", f"{home}/pid", "--host", host, "--storage-driver", "overlay2"]
    command += ["--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", f"/{group}"]
    command += ["--config-file", f"{home}/daemon.json", *options]
    (home / "daemon.json").write_text("{}")
    # the command of the same installation: others on PATH may be of another version
    beside = Path(program).parent.parent / "bin/docker"
    client = [str(beside if beside.exists() else "docker"), "--host", host]
    log = home / "log"
    try:
        with (
            log.open("wb") as file,
            subprocess.Popen([*_APART, "sh", "-c", _INSIDE, "sh", *command],
                             stdin=subprocess.PIPE, stdout=file, stderr=file) as process,
        ):  # fmt: skip
            # leaving this block closes the pipe and waits
            yield Daemon(host, client, _answer(process, client, log))
    finally:
        _remove_groups(group)


def _answer(process: subprocess.Popen[bytes], client: list[str], log: Path) -> str:
    """The daemon's version, once it answers."""
    command = [*client, "version", "--format", "{{.Server.Version}}"]
    told = ""
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=10)
        except (OSError, subprocess.TimeoutExpired) as e:
            raise Unable(f"{client[0]} does not work: {e}") from e
        if done.returncode == 0:
            return done.stdout.strip()
        told = done.stderr
        time.sleep(0.05)
    last = (log.read_text(errors="replace").strip() or told or "it says nothing").splitlines()[-1]
    raise Unable(f"dockerd does not start: {last[-300:]}")


def _remove_groups(name: str) -> None:
    """The control groups called `name` in every hierarchy.  What was in them was killed a moment
    ago, and may be there for another one."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        top = Path(place, name)
        if kind not in ("cgroup", "cgroup2") or not top.is_dir():
            continue
        deadline = time.monotonic() + 5
        while top.exists() and time.monotonic() < deadline:
            for group, _, _ in os.walk(top, topdown=False):
                with suppress(OSError):
                    os.rmdir(group)
            time.sleep(0.01)
        if top.exists():
            raise OSError(f"remove control group: {top}: still used after 5 s")
