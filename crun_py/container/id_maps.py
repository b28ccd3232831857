"""Mounts that show their files with other owners (`idmap=uids=…`, mount_setattr(2))."""

from __future__ import annotations

import os

from crun_py.errors import CrunpyError
from crun_py.ns import idmap
from crun_py.ns.idmap import Ids
from crun_py.overlay.mapped import tree_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.spec import Spec
    from crun_py.state import Container


def trees(container: Container, spec: Spec, attached: dict[str, int]) -> None:
    """Add them to `attached`, descriptors of detached mounts by their destinations.

    Raises CrunpyError for a file system that cannot do it.
    """
    mounts = {entry["destination"]: entry for entry in spec["mounts"]}
    for entry in container.record["mounts"]:
        if "id_map" not in entry:
            continue
        destination = entry["destination"]
        namespace = idmap.new_namespace(Ids(entry["id_map"]["uids"], entry["id_map"]["gids"]))
        try:
            attached[destination] = tree_of(
                mounts[destination].get("source", ""), recursive=False, userns=namespace
            )
        except CrunpyError as e:
            raise CrunpyError(
                f"mounting {destination} with mapped ids: {e.message}",
                hint="not every file system can: ext4, xfs, btrfs and tmpfs can",
            ) from e
        finally:
            os.close(namespace)
