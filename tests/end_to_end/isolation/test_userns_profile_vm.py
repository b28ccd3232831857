"""The Debian package's AppArmor profile, on a kernel that asks profiles about user namespaces: a
plain user's program that may not make them, as on Ubuntu, starts crunpy, which may."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import newer_kernel
import pytest
from engine import CHECKOUT, Engine
from machine import COMMAND, in_vm

SCRIPT = """
set -eu
mountpoint -q /sys/kernel/security || mount -t securityfs none /sys/kernel/security
printf '#!/bin/sh\\nexec {command} "$@"\\n' | tee /usr/bin/crunpy > /usr/local/bin/other
chmod 755 /usr/bin/crunpy /usr/local/bin/other
cp /bin/dash /usr/local/bin/narrow
cat > /tmp/narrow << 'END'
abi <abi/4.0>,
profile narrow /usr/local/bin/narrow flags=(attach_disconnected) {{
  file, capability, network, signal, unix, ptrace, mount, umount, pivot_root,
  /usr/bin/crunpy px,
}}
END
{parser} --add {profile} /tmp/narrow
cat > /tmp/as-a-user << 'END'
cat /proc/self/attr/current
unshare --user true 2> /dev/null || echo none for others
crunpy run --rm --network none busybox cat /proc/self/attr/current /proc/self/uid_map
other run --rm --network none busybox true 2>&1 || echo status $?
other doctor | grep "error .*entering a user namespace:" | head -1
END
mkdir -p $TMPDIR/home/run
cp -r {store} $TMPDIR/home/store
chown -R {user}:{user} $TMPDIR/home
chmod 700 $TMPDIR/home/run
cd $TMPDIR/home
setpriv --reuid {user} --regid {user} --clear-groups env -i HOME=$PWD XDG_RUNTIME_DIR=$PWD/run \\
    CRUNPY_ROOT=$PWD/store PATH=/usr/local/bin:/usr/bin:/bin narrow /tmp/as-a-user
"""
DENIED = (
    "user namespaces are disabled (permission denied) (the AppArmor profile of this program, "
    "narrow (enforce), lacks the rule userns; `crunpy doctor` tells more)"
)


@pytest.fixture
def work(base: Path) -> Path:
    place = base / "vm-userns-profile"
    place.mkdir()
    return place


def test_what_the_package_allows(fresh: Callable[[str], Engine], work: Path) -> None:
    user, newer = fresh("user"), newer_kernel.debian()
    user.ok("pull", "-q", "busybox")
    store = work / "store"
    shutil.copytree(user.root, store, symlinks=True)
    subprocess.run(["chmod", "-R", "a+rX", store], check=True)
    script = SCRIPT.format(
        command=COMMAND, parser=newer.parser, profile=CHECKOUT / "packaging/files/apparmor",
        store=store, user=user.user,
    )  # fmt: skip
    found = in_vm(script, work, *newer.options)
    assert found[:2] == ["narrow (enforce)", "none for others"]
    assert found[2] == "crunpy (unconfined)"
    assert found[4].split() == ["1", "100000", "65536"]
    assert found[5:7] == [f"crunpy: error: entering a user namespace: {DENIED}", "status 125"]
    assert found[7].startswith("error ") and len(found) == 8
