"""How many bytes the images take on the disk."""

from __future__ import annotations

import os

from crun_py.oci.store import layer_size
from crun_py.paths import Paths


def bytes_on_disk(paths: Paths) -> int:
    """Bytes of all blobs and all unpacked layers."""
    total = 0
    for directory in ("/blobs/sha256", "/blobs/sha512"):
        try:
            with os.scandir(paths.images + directory) as entries:
                total += sum(entry.stat(follow_symlinks=False).st_size for entry in entries)
        except FileNotFoundError:
            continue
    return total + sum(layer_size(paths, chain_id) for chain_id in layers(paths))


def layers(paths: Paths) -> list[str]:
    """Chain ids of the unpacked layers."""
    try:
        names = os.listdir(paths.layers)
    except FileNotFoundError:
        return []
    return ["sha256:" + name for name in names if len(name) == 64]
