"""Images whose files are shown at a path of the host, read-only: `image mount`."""

from __future__ import annotations

import os

from crun_py import jsonfile
from crun_py.errors import CrunpyError, NotFound
from crun_py.oci.store.image import Image
from crun_py.oci.store.images import ImageStore
from crun_py.overlay import mount
from crun_py.paths import Paths, private_dir


def place(paths: Paths, image_id: str) -> str:
    """Where `image mount` shows the image with this id (hex digits)."""
    return f"{paths.root}/mounted/{image_id}"


def is_shown(paths: Paths, image_id: str) -> bool:
    """Whether the image is shown."""
    return mount.is_mounted(place(paths, image_id))


def show(paths: Paths, image: Image) -> str:
    """Mount the image; returns the path.  Raises CrunpyError, NotFound when it was removed."""
    where = place(paths, image.id)
    if mount.is_mounted(where):
        return where
    private_dir(where)
    try:
        if not image.layers:
            raise CrunpyError(f"mounting image {image.id[:12]}: it has no layers")
        # whoever removes images looks at mounts under this lock
        with jsonfile.Lock(paths.images + "/.lock", shared=True):
            if not ImageStore(paths).has(image.id):
                raise NotFound(f"mounting image {image.id[:12]}: it was removed just now")
            mount.layers(image.layers[::-1], where)
    except BaseException:
        os.rmdir(where)
        raise
    return where


def hide(paths: Paths, image: Image) -> bool:
    """Undo `show`; False when it was not mounted.  Raises CrunpyError."""
    where = place(paths, image.id)
    was_shown = mount.is_mounted(where)
    if was_shown:
        mount.unmount(where)
    if os.path.isdir(where):
        os.rmdir(where)
    return was_shown
