"""What has a name in the store and may not be on the disk yet.

Blobs and layers get their names before the one syncfs(2) of their image (blobs.sync).  When the
power is cut in between, a file system may keep a name and lose what is behind it: a file without
its bytes, a tree of empty files.  So each is noted in `images/.unsettled` first, with the id of
this boot; the sync takes the notes away, and a note of another boot says that what it names cannot
be believed.
"""

from __future__ import annotations

import os

from crun_py import jsonfile
from crun_py.errors import CrunpyError
from crun_py.paths import Paths, private_dir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    Kind = Literal["blob", "layer"]


def _directory(paths: Paths) -> str:
    return paths.images + "/.unsettled"


def _boot() -> bytes:
    """The kernel's id of this boot (random(4))."""
    return jsonfile.read_bytes("/proc/sys/kernel/random/boot_id").strip()


def note(paths: Paths, kind: Kind, digest: str) -> None:
    """Before the rename that gives the blob or layer `digest` its name.  Raises CrunpyError."""
    path = f"{_directory(paths)}/{kind}-{digest.rpartition(':')[2]}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        try:
            fd = os.open(path, flags, 0o600)
        except FileNotFoundError:
            private_dir(_directory(paths))
            fd = os.open(path, flags, 0o600)
        try:
            os.write(fd, _boot())
        finally:
            os.close(fd)
    except OSError as e:
        raise CrunpyError.from_os(f"writing {path}", e) from e


def notes(paths: Paths) -> list[str]:
    """The names of the notes that there are, to be given to `settled` after a sync."""
    try:
        return [name for name in os.listdir(_directory(paths)) if name.count("-") == 1]
    except FileNotFoundError:
        return []


def settled(paths: Paths, names: list[str]) -> None:
    """What was noted by then is on the disk, or gone."""
    for name in names:
        try:
            os.unlink(f"{_directory(paths)}/{name}")
        except FileNotFoundError:
            continue  # another command's sync


def doubtful(paths: Paths) -> list[tuple[str, str, str]]:
    """(name of the note, "blob" or "layer", digest) of what an earlier boot did not write out."""
    found = []
    for name in notes(paths):
        try:
            boot = jsonfile.read_bytes(f"{_directory(paths)}/{name}")
        except FileNotFoundError:
            continue
        if boot != _boot():  # or empty: the note was lost as well
            kind, _, digits = name.partition("-")
            found.append((name, kind, "sha256:" + digits))
    return found


def lock(paths: Paths) -> jsonfile.Lock:
    """Held while what is doubtful is taken away, so that nobody who has it anew loses that."""
    return jsonfile.Lock(_directory(paths) + "/.lock")
