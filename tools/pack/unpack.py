"""In the one file: unpacks its archive, or verifies what is unpacked.  Runs at the first start, at
the first one after a boot, and once a day, before anything of crunpy can be imported.

Files are what the manifest in the archive says, by SHA-256; the archive is what the script before
it says.  Nothing is synced: what a power cut leaves damaged is found by the verification after it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from zipfile import ZipFile

ST_NOEXEC = 8  # statvfs(3)


class Unfit(Exception):
    """A place that cannot be used."""


class Tree:
    """What is to be unpacked for one kind of Python.

    files: relative path → (name in the archive, SHA-256, mode).
    """

    def __init__(self, archive: ZipFile, kind: str) -> None:
        self._archive = archive
        manifest = json.loads(archive.read("manifest.json"))
        parts = ("common", "musl" if kind.endswith("-musl") else "gnu", kind)
        self.files: dict[str, tuple[str, str, int]] = {
            path: (f"{part}/{path}", digest, mode)
            for part in parts
            for path, (digest, mode) in manifest[part].items()
        }

    def write(self, directory: str) -> None:
        """Put all files into the empty `directory`.  Raises OSError."""
        for folder in sorted({os.path.dirname(path) for path in self.files}):
            os.makedirs(f"{directory}/{folder}", mode=0o755, exist_ok=True)
        for path, (name, _, mode) in self.files.items():
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(f"{directory}/{path}", flags, mode), "wb") as f:
                f.write(self._archive.read(name))

    def is_whole(self, directory: str) -> bool:
        """Whether each file in `directory` is what it was."""
        for path, (_, digest, _) in self.files.items():
            try:
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
                with open(os.open(f"{directory}/{path}", flags), "rb") as f:
                    if hashlib.sha256(f.read()).hexdigest() != digest:
                        return False
            except OSError:
                return False
        return True

    def forget_compiled(self, directory: str) -> None:
        """Remove what Pythons have compiled there, of which nobody knows whether it is whole."""
        for folder in {os.path.dirname(path) for path in self.files}:
            shutil.rmtree(f"{directory}/{folder}/__pycache__", ignore_errors=True)


@contextlib.contextmanager
def _locked(place: str) -> Iterator[None]:
    """Others who unpack there wait.  Raises OSError."""
    fd = os.open(f"{place}/.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _note(directory: str, text: str) -> None:
    """That it was verified now, in this boot."""
    new = f"{directory}/.verified.{os.getpid()}"
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as f:
        f.write(text)
    os.rename(new, f"{directory}/.verified")


def _unpack(files: Tree, place: str, directory: str) -> None:
    """Under the lock: what a killed one left goes, and the whole appears by a rename."""
    for name in os.listdir(place):
        if name.startswith(".new-"):
            shutil.rmtree(f"{place}/{name}")
    new = f"{place}/.new-{os.getpid()}"
    os.mkdir(new, 0o755)
    try:
        files.write(new)
        if os.path.lexists(directory):
            os.rename(directory, f"{place}/.new-damaged-{os.getpid()}")
        os.rename(new, directory)
    finally:
        for left in (new, f"{place}/.new-damaged-{os.getpid()}"):
            shutil.rmtree(left, ignore_errors=True)


def _prepare(
    files: Tree, place: str, tree: str, unsafe: Callable[[str], str], boot: Callable[[], str]
) -> None:
    """Have `tree` whole below `place`.  Raises Unfit, OSError."""
    directory = place + tree
    os.makedirs(place, mode=0o700, exist_ok=True)
    if reason := unsafe(place):
        raise Unfit(reason)
    if os.statvfs(place).f_flag & ST_NOEXEC:
        raise Unfit("its file system is mounted noexec")
    if os.path.lexists(directory) and not unsafe(directory) and files.is_whole(directory):
        if not os.path.lexists(f"{directory}/.verified"):  # a start failed there (start.py, broken)
            files.forget_compiled(directory)
        # where nothing can be written it is verified each time
        with contextlib.suppress(OSError):
            _note(directory, boot())
        return
    with _locked(place):
        if not os.path.lexists(directory) or unsafe(directory) or not files.is_whole(directory):
            _unpack(files, place, directory)
        _note(directory, boot())


def prepare(
    archive: ZipFile,
    kind: str,
    places: list[str],
    tree: str,
    unsafe: Callable[[str], str],
    boot: Callable[[], str],
    fail: Callable[[str], None],
) -> str:
    """The first of `places` in which all is unpacked and verified now; `fail` when none can be."""
    files, reasons = Tree(archive, kind), []
    umask = os.umask(0o022)
    try:
        for place in places:
            try:
                _prepare(files, place, tree, unsafe, boot)
            except Unfit as e:
                reasons.append(f"{place}: {e}")
            except OSError as e:
                reasons.append(f"{place}: {(e.strerror or str(e)).lower()}")
            else:
                return place
    finally:
        os.umask(umask)
    advice = "have one of them writable, 30 MB, without noexec: in a container --tmpfs /tmp:exec"
    if os.geteuid():
        advice += ", or name one: XDG_CACHE_HOME=DIR"
    told = "; ".join(reasons)
    fail(f"unpacking crunpy, which needs a directory once: {told} ({advice})")
    raise AssertionError
