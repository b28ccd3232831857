"""A file system without a free byte."""

from __future__ import annotations

import os
from pathlib import Path


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
