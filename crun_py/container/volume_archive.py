"""The content of a volume as an archive, out and in."""

from __future__ import annotations

import os

from crun_py import volumes
from crun_py.archive.extract import Extractor, Rules
from crun_py.archive.pack import Packer
from crun_py.archive.read import Reader, Stream
from crun_py.oci.store.inflate import opened
from crun_py.paths import Paths
from crun_py.tree import DIRECTORY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def export(paths: Paths, name: str, write: Callable[[bytes], object]) -> None:
    """All that volume `name` holds.  Raises OSError, CrunpyError."""
    packer = Packer(write, xattrs=True)
    top = os.open(volumes.data_directory(paths, name), DIRECTORY)
    try:
        packer.children(top, "")
    finally:
        os.close(top)
    packer.finish()


def import_(paths: Paths, name: str, read: Callable[[int], bytes], label: str) -> None:
    """Put what the archive has (compressed or not) into volume `name`; what is there stays.

    label: what messages call the archive.  Raises OSError, CrunpyError.
    """
    rules = Rules(owner=lambda uid, gid: (uid, gid), overwrite=True)
    top = os.open(volumes.data_directory(paths, name), DIRECTORY)
    try:
        pieces = opened(read, label)
        Extractor(top, rules).extract(Reader(Stream(pieces, label).read, label))
    finally:
        os.close(top)
