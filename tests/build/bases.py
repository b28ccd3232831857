"""Two images of Debian with compilers and package managers, for contexts that build software.

They are made once by mmdebstrap, below .cache/, as the other Debian images of the tests are
(debian_images).  `python tests/build/bases.py` makes them beforehand.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from debian_images import _LEFT_OUT, SUITE, _Blobs
from images import ARCHITECTURE, CACHE, PATH, _outside
from oci_images import CONFIG, MANIFEST


class Base(NamedTuple):
    """packages: of Debian;  removed: patterns of what no context needs, which is much."""

    packages: str
    removed: str


BASES = {
    "debian-tools": Base(
        "gcc libc6-dev make python3-pip python3-venv npm ruby tzdata cron",
        "usr/lib/gcc/*/*/lto1 usr/lib/gcc/*/*/*san* usr/lib/*/libasan* usr/lib/*/libtsan* "
        "usr/bin/*lto-dump* usr/lib/*/gconv usr/share/perl usr/lib/*/perl/5* usr/include/nodejs "
        "usr/share/nodejs/@types usr/share/nodejs/core-js* usr/share/nodejs/webpack "
        "usr/share/nodejs/eslint* usr/share/nodejs/@babel usr/share/nodejs/web-streams-polyfill "
        "usr/share/nodejs/caniuse-lite usr/share/nodejs/regenerate-unicode-properties "
        "usr/share/nodejs/es-abstract usr/share/nodejs/lodash-es usr/share/nodejs/@webassemblyjs "
        "var/cache/apt/* var/lib/apt/lists/*",
    ),
    "debian-languages": Base(
        "golang-go openjdk-17-jdk-headless",
        "usr/share/go-*/test usr/share/go-*/src/cmd usr/share/go-*/api usr/share/go-*/misc "
        "usr/lib/go-*/pkg/tool/*/pprof usr/lib/go-*/pkg/tool/*/trace "
        "usr/lib/go-*/pkg/tool/*/cover usr/lib/go-*/pkg/tool/*/vet "
        "usr/lib/go-*/pkg/tool/*/doc usr/lib/go-*/pkg/tool/*/objdump "
        "usr/lib/go-*/pkg/*/cmd usr/lib/go-*/pkg/tool/*/api usr/lib/go-*/pkg/tool/*/addr2line "
        "usr/lib/go-*/pkg/tool/*/nm usr/lib/go-*/pkg/tool/*/dist usr/lib/go-*/pkg/tool/*/fix "
        "usr/lib/jvm/*/lib/ct.sym usr/share/fonts usr/lib/*/gconv usr/share/perl "
        "usr/lib/*/perl/5* "
        "usr/lib/jvm/*/jmods/j[!a]* usr/lib/jvm/*/jmods/java.[!b]* "
        "usr/lib/jvm/*/lib/server/*.jsa usr/lib/jvm/*/lib/src.zip "
        "usr/lib/gcc usr/lib/*/libasan* usr/lib/*/libtsan* usr/bin/*-g++* usr/bin/*-gcc* "
        "var/cache/apt/* var/lib/apt/lists/*",
    ),
}


def _make(name: str, layout: Path) -> None:
    base = BASES[name]
    work = layout.with_suffix(".work")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    archive = work / "root.tar"
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{word}/*" for word in _LEFT_OUT]
    subprocess.run(
        [*_outside(), "mmdebstrap", "--quiet", "--variant=minbase", "--skip=output/dev",
         f"--include={','.join(base.packages.split())}", *excluded,
         # OpenJDK's maintainer scripts put links there
         '--essential-hook=mkdir -p "$1/usr/share/man/man1"',
         f'--customize-hook=cd "$1" && rm -rf {base.removed}', SUITE, archive],
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
        "history": [{"created": "2026-01-02T03:04:05Z", "created_by": "mmdebstrap"}],
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


def layout(name: str) -> Path:
    """The image NAME:latest, as an OCI image layout that `load` takes."""
    CACHE.mkdir(exist_ok=True)
    made_from = repr((BASES[name], SUITE, _LEFT_OUT)).encode()
    path = CACHE / f"{name}-{hashlib.sha256(made_from).hexdigest()[:12]}"
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            for old in CACHE.glob(f"{name}-*"):
                shutil.rmtree(old)
            _make(name, path)
    return path


if __name__ == "__main__":
    for made in map(layout, BASES):
        sys.stdout.write(f"{made}\n")
