"""What a kubelet asks of limits and of what a container uses, where cgroup v2 stands alone: by
containerd's CRI, with our runtime below it.  On the hybrid layout containerd's shim would read
version 1 by itself."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import CHECKOUT
from images import busybox_tar, image
from machine import in_vm

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the recipe boots an x86-64 guest"),
]


@pytest.fixture
def archives(base: Path) -> Iterator[Path]:
    place = base / "cri-machine"
    place.mkdir()
    root = busybox_tar()
    for name, command in (("busybox", "sh"), ("pause", "sleep 1000000")):
        image(root, Cmd=command.split()).write_layout(place / name)
        subprocess.run(["tar", "-C", place / name, "-cf", place / f"{name}.tar", "."], check=True)
    yield place
    shutil.rmtree(place)


def test_what_a_pods_container_uses(archives: Path) -> None:
    program = CHECKOUT / "tests/oci_runtime/cri_machine.py"
    script = shlex.join([sys.executable, str(program), str(archives)])
    assert in_vm(script, archives) == [
        "memory True", "processor True", "67108864 50000 100000", "50331648 20000 100000",
        "left False",
    ]  # fmt: skip
