"""Parts of volumes, images and directories: a directory or file in one is mounted, not the whole
(`volume-subpath`, `image-subpath`; Kubernetes' subPath).

What lies in them is written by others: it is opened below the top's own descriptor,
which no link leads out of (openat2(2)), and mounted by that descriptor, so that no exchange of
names in between leads elsewhere.
"""

from __future__ import annotations

import os

from crun_py import volumes
from crun_py._native import check, lib
from crun_py.errors import NotFound
from crun_py.ns.thread import in_thread
from crun_py.overlay import mount
from crun_py.overlay.mapped import tree_of
from crun_py.paths import private_dir

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
    if entry["type"] == "image":
        # the mount of its layers goes with the thread's namespace, but for the part taken of it
        return in_thread(lambda: _part(_image_root(container, entry), entry))
    bound = entry["type"] == "bind"
    top = entry["source"] if bound else volumes.data_directory(container.paths, entry["name"])
    try:
        root = os.open(top, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        if bound or entry.get("create", False):
            _make(root, entry["subpath"])
    except OSError as e:
        raise NotFound.from_os(f"mounting {entry['subpath']} of {top}", e) from e
    return _part(root, entry)


def _make(root: int, path: str) -> None:
    """The directories of a path that lack in what is open as `root`.  Raises OSError."""
    done = ""
    for name in path.split("/"):
        inside = os.path.join(done, name)
        try:
            os.close(check(lib.crunpy_open_in_root(root, os.fsencode(inside), os.O_PATH), inside))
        except FileNotFoundError:
            flags = os.O_PATH | os.O_DIRECTORY
            above = check(lib.crunpy_open_in_root(root, os.fsencode(done or "."), flags), done)
            try:
                os.mkdir(name, 0o755, dir_fd=above)
            finally:
                os.close(above)
        done = inside


def _image_root(container: Container, entry: MountEntry) -> int:
    from crun_py.oci.store.images import ImageStore

    image = ImageStore(container.paths).find(entry["image_id"])
    return mount.root_of(image.layers[::-1], private_dir(container.paths.run + "/rootfs"))


def _part(root: int, entry: MountEntry) -> int:
    """A detached mount of the part of what is open as `root`, which is closed."""
    try:
        path = entry["subpath"]
        fd = check(lib.crunpy_open_in_root(root, os.fsencode(path), os.O_PATH), path)
    except OSError as e:
        raise NotFound.from_os(
            f"mounting {entry['subpath']} of {entry['type']} {entry['name'] or entry['source']}",
            e,
            hint="it must be there before the container starts",
        ) from e
    finally:
        os.close(root)
    try:
        return tree_of(f"/proc/self/fd/{fd}", recursive=True)
    finally:
        os.close(fd)
