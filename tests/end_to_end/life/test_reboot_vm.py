"""What is there again after a boot: a machine of its own that boots twice from one disk
(tests/vm/README.md)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engine import Engine
from machine import COMMAND, in_vm, prologue

pytestmark = [
    pytest.mark.timeout(800),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the recipe boots an x86-64 guest"),
    pytest.mark.skipif("CRUNPY_VM_SMOKE" not in os.environ, reason="make vm-smoke: two boots"),
]

FIRST = """
mkdir -p /scratch/units/vm.target.wants
crunpy system resume --print-unit > /scratch/units/crunpy-resume.service
ln -s ../crunpy-resume.service /scratch/units/vm.target.wants/
cp /scratch/units/crunpy-resume.service $(systemctl show -p UnitPath --value | cut -d' ' -f1)
systemctl daemon-reload
systemctl start crunpy-resume
serve='mkdir -p /www; echo $0 >> /www/index.html; exec httpd -f -p 80 -h /www'
ends='trap "exit 0" TERM; while :; do sleep 1; done'
crunpy volume create kept > /dev/null
crunpy run -d --name web --restart always --stop-timeout 0 -p 8080:80 -v kept:/www busybox \\
    sh -c "$serve" served > /dev/null
crunpy run -d --name spared --restart unless-stopped --network none busybox \\
    sh -c "$ends" > /dev/null
crunpy run -d --name stopped --restart unless-stopped --network none busybox \\
    sh -c "$ends" > /dev/null
crunpy run -d --name once --network none busybox sh -c "$ends" > /dev/null
wget -qO- http://127.0.0.1:8080/
crunpy stop stopped
systemctl stop crunpy-resume
crunpy ps -a --format '{{.Names}} {{.State}}' | sort
# and these run when the power fails
crunpy run -d --name late --restart always --network none -m 64m busybox sleep 1000 > /dev/null
"""
FIRST_EXPECTED = """
served
stopped
once running
spared exited
stopped exited
web exited
"""
SECOND = """
set -eu
export CRUNPY_ROOT=$TMPDIR/s/root CRUNPY_RUNROOT=$TMPDIR/s/run
crunpy() {{ {COMMAND} "$@"; }}
until [ "$(systemctl show -p ActiveState --value crunpy-resume)" != activating ]; do sleep 1; done
systemctl show -p ActiveState --value crunpy-resume
crunpy ps -a --format '{{{{.Names}}}} {{{{.State}}}}' | sort
wget -qO- http://127.0.0.1:8080/
crunpy exec late cat /sys/fs/cgroup/memory.max
crunpy start once
crunpy system check
"""
SECOND_EXPECTED = """
active
late running
once exited
spared running
stopped exited
web running
served
served
67108864
once
"""


@pytest.fixture
def work(base: Path) -> Iterator[Path]:
    path = base / "vm-reboot"
    path.mkdir()
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def test_what_a_boot_starts(fresh: Callable[[str], Engine], work: Path) -> None:
    """By the unit that `system resume --print-unit` prints; an orderly stop is no user's."""
    root = fresh("root")
    root.run("pull", "-q", "busybox", check=True)
    options = ("--systemd", "--disk", str(work / "disk"))
    assert in_vm(prologue(root.root) + FIRST, work, *options) == FIRST_EXPECTED.split("\n")[1:-1]
    lines = in_vm(SECOND.format(COMMAND=COMMAND), work, *options)
    assert lines == SECOND_EXPECTED.split("\n")[1:-1]
