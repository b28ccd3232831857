"""tmpfs mounts that begin with what the container's own files have there (`tmpcopyup`).

Made at each start in a namespace of a thread, and mounted by their descriptors (open_tree(2)): a
process of the container sees them whole, or not at all.
"""

from __future__ import annotations

import os

from crun_py._native import check, ffi, lib
from crun_py.container import inside
from crun_py.errors import CrunpyError
from crun_py.ns.thread import in_thread
from crun_py.overlay import copy, mount
from crun_py.overlay.mapped import tree_of
from crun_py.paths import private_dir
from crun_py.runtime.mount_options import Options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.documents.spec import Mount, Spec
    from crun_py.state import Container


def wanted(spec: Spec) -> list[Mount]:
    """The mounts of a spec that are to be filled."""
    return [m for m in spec["mounts"] if "tmpcopyup" in m.get("options", ())]


def trees(container: Container, spec: Spec, attached: dict[str, int]) -> None:
    """Add them to `attached`, descriptors of detached mounts by their destinations.

    Raises CrunpyError.
    """
    own_ids = container.record["userns"]
    ids = inside.ids(container if own_ids and own_ids["idmapped"] else None)
    place = private_dir(container.run_directory + "/copied-up")
    for entry in wanted(spec):
        attached[entry["destination"]] = filled(
            entry, lambda: _root(container), place, ids.outside, container.mount_context
        )


def filled(
    entry: Mount,
    open_root: Callable[[], int],
    place: str,
    owner: Callable[[int, int], tuple[int, int]],
    context: str = "",
) -> int:
    """The detached tmpfs of a mount, filled.

    open_root: gives a descriptor of the files that are copied, called in a thread whose mount
    namespace it makes its own.  place: an empty directory of ours.  owner: of each copy.
    context: the mount option that labels it (SELinux), "" for none.
    Raises CrunpyError.
    """
    words = [word for word in Options(entry.get("options", [])).data if word != "tmpcopyup"]
    words += [context] if context else []

    def make() -> int:
        root = open_root()
        try:
            data = os.fsencode(",".join(words)) if words else ffi.NULL
            where = os.fsencode(place)
            check(lib.crunpy_mount(b"tmpfs", where, b"tmpfs", 0, data), "mount tmpfs")
            asked = os.stat(place)
            copy.copy_up(root, entry["destination"], place, owner)
            _describe(place, words, asked)
            return tree_of(place, recursive=False)
        except OSError as e:
            raise CrunpyError.from_os(f"filling the tmpfs {entry['destination']}", e) from e
        finally:
            os.close(root)

    return in_thread(make)


def _root(container: Container) -> int:
    """The container's own files as they are now, in a namespace of this thread."""
    if directory := container.own_root:
        mount.own_namespace()
        return os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    own = inside.describe(container)
    where = private_dir(container.paths.run + "/rootfs")
    return mount.root_of([own.upper, *own.lowers], where)


def _describe(place: str, words: list[str], asked: os.stat_result) -> None:
    """The top is like the directory that was copied, but for what the options say."""
    said = {word.partition("=")[0] for word in words}
    if "uid" in said or "gid" in said:
        os.chown(
            place, asked.st_uid if "uid" in said else -1, asked.st_gid if "gid" in said else -1
        )
    if "mode" in said:
        os.chmod(place, asked.st_mode & 0o7777)
