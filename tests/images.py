"""The images that the end-to-end tests run, made of Debian's busybox and nginx packages.

They are put into a registry's storage once, below .cache/ (nginx takes half a minute), and
served from there.  `python tests/images.py` fills the cache beforehand, for a machine on
which the tests themselves have no network.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

from oci_images import TestImage, directory, docker_registry, entry, push, symlink, tar

CACHE = Path(__file__).resolve().parent.parent / ".cache"
BUSYBOX = Path("/bin/busybox")
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)

PASSWD = b"""\
root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/bin/false
tester:x:1234:1234::/home/tester:/bin/sh
77up:x:4321:1234::/:/bin/sh
"""
GROUP = b"""\
root:x:0:
nogroup:x:65534:
tester:x:1234:
extra:x:77:tester
other:x:78:
"""


def busybox_tar() -> bytes:
    """A root file system of busybox alone, every applet a link to it."""
    assert BUSYBOX.exists(), "busybox-static is not installed"
    applets = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True)
    entries = [directory(n) for n in "bin dev etc home home/tester proc root sys usr var".split()]
    entries += [
        directory("tmp", mode=0o1777),
        entry("bin/busybox", BUSYBOX.read_bytes(), mode=0o755),
        *(symlink(f"bin/{a}", "busybox") for a in applets.stdout.split() if a != "busybox"),
        entry("etc/passwd", PASSWD),
        entry("etc/group", GROUP),
    ]
    return tar(*entries)


def image(*layers: bytes, architecture: str = ARCHITECTURE, **config: Any) -> TestImage:
    """An image of `layers` (tar archives); config: Cmd, Env, User … of the image config."""
    config = {"Cmd": ["sh"], "Env": [PATH], **config}
    return TestImage(*layers, architecture=architecture, config=config)


def _outside() -> list[str]:
    """What runs a command in the network of whoever started the tests, which has a way out:
    theirs has none (tools/in-test-namespace)."""
    own = os.readlink("/proc/self/ns/net")
    pid = os.getppid()
    while pid > 1:
        if os.readlink(f"/proc/{pid}/ns/net") != own:
            return ["nsenter", f"--net=/proc/{pid}/ns/net"]
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return []


def nginx_tar(work: Path) -> bytes:
    """Debian's nginx in a minimal Debian, logging to the standard streams."""
    raw, made = work / "nginx-raw.tar", work / "nginx.tar"
    subprocess.run(
        [*_outside(), "mmdebstrap", "--quiet", "--variant=minbase", "--include=nginx-light",
         "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
         "bookworm", str(raw)],
        check=True,
    )  # fmt: skip
    logs = {"error.log": "/dev/stderr", "access.log": "/dev/stdout"}
    with tarfile.open(raw) as source, tarfile.open(made, "w") as target:
        for member in source:
            name = member.name.removeprefix("./")
            cached = name.startswith(("var/cache/apt/", "var/lib/apt/lists/"))
            if name.startswith("dev/") or cached or name.removeprefix("var/log/nginx/") in logs:
                continue
            target.addfile(member, source.extractfile(member) if member.isreg() else None)
        for name, to in logs.items():
            info, _ = symlink(f"var/log/nginx/{name}", to)
            target.addfile(info)
    return made.read_bytes()


def _fill(data: Path) -> None:
    work = data.with_suffix(".work")
    shutil.rmtree(work, ignore_errors=True)
    with docker_registry(work) as host:
        push(image(busybox_tar()), f"{host}/library/busybox:latest", work)
        nginx = image(
            nginx_tar(work),
            Cmd=["nginx", "-g", "daemon off;"],
            ExposedPorts={"80/tcp": {}},
            StopSignal="SIGQUIT",
        )
        push(nginx, f"{host}/library/nginx:latest", work)
    (work / "data").rename(data)
    shutil.rmtree(work)


def registry_data() -> Path:
    """The storage of a registry with library/busybox and library/nginx; not to be written."""
    CACHE.mkdir(exist_ok=True)
    made_from = Path(__file__).read_bytes() + BUSYBOX.read_bytes()
    data = CACHE / f"registry-{hashlib.sha256(made_from).hexdigest()[:12]}"
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not data.exists():
            for old in CACHE.glob("registry-*"):
                shutil.rmtree(old)
            _fill(data)
    return data


if __name__ == "__main__":
    sys.stdout.write(f"{registry_data()}\n")
