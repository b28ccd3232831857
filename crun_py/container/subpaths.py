"""Parts of volumes: a directory or file in one is mounted, not the whole (`volume-subpath`).

What lies in a volume is written by containers: it is opened below the volume's own descriptor,
which no link leads out of (openat2(2)), and mounted by that descriptor, so that no exchange of
names in between leads elsewhere.
"""

from __future__ import annotations

import os

from crun_py import volumes
from crun_py._native import check, lib
from crun_py.errors import NotFound
from crun_py.overlay.mapped import tree_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.container import MountEntry
    from crun_py.state import Container


def trees(container: Container, attached: dict[str, int]) -> None:
    """Add what is to be mounted to `attached`, descriptors of detached mounts by destinations.

    Raises NotFound for a part that is not there.
    """
    for entry in container.record["mounts"]:
        if entry.get("subpath"):
            attached[entry["destination"]] = _tree(container, entry)


def _tree(container: Container, entry: MountEntry) -> int:
    top = volumes.data_directory(container.paths, entry["name"])
    root = os.open(top, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        path = entry["subpath"]
        fd = check(lib.crunpy_open_in_root(root, os.fsencode(path), os.O_PATH), path)
    except OSError as e:
        raise NotFound.from_os(
            f"mounting {entry['subpath']} of volume {entry['name']}",
            e,
            hint="it must be there before the container starts",
        ) from e
    finally:
        os.close(root)
    try:
        return tree_of(f"/proc/self/fd/{fd}", recursive=True)
    finally:
        os.close(fd)
