"""Units made of .container files by systemd's generator, in a machine of its own where systemd is
the init (tests/vm/README.md): started at its boot, in order, told when they are ready, stopped,
and given newer images.  A first boot, without systemd, puts the files there.  A plain user's:
test_systemd_scopes_vm."""

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
]

FILES = """
mkdir -p /scratch/quadlet /scratch/generators
cd /scratch/quadlet
cat > web.container << 'E'
[Unit]
Description=A web server
[Container]
Image=localhost/web:1
AutoUpdate=local
Volume=content.volume:/www
Network=front.network
PublishPort=8080:80
Exec=sh -c "trap 'exit 0' TERM; echo %n ${WHO} >> /www/index.html; \\
    httpd -p 80 -h /www; while :; do sleep 0.2; done"
[Service]
Environment=WHO=root
[Install]
WantedBy=vm.target
E
printf '[Volume]\\n' > content.volume
printf '[Network]\\nSubnet=10.77.0.0/24\\n' > front.network
cat > told.container << 'E'
[Container]
Image=busybox
Network=none
Notify=true
StopTimeout=0
Exec=sh -c "test -S $$NOTIFY_SOCKET && echo has one; sleep 1000"
[Service]
TimeoutStartSec=4
E
cat > well.container << 'E'
[Container]
Image=busybox
Network=none
Notify=healthy
HealthCmd=test -e /ready
HealthInterval=500ms
StopTimeout=0
Exec=sh -c "sleep 2; touch /ready; sleep 1000"
E
crunpy tag busybox localhost/web:1
# as `system install-generator` writes it, and with the directories of this machine
cat > /scratch/generators/crunpy << E
#!/bin/sh
export QUADLET_UNIT_DIRS=/scratch/quadlet CRUNPY_ROOT=$CRUNPY_ROOT CRUNPY_RUNROOT=$CRUNPY_RUNROOT
exec COMMAND system generator "\\$@"
E
chmod 755 /scratch/generators/crunpy
""".replace("COMMAND", COMMAND)

UNITS = """
set -eu
export CRUNPY_ROOT=$TMPDIR/s/root CRUNPY_RUNROOT=$TMPDIR/s/run
crunpy() { COMMAND "$@"; }
until [ "$(systemctl show -p ActiveState --value web)" != activating ]; do sleep 1; done
systemctl is-active web content-volume front-network
crunpy ps --format '{{.Names}} {{.Networks}}'
wget -qO- http://127.0.0.1:8080/
test "$(systemctl show -p MainPID --value web)" = \\
    "$(crunpy inspect -f '{{.State.ConmonPid}}' systemd-web)" && echo main
systemctl show -p Type,NotifyAccess web | sort
systemctl start well
crunpy inspect -f '{{.State.Health.Status}}' systemd-well
systemctl stop well
systemctl start told 2> /dev/null || echo not told
crunpy create --name next --network none localhost/web:1 true > /dev/null
crunpy commit --change 'LABEL newer=yes' next localhost/web:1 > /dev/null
crunpy rm next
crunpy auto-update --format '{{.Unit}} {{.ContainerName}} {{.Updated}}'
crunpy inspect -f '{{.Config.Labels.newer}}' systemd-web
wget -qO- http://127.0.0.1:8080/
systemctl stop web
crunpy ps -a -q
systemctl is-active web || true
crunpy volume ls -q
""".replace("COMMAND", COMMAND)

EXPECTED = """
active
active
active
systemd-web systemd-front
web.service root
main
NotifyAccess=all
Type=notify
healthy
not told
next
web.service systemd-web true
yes
web.service root
web.service root
inactive
systemd-content
"""


@pytest.fixture
def work(base: Path) -> Iterator[Path]:
    path = base / "vm-units"
    path.mkdir()
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def test_files_become_units(fresh: Callable[[str], Engine], work: Path) -> None:
    root = fresh("root")
    root.run("pull", "-q", "busybox", check=True)
    disk = ("--disk", str(work / "disk"))
    assert in_vm(prologue(root.root) + FILES, work, *disk) == []
    lines = in_vm(UNITS, work, "--systemd", *disk)
    assert lines == EXPECTED.split("\n")[1:-1]
