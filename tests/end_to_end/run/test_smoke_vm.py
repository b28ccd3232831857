"""The main job in a machine with Debian's kernel 6.1 and pure cgroup v2, in one boot: pulled from a
registry, run, looked at, built, on networks, with volumes and limits (tests/vm/README.md).
`make vm-smoke` runs more there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from machine import COMMAND, in_vm
from mirror import Registry

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the recipe boots an x86-64 guest"),
]

SCRIPT = """
set -eu
docker-registry serve {work}/registry/registry.yml > /dev/null 2>&1 &
export CONTAINERS_REGISTRIES_CONF={work}/registries.conf CONTAINERS_CONF=/dev/null
export CRUNPY_ROOT=$TMPDIR/root CRUNPY_RUNROOT=$TMPDIR/run
crunpy() {{ {COMMAND} "$@"; }}
until wget -qO- http://{host}/v2/ > /dev/null; do sleep 0.2; done
crunpy pull -q busybox | cut -c1-7
crunpy network create web > /dev/null
serve='echo $0 > /www/index.html; echo ready; exec httpd -f -p 80 -h /www'
crunpy run -d --name server --network web --network-alias shop -p 8080:80 -v data:/www -m 64m \\
    --stop-timeout 0 busybox sh -c "$serve" hello > /dev/null
until [ "$(wget -qO- http://127.0.0.1:8080/)" = hello ]; do sleep 0.2; done
echo published
crunpy run --rm --network web busybox wget -qO- http://shop/
crunpy exec server cat /www/index.html /sys/fs/cgroup/memory.max
crunpy ps --format '{{{{.Names}}}} {{{{.State}}}} {{{{.Ports}}}}'
crunpy logs server
crunpy stop server
crunpy rm server
printf 'FROM busybox\\nRUN echo built > /made\\nCMD ["cat", "/made"]\\n' |
    crunpy build -q -t made - > /dev/null
crunpy run --rm --network none made
crunpy run --rm --network none -v data:/d busybox cat /d/index.html
crunpy run --rm --network none -m 32m busybox tail /dev/zero || echo killed $?
crunpy volume rm data
crunpy network rm web
"""
EXPECTED = """
sha256:
published
hello
hello
67108864
server running 0.0.0.0:8080->80/tcp
ready
server
server
built
hello
killed 137
data
web
"""


@pytest.fixture
def work(base: Path) -> Iterator[Path]:
    path = base / "vm-smoke"
    path.mkdir()
    yield path
    shutil.rmtree(path)


def test_the_main_job(registry: Registry, base: Path, work: Path) -> None:
    lines = in_vm(SCRIPT.format(work=base, host=registry.host, COMMAND=COMMAND), work)
    assert lines == EXPECTED.split("\n")[1:-1]
