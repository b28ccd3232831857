"""Systems to install on that are not this one: Debian without a compiler, one whose libc is musl,
and arm64 with a kernel.

Each is made once, below .cache/, of Debian's packages and sources (musl's Python takes two
minutes).  `python tests/pack/systems.py` makes them beforehand, for a machine on which the tests
themselves have no network.
"""

from __future__ import annotations

import lzma
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools/pack"))

from cache import kept
from debian_images import layout
from dependencies import downloaded
from images import _outside
from onefile import PYTHONS
from wheels import TARGETS, Target

PYTHON = "debian-python"
"""The image's name, without :latest."""
_PACKAGES = "python3 python3-pip python3-venv uidmap"
_INSTALLERS = ("pip", "pipx", "uv")
SUITE, KERNEL = "trixie", "linux-image-cloud-arm64"
ARM_PYTHON = "3.13"
"""Of SUITE."""


def debian() -> Path:
    """debian-python:latest, an OCI image layout: Python with pip, and no compiler."""
    return layout(PYTHON, _PACKAGES)


def packages(target: Target, python: str) -> Path:
    """A directory with the wheels of all that crunpy needs."""
    return downloaded(target, python, prefix=_outside())


def installers() -> Path:
    """A directory with the wheels of pip, pipx and uv, and what they need."""

    def make(place: Path) -> None:
        subprocess.run(
            [*_outside(), sys.executable, "-m", "pip", "download", "-q", "--only-binary=:all:",
             "--python-version", "3.11", "-d", place, *_INSTALLERS],
            check=True, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    return kept("installers", repr(_INSTALLERS).encode(), make)


def arm64() -> Path:
    """root: Debian's Python and busybox for arm64, never configured;  kernel and overlay.ko."""
    include = f"--include=python3-minimal,libpython3-stdlib,python3,busybox-static,{KERNEL}"

    def make(place: Path) -> None:
        root = place / "root"
        subprocess.run(
            [*_outside(), "mmdebstrap", "--quiet", "--variant=extract", "--format=directory",
             "--architectures=arm64", include, SUITE, root],
            check=True,
        )  # fmt: skip
        for name in ("bin", "lib", "sbin"):
            if not (root / name).exists():
                (root / name).symlink_to(f"usr/{name}")
        (kernel,) = (root / "boot").glob("vmlinuz-*")
        kernel.rename(place / "kernel")
        (module,) = root.glob("usr/lib/modules/*/kernel/fs/overlayfs/overlay.ko.xz")
        (place / "overlay.ko").write_bytes(lzma.decompress(module.read_bytes()))
        for name in ("boot", "dev", "var", "usr/lib/modules", "usr/share"):
            shutil.rmtree(root / name)

    return kept("arm64", f"{SUITE} {include} 1".encode(), make)


def newer() -> Path:
    """root.tar: a minimal Debian 13 with Python 3.13, systemd and AppArmor's programs."""
    include = "--include=python3,systemd,apparmor,bash-completion"

    def make(place: Path) -> None:
        subprocess.run(
            [*_outside(), "mmdebstrap", "--quiet", "--variant=minbase", "--skip=output/dev",
             include, SUITE, place / "root.tar"],
            check=True,
        )  # fmt: skip

    return kept("debian-newer", f"{SUITE} {include}".encode(), make)


_SOURCES = """
deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] \
http://deb.debian.org/debian bookworm main
"""
_BUILD = """
set -eu
here=$PWD
mkdir -p state/lists/partial cache/archives/partial
apt() {
	apt-get -qq -o Dir::Etc::SourceList=$here/sources -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::State=$here/state -o Dir::Cache=$here/cache -o APT::Sandbox::User=root "$@"
}
apt update
apt source --download-only python3.11 zlib
for archive in *.orig.tar.*; do tar xf $archive; done
export CC=$here/cc
cd zlib-*
CFLAGS=-fPIC ./configure --static >/dev/null
make -s libz.a
zlib=$PWD
cd ../Python-*
./configure -q --prefix=/usr --disable-test-modules --without-doc-strings \
	CFLAGS=-O0 CPPFLAGS=-I$zlib LDFLAGS="-L$zlib -s" >/dev/null
cat >Modules/Setup.local <<end
*disabled*
_codecs_cn _codecs_hk _codecs_iso2022 _codecs_jp _codecs_kr _codecs_tw _ctypes _curses _curses_panel
_decimal _elementtree _lsprof _lzma _statistics _uuid _xxsubinterpreters _zoneinfo audioop nis
ossaudiodev readline xxlimited xxlimited_35
end
make -s -j2 >../log 2>&1 || { tail ../log >&2; exit 1; }
make -s -j2 install DESTDIR=$here/root >../log 2>&1 || { tail ../log >&2; exit 1; }
"""
_COMPILER = """\
#!/bin/sh
# one that says for which of Debian's architectures it is would be taken for glibc's
[ "$1" != --print-multiarch ] || exit 1
exec musl-gcc -idirafter /usr/include -idirafter /usr/include/$(gcc --print-multiarch) "$@"
"""


def musl() -> Path:
    """root: a system whose libc is musl, with busybox and Python 3.11 (without ssl), as Alpine
    has it; of Debian's sources."""

    def make(place: Path) -> None:
        (place / "sources").write_text(_SOURCES)
        (place / "cc").write_text(_COMPILER)
        (place / "cc").chmod(0o755)
        subprocess.run([*_outside(), "sh", "-c", _BUILD], cwd=place, check=True)
        root = place / "root"
        library = root / "usr/lib/python3.11"
        for name in ("idlelib", "tkinter", "lib2to3", "test", "config-*"):
            for path in library.glob(name):
                shutil.rmtree(path)
        shutil.rmtree(root / "usr/include")
        for name in ("bin", "lib", "etc", "tmp", "proc", "sys", "dev", "root", "var"):
            (root / name).mkdir(exist_ok=True)
        # at run time that is where the loader is, and it is the libc
        for loader in Path("/lib").glob("ld-musl-*.so.1"):
            shutil.copy(loader, root / "lib")
        shutil.copy("/bin/busybox", root / "bin")
        for name in ("sh", "ls", "cat", "echo", "env", "mkdir", "id", "mount"):
            (root / "bin" / name).symlink_to("busybox")
        (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        (root / "etc/group").write_text("root:x:0:\n")
        for path in place.iterdir():
            if path != root:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    return kept("musl", f"{_SOURCES}{_BUILD}{_COMPILER} 1".encode(), make)


if __name__ == "__main__":
    made = [debian(), newer(), installers(), arm64(), musl()]
    made += [packages(target, python) for target in TARGETS for python in PYTHONS]
    for path in made:
        sys.stdout.write(f"{path}\n")
