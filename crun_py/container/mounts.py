"""mount, unmount: the root file system of a container at a path of the host.

ROOT/containers/ID/merged is mounted while it is shown.  Of a running container it is the
container's own root mount, of another one its overlay; a later start uses that one mount.
"""

from __future__ import annotations

import os

from crun_py import events
from crun_py._native import check, lib
from crun_py.container import inside
from crun_py.errors import Conflict, CrunpyError, Unsupported
from crun_py.ns import user
from crun_py.overlay import mount
from crun_py.paths import in_user_namespace, private_dir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.state import Container


def require_namespace(verb: str) -> None:
    """Raises Unsupported for a plain user: what it mounts is seen in its namespace only."""
    if user.needed():
        raise Unsupported(
            f"{verb}: a user's mounts are seen only in a namespace of the user's",
            hint=f"crunpy unshare crunpy {verb}, or crunpy unshare for a shell",
        )


def show(container: Container) -> str:
    """Mount the root of `container`; returns the path.  Raises Conflict, CrunpyError."""
    where = inside.merged(container)
    if mount.is_mounted(where):
        return where
    try:
        private_dir(where)
    except FileNotFoundError:
        raise container.gone() from None
    try:
        _mount(container, where)
    except BaseException:
        if not os.path.isdir(where):
            raise container.gone() from None
        os.rmdir(where)
        raise
    events.container(container, "mount")
    return where


def _mount(container: Container, where: str) -> None:
    if container.status().alive:
        if in_user_namespace():
            raise Conflict(
                f"mounting container {container.name}: it runs in a user namespace of its own",
                hint="crunpy cp and crunpy exec reach its files",
            )
        with inside.root_of(container, alone=True) as root:
            try:
                check(lib.crunpy_attach(root, os.fsencode(where)), where)
            except OSError as e:
                raise CrunpyError.from_os(f"mounting container {container.name}", e) from e
        return
    with container.lock():
        if container.status().alive:
            raise Conflict(f"mounting container {container.name}: it was started just now")
        inside.mount_root(container, where)


def hide(container: Container) -> bool:
    """Undo `show`; False when it was not mounted.  Raises CrunpyError."""
    where = inside.merged(container)
    if not os.path.isdir(where):
        return False
    shown = mount.is_mounted(where)
    if shown:
        mount.unmount(where)
        events.container(container, "unmount")
    os.rmdir(where)
    return shown
