"""A mount namespace whose /dev is a tmpfs with nodes of its own: what an attack does to the
"host's" devices happens there, and the machine's own nodes are out of its reach."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SETUP = """
set -e
new=$(mktemp -d)
mount -t tmpfs -o mode=755,dev none "$new"
mkdir "$new/pts" "$new/shm" "$new/net"
mount --bind /dev/pts "$new/pts"
mknod "$new/null" c 1 3; mknod "$new/zero" c 1 5; mknod "$new/full" c 1 7
mknod "$new/random" c 1 8; mknod "$new/urandom" c 1 9; mknod "$new/tty" c 5 0
mknod "$new/fuse" c 10 229; mknod "$new/loose" c 1 3
chmod 666 "$new"/null "$new"/zero "$new"/full "$new"/*random "$new/tty" "$new/fuse" "$new/loose"
mkfifo -m 666 "$new/pipe"
ln -s pts/ptmx "$new/ptmx"; ln -s /proc/self/fd "$new/fd"; ln -s /proc/self/fd/1 "$new/stdout"
ln -s null "$new/link"
mount --move "$new" /dev
rmdir "$new"
echo ready
exec sleep 1000
"""


class OwnDev:
    """wrap: what runs a command in the namespace (Engine.command's `wrap`)."""

    def __init__(self, pid: int) -> None:
        self.wrap = ["nsenter", f"--mount=/proc/{pid}/ns/mnt"]
        self.path = Path(f"/proc/{pid}/root/dev")

    def nodes(self) -> dict[str, tuple[object, ...]]:
        """Everything about each node that its owner could change."""
        found: dict[str, tuple[object, ...]] = {}
        for name in sorted(os.listdir(self.path)):
            path = self.path / name
            st = path.lstat()
            # a directory's time changes with what is put in; a FIFO's with what flows through
            modified = st.st_mtime_ns if stat.S_ISCHR(st.st_mode) else 0
            attributes = sorted(os.listxattr(path, follow_symlinks=False))
            found[name] = (oct(st.st_mode), st.st_uid, st.st_gid, st.st_rdev, st.st_nlink,
                           st.st_ino, modified, attributes)  # fmt: skip
        return found


@contextmanager
def own_dev() -> Iterator[OwnDev]:
    holder = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", _SETUP],
        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert holder.stdout and holder.stdout.readline() == b"ready\n"
        assert os.readlink(f"/proc/{holder.pid}/ns/mnt") != os.readlink("/proc/self/ns/mnt")
        made = OwnDev(holder.pid)
        assert made.path.stat().st_dev != Path("/dev").stat().st_dev
        yield made
    finally:
        holder.kill()
        holder.wait()
        if holder.stdout:
            holder.stdout.close()
