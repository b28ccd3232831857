"""Binds that mounts made inside reach the host through (mount_namespaces(7), shared subtrees).

In a container's mount namespace everything is a slave of the host's; what is to stay a peer is
taken as a detached mount before, while we are on the host's side.
"""

from __future__ import annotations

import os

from crun_py import jsonfile
from crun_py.errors import InvalidArgument
from crun_py.overlay.mapped import tree_of
from crun_py.paths import in_user_namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.spec import Mount, Spec

_SHARED = ("shared", "rshared")


def wanted(spec: Spec) -> list[Mount]:
    """The mounts of a spec that are to be peers of the host's; none for a plain user, whose own
    mounts reach nobody else's either."""
    if in_user_namespace():
        return []
    return [m for m in spec["mounts"] if any(word in m.get("options", ()) for word in _SHARED)]


def trees(spec: Spec, attached: dict[str, int]) -> None:
    """Add them to `attached`, descriptors of detached mounts by their destinations.

    Raises InvalidArgument for a source whose own mount is not shared (docker's rule).
    """
    for entry in wanted(spec):
        if entry["destination"] in attached:
            continue
        source = os.path.realpath(entry.get("source", ""))
        point, shared = mount_of(source)
        if not shared:
            raise InvalidArgument(
                f"mounting {source} shared: it is on {point}, which is no shared mount",
                hint=f"mount --make-shared {point}",
            )
        recursive = "rbind" in entry.get("options", ())
        attached[entry["destination"]] = tree_of(source, recursive=recursive)


def mount_of(path: str) -> tuple[str, bool]:
    """(mount point, whether it is shared) of the mount that `path` is on (proc(5), mountinfo)."""
    best, shared = "", False
    for line in jsonfile.read_bytes("/proc/self/mountinfo").decode("utf-8", "replace").splitlines():
        fields = line.split(" ")
        point = fields[4].replace("\\040", " ")
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):  # the last of several on one place is on top
            optional = fields[6 : fields.index("-")]
            best, shared = point, any(word.startswith("shared:") for word in optional)
    return best, shared
