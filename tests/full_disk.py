"""A file system without a free byte."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine import Engine, wait_for


def fill(directory: Path) -> Path:
    """Take the last byte."""
    file = directory / "filler"
    fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for size in (1 << 20, 4096, 1):
        try:
            while os.write(fd, bytes(size)):
                continue
        except OSError:
            continue
    os.close(fd)
    return file


def _given(engine: Engine, *paths: Path) -> None:
    """What root made there is the engine's user's."""
    if engine.user:
        subprocess.run(["chown", "-R", f"{engine.user}:", *paths], check=True)


@contextmanager
def small_disk(engine: Engine, top: Path, mib: int = 24) -> Iterator[None]:
    """A new engine's `top` (its root, or its home with the run directory) on a tmpfs of so many
    MiB; afterwards the containers are removed, and it is unmounted.

    The directory below it is the engine's own too: who comes after the unmounting sees that one.
    """
    engine.run("version")
    top.mkdir(parents=True, exist_ok=True)
    top.chmod(0o700)
    _given(engine, engine.home)
    options = f"size={mib}m,mode=700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "small", top], check=True)
    if engine.user:
        (engine.home / "xdg").mkdir(exist_ok=True, mode=0o700)
    _given(engine, engine.home)
    yield
    engine.run("rm", "-fa")
    wait_for(lambda: not engine.processes())
    subprocess.run(["umount", top], check=True)
