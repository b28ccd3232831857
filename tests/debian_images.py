"""Images of Debian with real software, for the tests that want more than busybox.

Each is made once by mmdebstrap, below .cache/, as an OCI image layout that `load` takes; the
name of the directory says what it was made from.  `python tests/debian_images.py` makes them
beforehand, for a machine on which the tests themselves have no network.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from images import ARCHITECTURE, CACHE, PATH, _outside
from isal import igzip
from oci_images import CONFIG, LAYER, MANIFEST

SUITE = "bookworm"
SYSTEMD = "systemd systemd-sysv dbus libpam-systemd cron redis-server apache2 mariadb-server"
SOFTWARE = (
    "postgresql mariadb-server redis-server apache2 openssh-server openssh-client nodejs strace "
    "gdb sudo cron iputils-ping git python3 libcap2-bin procps inotify-tools stress-ng"
)
_PIECE_BYTES = 1 << 20
_LEFT_OUT = ("doc", "locale", "man", "info", "i18n")


class _Blobs:
    """The blobs of a layout in the making."""

    def __init__(self, layout: Path) -> None:
        self.path = layout / "blobs/sha256"
        self.path.mkdir(parents=True)

    def put(self, data: bytes, media_type: str) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        (self.path / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    def put_layer(self, archive: Path) -> tuple[dict[str, Any], str]:
        """The descriptor of the compressed archive, and the digest of its content."""
        made, content = self.path / "layer", hashlib.sha256()
        with archive.open("rb") as source, igzip.open(made, "wb", compresslevel=1) as target:
            while data := source.read(_PIECE_BYTES):
                content.update(data)
                target.write(data)
        with made.open("rb") as f:
            digest = hashlib.file_digest(f, "sha256").hexdigest()
        size = made.stat().st_size
        made.rename(self.path / digest)
        return {"mediaType": LAYER, "digest": f"sha256:{digest}", "size": size}, content.hexdigest()


def _make(name: str, packages: str, layout: Path) -> None:
    work = layout.with_suffix(".work")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    archive = work / "root.tar"
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{word}/*" for word in _LEFT_OUT]
    subprocess.run(
        [*_outside(), "mmdebstrap", "--quiet", "--variant=minbase", "--skip=output/dev",
         f"--include={','.join(packages.split())}", *excluded, SUITE, archive],
        check=True,
    )  # fmt: skip
    blobs = _Blobs(work / "layout")
    layer, content = blobs.put_layer(archive)
    config = {
        "architecture": ARCHITECTURE,
        "os": "linux",
        "created": "2026-01-02T03:04:05Z",
        "config": {"Cmd": ["/bin/bash"], "Env": [PATH]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{content}"]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": blobs.put(json.dumps(config).encode(), CONFIG),
        "layers": [layer],
    }
    described = blobs.put(json.dumps(manifest).encode(), MANIFEST)
    described["annotations"] = {"org.opencontainers.image.ref.name": f"{name}:latest"}
    (work / "layout/oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    index = {"schemaVersion": 2, "manifests": [described]}
    (work / "layout/index.json").write_text(json.dumps(index))
    (work / "layout").rename(layout)
    shutil.rmtree(work)


def layout(name: str, packages: str) -> Path:
    """The image NAME:latest with these Debian packages, as an OCI image layout."""
    CACHE.mkdir(exist_ok=True)
    made_from = Path(__file__).read_bytes() + packages.encode()
    path = CACHE / f"{name}-{hashlib.sha256(made_from).hexdigest()[:12]}"
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            for old in CACHE.glob(f"{name}-*"):
                shutil.rmtree(old)
            _make(name, packages, path)
    return path


def systemd() -> Path:
    """debian-systemd:latest, whose init is systemd, with services."""
    return layout("debian-systemd", SYSTEMD)


def software() -> Path:
    """debian-software:latest, with programs of every kind."""
    return layout("debian-software", SOFTWARE)


if __name__ == "__main__":
    for made in (systemd(), software()):
        sys.stdout.write(f"{made}\n")
