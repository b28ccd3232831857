"""What crunpy needs from PyPI, as wheels: exactly what locked.txt says, by hash.

The lock is made anew from pyproject.toml with

    uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \\
        pyproject.toml -o tools/pack/locked.txt
"""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

from cache import content, kept
from wheels import GLIBC, Target

LOCK = Path(__file__).parent / "locked.txt"


def _platforms(target: Target) -> list[str]:
    """The tags of wheels that fit, as pip wants them: it does not know that the older fit, too."""
    if target.libc == "musl":
        return [f"musllinux_1_{minor}_{target.arch}" for minor in (2, 1)]
    return [f"manylinux_{GLIBC.replace('.', '_')}_{target.arch}", f"manylinux2014_{target.arch}"]


def _download(prefix: list[str], target: Target, python: str, directory: Path) -> None:
    """Raises CalledProcessError: a wheel is missing, or is another one than was locked."""
    platforms = [word for tag in _platforms(target) for word in ("--platform", tag)]
    subprocess.run(
        [*prefix, sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--require-hashes",
         "--only-binary=:all:", *platforms, "--python-version", python, "--implementation", "cp",
         "-d", directory, "-r", LOCK],
        check=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def downloaded(target: Target, python: str, prefix: list[str] | None = None) -> Path:
    """A directory with the wheels for `target` and Python `python` ("3.11").  prefix: what runs a
    command in a network with a way out."""
    make = partial(_download, prefix or [], target, python)
    return kept(f"packages-{target.name}-{python}", content(LOCK), make)
