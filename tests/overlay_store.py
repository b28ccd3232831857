"""A store in a directory of an overlay, as in a container of another engine."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from engine import Engine, wait_for


@contextmanager
def on_overlay(engine: Engine) -> Iterator[Engine]:
    """The new engine `engine` with its root on an overlay, whose layers are beside it."""
    place = engine.home / "outer"
    layers = ",".join(f"{name}dir={place / name}" for name in ("lower", "upper", "work"))
    for name in ("lower", "upper", "work"):
        (place / name).mkdir(parents=True)
    engine.root.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "overlay", "outer", "-o", layers, engine.root], check=True)
    if engine.user:
        subprocess.run(["chown", f"{engine.user}:", engine.home, engine.root], check=True)
    try:
        yield engine
    finally:
        engine.run("rm", "-fa", "-t", "0")
        wait_for(lambda: not engine.processes())
        subprocess.run(["umount", engine.root], check=True)
        shutil.rmtree(place)
