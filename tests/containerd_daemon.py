"""A containerd of our own, whose shims end with it."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from engine import wait_for

from crun_py.cgroup import group

_INSIDE = 'mount -t tmpfs own /run && mount -t tmpfs own /var/lib && exec "$@"'
"""Its command, its shims and CNI have places of their own there, whatever the configuration."""
CONFIGURATION = """
version = 2
root = "{place}/root"
state = "{place}/state"
disabled_plugins = [{disabled}"io.containerd.snapshotter.v1.btrfs",
                    "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
address = "{place}/socket"
"""


@contextlib.contextmanager
def containerd(place: Path, cri: str = "") -> Iterator[list[str]]:
    """Its command, `ctr`, once it answers; its socket is PLACE/socket.

    place: a directory for all that is its own.  cri: the configuration of its CRI, \"\": it has
    none.
    """
    disabled = "" if cri else '"io.containerd.grpc.v1.cri", '
    words = CONFIGURATION.replace("{place}", str(place)).replace("{disabled}", disabled) + cri
    (place / "config.toml").write_text(words)
    with (place / "log").open("wb") as log:
        daemon = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--mount-proc",
             "--kill-child", "sh", "-c", _INSIDE, "sh", "containerd", "--config",
             place / "config.toml"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    inside = wait_for(Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text).split()[0]
    command = ["nsenter", "--target", inside, "--mount", "--pid", "ctr", "--address",
               f"{place}/socket"]  # fmt: skip
    try:
        wait_for(lambda: subprocess.run([*command, "version"], capture_output=True).returncode == 0)
        yield command
    finally:
        daemon.kill()
        daemon.wait()
        wait_for(
            lambda: not subprocess.run(["pgrep", "-f", str(place)], capture_output=True).stdout
        )
        for name in ("default", "k8s.io"):  # its namespaces, perhaps another worker's, too
            with contextlib.suppress(OSError):
                os.rmdir(f"{group.mount_point()}/{name}")
