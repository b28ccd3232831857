"""A store as it was before anything was in it."""

from __future__ import annotations

import os

from crun_py import jsonfile, state
from crun_py.errors import CorruptState, CrunpyError, NotFound
from crun_py.net import attach, config
from crun_py.tree import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.engine.context import Context

CALLS = ("reset",)

_STORED = ("build", "cache", "containers", "images", "layers", "mounted", "networks", "pods",
           "secrets", "volumes")  # fmt: skip
_RUNS = ("containers", "networks", "rootfs", "summaries", "swept")
"""What is ours below the two directories: what somebody else has there stays."""


def reset(context: Context) -> None:
    """Remove all containers, also those that run, images, networks, volumes, secrets and what
    builds keep; what nobody knows any more, too.  What is no store's in its directory stays.

    Nobody else may be at work with the store.  Raises CrunpyError for what cannot be removed;
    the rest is gone then.
    """
    from crun_py.container import ending

    context.enter()
    paths = context.paths
    errors: list[CrunpyError] = []
    for container in ending.in_order([*state.every(paths)]):
        try:
            ending.remove(container, force=True, anonymous_volumes=True, with_pod=True)
        except NotFound:
            continue
        except CrunpyError as e:
            errors.append(e)
    _hide_images(context)
    if not context.rootless:
        for network in config.every(paths):
            attach.driver_of(network.kind).remove(network)
        _remove_tables(config.table(paths))
    if errors:
        raise CrunpyError("; ".join(e.message for e in errors), hint=errors[0].hint)
    # a pull or a build that is at it keeps what it has
    os.makedirs(paths.images, 0o700, exist_ok=True)
    with jsonfile.Lock(paths.images + "/.pulls", timeout_s=10):
        for top, names in ((paths.root, _STORED), (paths.run, _RUNS)):
            for name in names:
                _remove(f"{top}/{name}")


def _hide_images(context: Context) -> None:
    from crun_py.engine import images

    try:
        mounted = images.mounted(context)
    except CorruptState:
        from crun_py.oci.store.images import ImageStore

        ImageStore(context.paths).rebuild({})
        mounted = images.mounted(context)
    for shown in mounted:
        images.unmount(context, shown.id, missing_ok=True)


def _remove_tables(table: str) -> None:
    from crun_py.net import nft

    with nft.socket() as sock:
        nft.remove_tables(sock, table)


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        remove_tree(path)
    elif os.path.lexists(path):
        os.unlink(path)
