"""The code of the modules that commands load, in one file: loading some 90 of them one by one
takes 8 ms more.

It is what .pyc files are, and lies beside them in __pycache__: written by a command that had to
load a module without it, believed for as long as the sources have the sizes and times that it was
compiled from.  Whoever may not write there does without.  PEP 451, PEP 3147.

Half of what an import takes is importlib's own work.  So what a module brings with it lies in one
piece, in the order in which it was ready (`run` brings 84), and is made at once, each module after
what it needs.

Another command may put a new file in its place at any time.  So each piece begins with the random
mark of its file, which the index has too: a place is never looked up in one file and read from
another (an inode number would not tell: it is given to the next file at once).
"""

from __future__ import annotations

import errno
import marshal
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import CodeType, ModuleType

    Part = tuple[str, str, tuple[int, int], CodeType]
    """A module, its source, the source's stamp, its code."""
else:
    ModuleSpec = type(__spec__)  # importlib.machinery would load more than it saves
    ModuleType = type(sys)

_PACKAGE = os.path.dirname(os.path.abspath(__file__))
_FILE = f"{_PACKAGE}/__pycache__/startup.{sys.implementation.cache_tag}.bin"
_VERSION = f"3 {sys.version}"
_HEAD, _MARK, _MOST, _PIECE = 4, 16, 1 << 20, 60_000
_ABANDONED_S = 60


class Bundle:
    """A finder and loader of our own modules (sys.meta_path).

    The file is opened anew each time: a descriptor that stayed open would be in the way of those
    that the caller passes on.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._mark, self._index = _read(path)
        self._found: dict[str, tuple[str, CodeType]] = {}
        self._first: dict[str, bool] = {}
        """The modules that no other module of ours asked for, and whether the file had them."""
        self._last = ""
        self._making = False

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """None for what is not ours, is not in the file, has changed since, or is elsewhere (the
        file was copied with its package)."""
        if not name.startswith("crun_py."):
            return None
        if not self._making and not _is_being_made(self._last):
            self._last = name
            self._making = True
            try:
                self._first[name] = self._make(name)
            finally:
                self._making = False
        return self._spec(name) if name in self._found else None

    def _spec(self, name: str) -> ModuleSpec:
        source = self._found[name][0]
        package = source.endswith("/__init__.py")
        spec = ModuleSpec(name, self, origin=source, is_package=package)  # type: ignore[arg-type]
        spec.has_location = True
        if package:
            assert spec.submodule_search_locations is not None
            spec.submodule_search_locations.append(os.path.dirname(source))
        return spec

    def _make(self, wanted: str) -> bool:
        """Find what module `wanted` brings with it, and import all but itself: what importlib
        does, as far as our modules can tell."""
        parts = self._parts(wanted)
        for name, source, _, code in parts:
            self._found[name] = source, code
        for name, *_ in parts[:-1]:
            package, _, last = name.rpartition(".")
            parent = sys.modules.get(package)
            if name in sys.modules or parent is None:
                continue  # importlib's, when somebody asks for it
            module, spec = ModuleType(name), self._spec(name)
            module.__spec__, module.__loader__, module.__file__ = spec, self, spec.origin  # type: ignore[assignment]
            module.__package__ = package
            if spec.submodule_search_locations is not None:
                module.__path__, module.__package__ = spec.submodule_search_locations, name
            sys.modules[name] = module
            try:
                self.exec_module(module)
            finally:
                del sys.modules[name]
            sys.modules[name] = module  # the last one there, see _batches
            setattr(parent, last, module)
        return bool(parts)

    def _parts(self, name: str) -> list[Part]:
        """What module `name` brings with it, itself the last; [] when it is not in the file, the
        file is another one by now or damaged, or a source has changed."""
        parts: list[Part] = []
        try:
            for data in self._pieces(name):
                parts += marshal.loads(data)
        except (ValueError, EOFError, TypeError):
            return []
        for _, source, stamp, _ in parts:
            if _stamp(source) != stamp or not source.startswith(_PACKAGE + "/"):
                return []
        return parts

    def _pieces(self, name: str) -> Iterator[memoryview]:
        """What the file has for module `name`, in pieces, whose memory serves the next ones (and
        the code) again.  Raises EOFError when the file is another one by now."""
        at, lengths = self._index.get(name, (0, []))
        if not lengths:
            return
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return
        try:
            for length in lengths:
                data = os.pread(fd, length, at)
                if data[:_MARK] != self._mark:
                    raise EOFError
                yield memoryview(data)[_MARK:]
                at += length
        finally:
            os.close(fd)

    def create_module(self, spec: ModuleSpec) -> None:
        """The usual one."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code."""
        exec(self.get_code(module.__name__), module.__dict__)

    def get_code(self, name: str) -> CodeType:
        """The code of module `name`, which has been found."""
        return self._found[name][1]

    def keep(self) -> None:
        """Write the file anew if modules had to be loaded without it."""
        lacking = {name for name, known in self._first.items() if not known and _source(name)}
        if sys.dont_write_bytecode or not lacking:
            return
        if not os.access(os.path.dirname(self._path), os.W_OK):
            return  # root's: making it would take a plain user's command 25 ms, for nothing
        try:
            pieces = {name: kept for name in self._index if (kept := self._kept(name))}
            for batch in self._batches():
                if batch[-1] in lacking:
                    pieces[batch[-1]] = _cut([_part(name) for name in batch])
            _write(self._path, _packed(pieces))
        except MemoryError:
            return  # the file only saves time

    def _kept(self, name: str) -> list[bytes]:
        """The pieces for module `name`, [] when they are damaged, or gone."""
        try:
            return [bytes(piece) for piece in self._pieces(name)]
        except EOFError:
            return []

    def _batches(self) -> list[list[str]]:
        """What each first module brought with it, itself the last.  (Modules are in sys.modules
        in the order in which they were ready.)"""
        batches: list[list[str]] = [[]]
        for name in sys.modules:
            if name.startswith("crun_py.") and _source(name):
                batches[-1].append(name)
                if name in self._first:
                    batches.append([])
        return batches[:-1]


def _is_being_made(name: str) -> bool:
    spec = getattr(sys.modules.get(name), "__spec__", None)
    return getattr(spec, "_initializing", False)


def _part(name: str) -> Part:
    source = _source(name)
    code: CodeType = sys.modules[name].__loader__.get_code(name)  # type: ignore[union-attr]
    return name, source, _stamp(source), code


def _cut(parts: list[Part]) -> list[bytes]:
    pieces, batch, size = [], [], 0
    for part in parts:
        batch.append(part)
        size += part[2][1]
        if size > _PIECE or part is parts[-1]:
            pieces.append(marshal.dumps(batch))
            batch, size = [], 0
    return pieces


def _packed(pieces: dict[str, list[bytes]]) -> bytes:
    """The file: the length of the index, the index, the pieces."""
    mark = os.urandom(_MARK)
    length, index = 0, b""
    while True:  # the places of the pieces depend on how long the index is
        at, places = _HEAD + length, {}
        for name, several in pieces.items():
            lengths = [_MARK + len(piece) for piece in several]
            places[name] = at, lengths
            at += sum(lengths)
        index = marshal.dumps((_VERSION, mark, places))
        if len(index) == length:
            break
        length = len(index)
    content = b"".join(mark + piece for several in pieces.values() for piece in several)
    return length.to_bytes(_HEAD, "little") + index + content


def _source(name: str) -> str:
    """The file of the loaded module `name`, or "": it is not loaded, or not written in Python."""
    source = getattr(sys.modules.get(name), "__file__", None) or ""
    return source if source.endswith(".py") else ""


def _stamp(source: str) -> tuple[int, int]:
    try:
        found = os.stat(source)
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def _read(path: str) -> tuple[bytes, dict[str, tuple[int, list[int]]]]:
    """(the file's mark, where what each module brings is in it); nothing of an unfit one."""
    try:
        with open(path, "rb", buffering=0) as f:
            length = int.from_bytes(f.read(_HEAD), "little")
            version, mark, index = marshal.loads(f.read(min(length, _MOST)))
            return (mark, index) if version == _VERSION else (b"", {})
    except (OSError, ValueError, EOFError, TypeError):
        return b"", {}


def _sweep(path: str) -> None:
    """Remove what commands that were killed left of the file half written."""
    place, name = os.path.split(path)
    with os.scandir(place) as entries:
        for entry in entries:
            if entry.name.startswith(name + "."):
                try:
                    if entry.stat().st_mtime < time.time() - _ABANDONED_S:
                        os.unlink(entry.path)
                except FileNotFoundError:
                    continue  # another command's, which has put it in its place by now


def _write(path: str, data: bytes) -> None:
    temporary = f"{path}.{os.getpid()}"
    try:
        _sweep(path)
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except OSError as e:
        if e.errno in (errno.ENOENT, errno.EACCES, errno.EROFS, errno.EPERM, errno.EEXIST):
            return
        raise
    try:
        with open(fd, "wb") as f:
            f.write(data)
        os.rename(temporary, path)
    except FileNotFoundError:
        return  # somebody took us for killed
    except OSError:
        os.unlink(temporary)


bundle = Bundle(_FILE)
