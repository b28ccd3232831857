"""A store in this process, with an image of one small layer."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from crun_py.engine import exchange
from crun_py.engine.context import Context


def context(directory: Path) -> Context:
    """A context of a new store."""
    return Context(str(directory / "root"), str(directory / "run"))


def archive(**files: str) -> io.BytesIO:
    """A tar archive of files by name."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, text in files.items():
            about = tarfile.TarInfo(name)
            about.size = len(text)
            tar.addfile(about, io.BytesIO(text.encode()))
    out.seek(0)
    return out


def image(where: Context, name: str = "base:1", **files: str) -> str:
    """Put an image with `files` into the store; its id."""
    stream = archive(**(files or {"x": name}))
    return exchange.import_image(where, "-", name, changes=["CMD x"], stream=stream)
