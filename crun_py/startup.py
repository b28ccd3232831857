"""The code of the modules that commands load, in one file: loading some 70 of them one by one
costs 4 ms more.

It is what a .pyc is, and lies beside those in __pycache__: written by a command that had to load
a module without it, believed for as long as a module's source has the size and time that it was
compiled from.  Whoever may not write there does without.  PEP 451, PEP 3147.

Another command may put a new file in its place at any time.  So each code begins with the random
mark of its file, which the index has too: a place is never looked up in one file and read from
another (an inode number would not tell: it is given to the next file at once).
"""

from __future__ import annotations

import errno
import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import CodeType, ModuleType

    Entry = tuple[str, tuple[int, int], int, int]
    """A module's source, its stamp, and where in the file its mark and code are, and how long."""
else:
    ModuleSpec = type(__spec__)  # importlib.machinery would load more than it saves

_PACKAGE = os.path.dirname(os.path.abspath(__file__))
_FILE = f"{_PACKAGE}/__pycache__/startup.{sys.implementation.cache_tag}.bin"
_VERSION = sys.version.encode()
_HEAD, _MARK, _MOST = 4, 16, 1 << 20


class Bundle:
    """A finder and loader of our own modules (sys.meta_path).

    The file is opened anew for each module: a descriptor that stayed open would be in the way of
    those that the caller passes on.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._mark, self._index = _read(path)
        self._found: dict[str, CodeType] = {}
        self._lacking: list[str] = []

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """None for what is not ours, is not in the file, has changed since, or is elsewhere (the
        file was copied with its package)."""
        if not name.startswith("crun_py."):
            return None
        entry = self._index.get(name)
        code = None
        if entry and entry[0].startswith(_PACKAGE + "/") and _stamp(entry[0]) == entry[1]:
            code = self._code(entry)
        if entry is None or code is None:
            self._lacking.append(name)
            return None
        self._found[name] = code
        source = entry[0]
        package = source.endswith("/__init__.py")
        spec = ModuleSpec(name, self, origin=source, is_package=package)  # type: ignore[arg-type]
        spec.has_location = True
        if package:
            assert spec.submodule_search_locations is not None
            spec.submodule_search_locations.append(os.path.dirname(source))
        return spec

    def _code(self, entry: Entry) -> CodeType | None:
        """The code of a module, None when the file is another one by now, or damaged."""
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            data = os.pread(fd, entry[3], entry[2])
        finally:
            os.close(fd)
        if len(data) < entry[3] or data[:_MARK] != self._mark:
            return None
        try:
            code: CodeType = marshal.loads(memoryview(data)[_MARK:])
        except (ValueError, EOFError, TypeError):
            return None
        return code

    def create_module(self, spec: ModuleSpec) -> None:
        """The usual one."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code."""
        exec(self.get_code(module.__name__), module.__dict__)

    def get_code(self, name: str) -> CodeType:
        """The code of module `name`, which has been found."""
        return self._found[name]

    def keep(self) -> None:
        """Write the file anew if modules had to be loaded without it."""
        found = {name: source for name in self._lacking if (source := _source(name))}
        if sys.dont_write_bytecode or not found:
            return
        try:
            _write(self._path, _packed(self._codes(found)))
        except MemoryError:
            return  # the file only saves time

    def _codes(self, found: dict[str, str]) -> dict[str, tuple[str, tuple[int, int], bytes]]:
        """What the file is to hold: of what it held, and of the modules `found` beside it."""
        codes: dict[str, tuple[str, tuple[int, int], bytes]] = {}
        for name, entry in self._index.items():
            code = self._code(entry)
            if code is not None:
                codes[name] = entry[0], entry[1], marshal.dumps(code)
        for name, source in found.items():
            stamp = _stamp(source)
            loaded = sys.modules[name].__loader__.get_code(name)  # type: ignore[union-attr]
            codes[name] = source, stamp, marshal.dumps(loaded)
        return codes


def _packed(codes: dict[str, tuple[str, tuple[int, int], bytes]]) -> bytes:
    """The file: the length of the index, the index, the codes."""
    mark = os.urandom(_MARK)
    length, index = 0, b""
    while True:  # the places of the codes depend on how long the index is
        at, entries = _HEAD + length, {}
        for name, (source, stamp, code) in codes.items():
            entries[name] = source, stamp, at, _MARK + len(code)
            at += _MARK + len(code)
        index = marshal.dumps((_VERSION, mark, entries))
        if len(index) == length:
            break
        length = len(index)
    return length.to_bytes(_HEAD, "little") + index + b"".join(mark + c[2] for c in codes.values())


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


def _read(path: str) -> tuple[bytes, dict[str, Entry]]:
    """(the file's mark, what is where in it); nothing of an unfit one."""
    try:
        with open(path, "rb", buffering=0) as f:
            length = int.from_bytes(f.read(_HEAD), "little")
            version, mark, index = marshal.loads(f.read(min(length, _MOST)))
            return (mark, index) if version == _VERSION else (b"", {})
    except (OSError, ValueError, EOFError, TypeError):
        return b"", {}


def _write(path: str, data: bytes) -> None:
    temporary = f"{path}.{os.getpid()}"
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except OSError as e:
        if e.errno in (errno.ENOENT, errno.EACCES, errno.EROFS, errno.EPERM, errno.EEXIST):
            return
        raise
    try:
        with open(fd, "wb") as f:
            f.write(data)
        os.rename(temporary, path)
    except OSError:
        os.unlink(temporary)


bundle = Bundle(_FILE)
