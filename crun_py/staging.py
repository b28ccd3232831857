"""A container in the making: `containers/.new-ID`, and a lock that tells whether its maker lives.

It becomes a container by one rename.  What a killed maker left is found by its lock, which
nobody holds any more.  In that file is what the container will use (a claim): whoever removes an
image or a volume decides while no claim can be made (`unclaimed`), and so sees either the
claim or the container, or the maker finds the image gone.
"""

from __future__ import annotations

import fcntl
import os

from crun_py import jsonfile
from crun_py.errors import Conflict
from crun_py.paths import Paths, private_dir
from crun_py.tree import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

PREFIX, SUFFIX = ".new-", ".lock"
_TRANSIENT, _STARTED = "transient", "started"
"""In the directory of a container that goes when it ends (--rm): a symlink that says whether it was
ever started.  Its files are not written through to the disk, but this name is there after a power
cut if the directory's own is."""


def _unless_gone(path: str) -> None:
    """Remove a file; two that sweep may meet."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def note_transient(directory: str, *, started: bool = False) -> None:
    """A container that goes when it ends is made in `directory`, or is started."""
    path = f"{directory}/{_TRANSIENT}"
    if started:
        _unless_gone(path)
    os.symlink(_STARTED if started else "made", path)


def outlived(paths: Paths) -> Iterator[tuple[str, bool]]:
    """Containers with that note and without a run directory: (id, was started).  After a boot: else
    they are just made, or being removed."""
    for container_id in os.listdir(paths.containers) if os.path.isdir(paths.containers) else ():
        try:
            noted = os.readlink(f"{paths.container(container_id)}/{_TRANSIENT}")
        except OSError:
            continue
        if not os.path.isdir(paths.run_container(container_id)):
            yield container_id, noted == _STARTED


class Claim:
    """What a container in the making will use: ids of images, names of volumes."""

    __slots__ = ("container_id", "images", "volumes")

    def __init__(
        self, container_id: str, images: Collection[str] = (), volumes: Collection[str] = ()
    ) -> None:
        self.container_id = container_id
        self.images, self.volumes = frozenset(images), frozenset(volumes)

    @property
    def title(self) -> str:
        """What messages call the container."""
        return f"container {self.container_id[:12]}, which is being created,"


def _beginnings(paths: Paths) -> str:
    """The lock file under which creations begin."""
    return private_dir(paths.containers) + "/.lock"


def unclaimed(paths: Paths) -> jsonfile.Lock:
    """Held while it is decided that nobody uses an image or a volume, until it cannot be found
    any more: no creation begins meanwhile.  Not to be held for long, nor twice."""
    return jsonfile.Lock(_beginnings(paths))


def claims(paths: Paths) -> list[Claim]:
    """Those of the makers that live.  To be asked before the containers: what was a claim is
    one of them then."""
    found = []
    try:
        names = os.listdir(paths.containers)
    except FileNotFoundError:
        return []
    for name in names:
        if not name.startswith(PREFIX) or not name.endswith(SUFFIX):
            continue
        container_id = name[len(PREFIX) : -len(SUFFIX)]
        if not Staging(paths, container_id).owned():
            continue
        try:
            text = jsonfile.read_bytes(f"{paths.containers}/{name}").decode()
            value = jsonfile.loads(text)
            found.append(Claim(container_id, value["images"], value["volumes"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            continue  # finished just now, or not yet written: then unclaimed() waits for it
    return found


class Staging:
    """The staging directory of container `container_id`."""

    def __init__(self, paths: Paths, container_id: str) -> None:
        self._target = paths.container(container_id)
        self.directory = f"{paths.containers}/{PREFIX}{container_id}"
        self._lock_path = self.directory + SUFFIX
        self._paths = paths
        self._lock = -1

    def open(self, claim: Claim, check: Callable[[], None] = lambda: None) -> None:
        """Make it, owned by this process, with the claim.

        check: raises unless what is claimed is still there.
        """
        text = jsonfile.dumps({"images": [*claim.images], "volumes": [*claim.volumes]})
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with jsonfile.Lock(_beginnings(self._paths), shared=True):
            self._lock = os.open(self._lock_path, flags, 0o600)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX)
                os.write(self._lock, text.encode())
                check()
            except BaseException:
                self._release()
                raise
        private_dir(self.directory)

    def commit(self, *, durable: bool) -> None:
        """Give it its final name; durable: also after a power cut."""
        os.rename(self.directory, self._target)
        if durable:
            jsonfile.sync_directory(os.path.dirname(self._target))
        self._release()

    def discard(self) -> None:
        """Remove all of it."""
        remove_tree(self.directory)
        self._release()

    def _release(self) -> None:
        _unless_gone(self._lock_path)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @property
    def committed(self) -> bool:
        return os.path.isdir(self._target)

    def abandoned(self) -> bool:
        """Whether its maker was killed."""
        try:
            # a lock file just created is not locked yet: no maker must be at that point
            with jsonfile.Lock(_beginnings(self._paths), timeout_s=0):
                return self._owner_lives() is False
        except Conflict:
            return False

    def owned(self) -> bool:
        """Whether a living process is at work on it."""
        return self._owner_lives() is True

    def _owner_lives(self) -> bool | None:
        """None: there is no lock file, so it was never begun or is finished."""
        try:
            fd = os.open(self._lock_path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
