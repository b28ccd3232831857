"""A host whose /dev/null and its like are no devices: told in those words, or without effect.

All of it happens in a mount namespace of the command's own with a /dev of its own.
"""

from __future__ import annotations

import os
import stat

import pytest
from engine import Engine

SETUP = (
    "set -e; d=$(mktemp -d); mount -t tmpfs -o mode=755 none $d; mkdir $d/pts $d/shm $d/net;"
    "for n in null zero full random urandom tty net/tun fuse; do"
    "  if [ -e /dev/$n ]; then touch $d/$n; mount --bind /dev/$n $d/$n; fi; done;"
    "mount --bind /dev/pts $d/pts; ln -s pts/ptmx $d/ptmx; ln -s /proc/self/fd $d/fd;"
)
BREAK = {
    "file": "umount $d/NAME; echo secret > $d/NAME; chmod 666 $d/NAME",
    "absent": "umount $d/NAME; rm -f $d/NAME",
    "other": "umount $d/NAME; mount --bind /dev/OTHER $d/NAME",
    "directory": "umount $d/NAME; rm -f $d/NAME; mkdir $d/NAME",
}


def wrap(how: str, name: str) -> list[str]:
    """What runs a command where the host's device `name` is broken."""
    other = "full" if name != "full" else "zero"
    script = SETUP + BREAK[how].replace("NAME", name).replace("OTHER", other)
    script += '; mount --move $d /dev; rmdir $d; exec "$@"'
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"]


@pytest.mark.parametrize("how", list(BREAK))
@pytest.mark.parametrize("name", ["null", "zero", "full", "random", "urandom"])
def test_a_broken_device(engine: Engine, name: str, how: str) -> None:
    """The container has the right one, or the message names the device and what it is not."""
    done = engine.run(
        "run", "--rm", "--network", "none", "busybox", "stat", "-c", "%F %t %T", f"/dev/{name}",
        wrap=wrap(how, name),
    )  # fmt: skip
    minor = {"null": "3", "zero": "5", "full": "7", "random": "8", "urandom": "9"}[name]
    if done.code == 0:
        assert done.out.strip() == f"character special file 1 {minor}"
    else:
        assert done.code == 125 and f"/dev/{name}" in done.err and "device" in done.err, done
        assert len(done.err.splitlines()) == 1
    assert "secret" not in done.out + done.err


def test_files_that_are_masked(engine: Engine) -> None:
    """Nothing of a false /dev/null shows up in the masked files of /proc."""
    done = engine.run("run", "--rm", "--network", "none", "busybox", "cat", "/proc/kcore",
                      "/proc/keys", "/proc/timer_list", wrap=wrap("file", "null"))  # fmt: skip
    assert "secret" not in done.out + done.err, done
    if done.code == 125:
        assert "/dev/null" in done.err and "device" in done.err, done


def test_the_machines_own_are_as_before() -> None:
    for name, minor in (("null", 3), ("zero", 5), ("full", 7)):
        found = os.stat(f"/dev/{name}")
        assert stat.S_ISCHR(found.st_mode) and os.minor(found.st_rdev) == minor
