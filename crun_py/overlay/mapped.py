"""Layers for a container whose user namespace maps ids in another way than the store.

root:  the layers' own mounts show other ids (idmapped mounts, mount_setattr(2)).
users: the kernel does not let them do that: a copy of each layer with the owners changed is
       made once for each way of mapping, `mapped-…` beside the layer's `diff`.
"""

from __future__ import annotations

import os

from crun_py._native import check, lib
from crun_py.errors import CrunpyError
from crun_py.overlay import mount
from crun_py.overlay.copy import Copier, made_once, opened
from crun_py.tree import is_content

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.ns.idmap import Ids
    from crun_py.overlay.rootfs import RootFs


def can_map(directory: str, userns: int) -> bool:
    """Whether a mount of `directory` can show the ids of `userns`."""
    tree = check(lib.crunpy_clone_tree(-1, os.fsencode(directory), 0), directory)
    try:
        return bool(lib.crunpy_idmap(tree, userns, False) == 0)
    finally:
        os.close(tree)


def tree_of(path: str, *, recursive: bool, userns: int = -1, below: bool = False) -> int:
    """A detached mount of `path`; with the ids of `userns` if that is given, which hold for what is
    mounted below it, too, if `below`."""
    try:
        tree = check(lib.crunpy_clone_tree(-1, os.fsencode(path), recursive), path)
        if userns >= 0:
            try:
                check(lib.crunpy_idmap(tree, userns, below), path)
            except OSError:
                os.close(tree)
                raise
        return tree
    except OSError as e:
        raise CrunpyError.from_os(f"preparing the mount of {path}", e) from e


def detached(root: RootFs, where: str, userns: int) -> int:
    """The overlay `root` as a detached mount, made on `where` in a child process.

    userns: the image's layers show its ids; -1: they are as they should be.  Raises CrunpyError.
    """
    import socket

    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        _mount_in_child(root, where, userns, theirs)
    theirs.close()
    with ours:
        message, fds, _, _ = socket.recv_fds(ours, 4096, 1)
    os.waitpid(child, 0)
    if not fds:
        raise CrunpyError(message.decode() or "mounting the layers: the child process was killed")
    return fds[0]


def _mount_in_child(root: RootFs, where: str, userns: int, answer: object) -> None:
    import socket

    assert isinstance(answer, socket.socket)
    try:
        mount.own_namespace()
        mount.overlay(root, where, userns)
        tree = tree_of(where, recursive=False)
        socket.send_fds(answer, [b"done"], [tree])
    except CrunpyError as e:
        answer.send(e.message.encode())
    except OSError as e:
        answer.send(f"mounting the layers: {os.strerror(e.errno or 0).lower()}".encode())
    os._exit(0)


def copies(layers: list[str], ids: Ids) -> list[str]:
    """The trees of `layers` with owners as `ids` maps them, made if need be.

    Raises InvalidArgument when an owner is not mapped, CrunpyError.
    """
    import hashlib

    key = hashlib.sha256(repr((ids.uids, ids.gids)).encode()).hexdigest()[:16]
    return [_copy_of(layer, f"{os.path.dirname(layer)}/mapped-{key}", ids) for layer in layers]


def _copy_of(layer: str, target: str, ids: Ids) -> str:
    # what overlay notes in a layer goes with it
    def kept(name: str) -> bool:
        return is_content(name) or name.startswith("user.overlay.")

    def fill(staged: str) -> None:
        opened(None, None, layer, lambda a, b: Copier(b, ids.outside, kept).copy(a), into=staged)

    try:
        return made_once(target, fill)
    except OSError as e:
        raise CrunpyError.from_os(f"copying layer {layer} for other ids", e) from e
