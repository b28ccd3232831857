"""Wheels that install without a compiler, for x86-64 and arm64, glibc and musl: `make wheels`.

The core helper is static and linked with musl in each; the shim has Python's stable ABI, so
that one wheel is for every Python from 3.11 on, and asks for no symbol of glibc that is newer
than the wheel's tag says (PEP 600, PEP 656).  Zig's C compiler makes all of them on any
machine: it brings musl and, for each version, the symbols of glibc.

    python tools/pack/wheels.py [--directory DIR] [TARGET]…
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from functools import partial
from pathlib import Path
from typing import NamedTuple

from cache import CACHE, CHECKOUT, content, kept, package

GLIBC = "2.17"  # Python 3.11 is on no system with an older one


class Target(NamedTuple):
    """A kind of machine.  arch: as the kernel names it;  libc: gnu or musl."""

    arch: str
    libc: str

    @property
    def name(self) -> str:
        return f"{self.arch}-{self.libc}"

    @property
    def tag(self) -> str:
        """The platform in a wheel's name."""
        libc = "musllinux_1_2" if self.libc == "musl" else f"manylinux_{GLIBC.replace('.', '_')}"
        return f"{libc}_{self.arch}"

    @property
    def triple(self) -> str:
        """What Zig calls it."""
        return f"{self.arch}-linux-{self.libc}" + (f".{GLIBC}" if self.libc == "gnu" else "")


TARGETS = [Target(arch, libc) for arch in ("x86_64", "aarch64") for libc in ("gnu", "musl")]
HERE = Target(os.uname().machine, "gnu")


def _headers(target: Target, place: Path) -> Path:
    """A directory in which Debian's pyconfig.h finds that of the target.  This machine's is it
    for all: they have the same sizes, and the stable ABI depends on nothing else of it."""
    ours = Path(sysconfig.get_config_h_filename())
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    theirs = Path("/usr/include", multiarch, ours.parent.name, ours.name)
    if theirs.exists():
        there = place / f"{target.arch}-linux-gnu" / ours.parent.name
        there.mkdir(parents=True)
        shutil.copy(theirs, there)
    return place


def _build(target: Target, directory: Path) -> None:
    """Make the wheel for `target` in `directory`.  Raises CalledProcessError."""
    work = directory / f".build-{target.name}"
    zig = [sys.executable, "-m", "ziglang", "cc"]
    compiler = shlex.join([*zig, "-target", target.triple])
    env = {
        **os.environ,
        "CC": compiler,
        "LDSHARED": f"{compiler} -shared -s",
        "CFLAGS": shlex.join(["-isystem", str(_headers(target, work / "include"))]),
        "CRUNPY_CORE_CC": shlex.join([*zig, "-target", f"{target.arch}-linux-musl"]),
        "ZIG_GLOBAL_CACHE_DIR": str(CACHE / "zig"),
        "ZIG_LOCAL_CACHE_DIR": str(CACHE / "zig"),
        "PYTHONWARNINGS": "ignore",
    }
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build", "--build-base", work / "build",
         "bdist_wheel", "--plat-name", target.tag, "--bdist-dir", work / "wheel",
         "--dist-dir", work / "made"],
        cwd=CHECKOUT, env=env, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    (made,) = (work / "made").iterdir()
    made.rename(directory / made.name)
    shutil.rmtree(work)


def wheel(target: Target) -> Path:
    """The wheel for `target` of what the checkout is now, made when it is not there yet."""
    made_from = package() + content(*Path(__file__).parent.glob("[cw]*.py"))
    return next(kept(f"wheel-{target.name}", made_from, partial(_build, target)).iterdir())


def main() -> None:
    parser = argparse.ArgumentParser(description="make wheels")
    parser.add_argument("--directory", type=Path, default=CHECKOUT / "dist")
    names = [target.name for target in TARGETS]
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(names)}; all")
    given = parser.parse_args()
    if unknown := set(given.targets) - set(names):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    given.directory.mkdir(parents=True, exist_ok=True)
    for target in TARGETS:
        if not given.targets or target.name in given.targets:
            made = shutil.copy(wheel(target), given.directory)
            sys.stdout.write(f"{made}\n")


if __name__ == "__main__":
    main()
