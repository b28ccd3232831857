"""volume create -o size=…: project quotas, on a kernel that has them (tests/vm/README.md)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engine import Engine
from machine import COMMAND, in_vm

RUN = ("run", "--rm", "--network", "none")

GUEST = """
set -eu
modprobe loop
modprobe quota_v2
truncate -s 64M $TMPDIR/disk
mkfs.ext4 -q -O project,quota -E quotatype=prjquota $TMPDIR/disk
mkdir $TMPDIR/s
mount -o loop,prjquota $TMPDIR/disk $TMPDIR/s
mkdir $TMPDIR/s/root
cp -r {store}/images {store}/layers $TMPDIR/s/root/
export CRUNPY_ROOT=$TMPDIR/s/root CRUNPY_RUNROOT=$TMPDIR/run
crunpy() { {COMMAND} "$@"; }
crunpy volume create -o size=2m small
crunpy volume inspect -f '{{.Options.size}}' small
run="run --rm --network none -v small:/d --mount type=volume,dst=/e,volume-opt=size=1m"
crunpy $run busybox sh -c '
    for where in /d /e; do
        dd if=/dev/zero of=$where/a bs=64k count=8 2>/dev/null && echo some
        dd if=/dev/zero of=$where/b bs=64k count=400 2>&1 | grep -o "No space\\|Disk quota exceeded"
        du -k $where | tail -1 | awk "{ print (\\$1 < 2100) }"
    done'
crunpy run --rm --network none -v small:/d busybox sh -c 'rm /d/b; echo more > /d/c; ls /d'
crunpy volume rm small
crunpy create --name box --network none --storage-opt size=2m busybox sh -c '
    dd if=/dev/zero of=/a bs=64k count=8 2>/dev/null && echo some
    dd if=/dev/zero of=/b bs=64k count=400 2>&1 | grep -o "No space\\|Disk quota exceeded"
    rm /b; mkdir /new /other; mv /a /new; mv /new /other && mv /other/new/a /c && echo moved
' > /dev/null
crunpy start -a box
crunpy inspect -f '{{.HostConfig.StorageOpt.size}}' box
crunpy rm box
ls -A $TMPDIR/s/root/volumes | grep -v lock || echo nothing
"""


@pytest.fixture
def work(base: Path) -> Iterator[Path]:
    path = base / "vm-volume-sizes"
    path.mkdir()
    yield path
    shutil.rmtree(path)


@pytest.mark.timeout(400)
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the recipe boots an x86-64 guest")
def test_a_volume_holds_no_more(fresh: Callable[[str], Engine], work: Path) -> None:
    engine = fresh("root")
    engine.ok("pull", "-q", "busybox")
    script = GUEST.replace("{store}", str(engine.root)).replace("{COMMAND}", COMMAND)
    full = ["some", "No space", "1"]
    found = [line.replace("Disk quota exceeded", "No space") for line in in_vm(script, work)]
    box = ["some", "No space", "moved", str(2 << 20), "box"]
    assert found == ["small", str(2 << 20), *full, *full, "a", "c", "small", *box, "nothing"]


def test_where_the_file_system_has_no_quotas(engine: Engine) -> None:
    """A clear word, and nothing is left."""
    for options in (("size=1m",), ("o=size=1m",)):
        words = [word for option in options for word in ("-o", option)]
        told = engine.fails("volume", "create", *words, "v")
        assert "quota" in told, told
    told = engine.fails(*RUN, "--mount", "type=volume,src=v,dst=/d,volume-opt=size=5m", "busybox",
                        "true")  # fmt: skip
    assert "quota" in told and engine.ps("-a") == []
    assert "quota" in engine.fails(*RUN, "--storage-opt", "size=5m", "busybox", "true")
    assert "size=10g" in engine.fails(*RUN, "--storage-opt", "other=1", "busybox", "true")
    assert engine.ps("-a") == []
    assert engine.run("volume", "exists", "v").code == 1
    assert "size" in engine.fails("volume", "create", "-o", "size=much", "v")
    assert "own" in engine.fails("volume", "create", "-o", "type=tmpfs", "-o", "size=1m", "v")
