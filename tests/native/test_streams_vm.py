"""The streams on another kernel, which has other calls for the same: they are in their jail there,
and nothing that they need is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engine import Engine
from machine import in_vm, prologue

SCRIPT = """
crunpy run -d --name a -it --network none --log-opt max-size=10k --log-opt max-file=2 busybox \\
    sh -c 'seq 5000; echo end; exec sleep 1000' > /dev/null
until crunpy logs a | grep -q end; do sleep 0.2; done
monitor=$(crunpy inspect -f '{{.State.ConmonPid}}' a)
for pid in $(cat /proc/$monitor/task/$monitor/children); do
    grep -q streams /proc/$pid/comm || continue
    grep -E '^(Seccomp|NoNewPrivs|CapEff):' /proc/$pid/status
done
ls $CRUNPY_ROOT/containers/*/container.log* | wc -l
crunpy exec a echo inside
crunpy kill a > /dev/null
crunpy wait a
dd if=/dev/zero bs=1M count=20 2>/dev/null | crunpy run -i --rm --network none busybox wc -c
crunpy run --rm --network none busybox sh -c 'echo on; exit 3' || echo $?
"""


@pytest.fixture
def work(base: Path) -> Iterator[Path]:
    path = base / "streams"
    path.mkdir()
    yield path
    shutil.rmtree(path)


@pytest.mark.timeout(400)
def test_on_another_kernel(fresh: Callable[[str], Engine], work: Path) -> None:
    root = fresh("root")
    root.ok("pull", "-q", "busybox")
    lines = in_vm(prologue(root.root) + SCRIPT, work)
    assert [" ".join(line.split()) for line in lines] == [
        "CapEff: 0000000000000000", "NoNewPrivs: 1", "Seccomp: 2", "2", "inside", "137",
        str(20 << 20), "on", "3",
    ]  # fmt: skip
