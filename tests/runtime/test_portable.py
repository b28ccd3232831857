"""Our config.json is carried out by runc on the same root, with the same result."""

from __future__ import annotations

import json
import subprocess
import uuid
from pathlib import Path

import pytest
from engine import Engine

from crun_py.runtime.portable import portable

SHOW = (
    "id; umask; pwd; hostname; grep -c . /etc/passwd; env | sort; ls /dev; "
    "grep -E 'Cap|Seccomp:|NoNewPrivs' /proc/self/status; ulimit -n; "
    "cut -d' ' -f2,3 /proc/mounts | sort | grep -v '^/ '; cat /proc/sys/net/ipv4/ping_group_range; "
    "echo x > /tmp/x; echo y > /proc/sys/kernel/core_pattern; cat /data/file"
)
OPTIONS = [
    (),
    ("--user", "1000:1000", "--workdir", "/tmp", "-e", "A=b", "--hostname", "there"),
    ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
    ("--cap-add", "SYS_ADMIN", "--umask", "0077", "--ulimit", "nofile=100:200"),
    ("--security-opt", "seccomp=unconfined", "--sysctl", "net.ipv4.ip_forward=1"),
    ("--network", "none", "--shm-size", "1m"),
]


@pytest.mark.parametrize("options", OPTIONS)
def test_runc_does_the_same(root: Engine, tmp_path: Path, options: tuple[str, ...]) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    (data / "file").write_text("from the host\n")
    name = f"c{uuid.uuid4().hex[:8]}"
    root.ok("create", "--name", name, "-v", f"{data}:/data:ro", *options, "busybox", "sh", "-c",
            SHOW)  # fmt: skip
    ours = root.run("start", "-a", name)
    container_id = root.inspect(name)["Id"]
    root.ok("start", name)  # the files that a start writes: hosts, resolv.conf
    root.run("wait", name)
    mounted = root.ok("mount", name)
    document = json.loads((root.root / "containers" / container_id / "config.json").read_text())
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "config.json").write_text(json.dumps(portable(document, mounted, {})))
    theirs = subprocess.run(
        ["runc", "--root", tmp_path / "state", "run", "--bundle", bundle, name],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    root.ok("unmount", name)
    root.ok("rm", name)
    assert theirs.returncode == ours.code, theirs.stderr
    assert _comparable(theirs.stdout) == _comparable(ours.out)


def _comparable(text: str) -> list[str]:
    """Without what the two runtimes mount in ways of their own to the same end."""
    own = ("/proc/", "/sys/firmware", "/sys/devices", "/dev/", "/sys/fs/cgroup", "console", "core")
    lines = [line.rstrip() for line in text.splitlines()]
    return [line for line in lines if not line.startswith(own) and line not in ("fd", "ptmx")]
