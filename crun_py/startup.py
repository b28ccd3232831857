"""The code of the modules that commands load, in one file: loading some 70 of them one by one
costs 4 ms more.

It is what a .pyc is, and lies beside those in __pycache__: written by a command that had to load
a module without it, believed for as long as a module's source has the size and time that it was
compiled from.  Whoever may not write there does without.  PEP 451, PEP 3147.
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
    """A module's source, its stamp, and where its code is, counted from the file's end."""
else:
    ModuleSpec = type(__spec__)  # importlib.machinery would load more than it saves

_PACKAGE = os.path.dirname(os.path.abspath(__file__))
_FILE = f"{_PACKAGE}/__pycache__/startup.{sys.implementation.cache_tag}.bin"
_VERSION = sys.version.encode()


class Bundle:
    """A finder and loader of our own modules (sys.meta_path)."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._index, self._data = _read(path)
        self._lacking: list[str] = []

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """None for what is not ours, is not in the file, has changed since, or is elsewhere (the
        file was copied with its package)."""
        if not name.startswith("crun_py."):
            return None
        entry = self._index.get(name)
        if entry is None or not entry[0].startswith(_PACKAGE + "/") or _stamp(entry[0]) != entry[1]:
            self._lacking.append(name)
            return None
        source = entry[0]
        package = source.endswith("/__init__.py")
        spec = ModuleSpec(name, self, origin=source, is_package=package)  # type: ignore[arg-type]
        spec.has_location = True
        if package:
            assert spec.submodule_search_locations is not None
            spec.submodule_search_locations.append(os.path.dirname(source))
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """The usual one."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code."""
        exec(self.get_code(module.__name__), module.__dict__)

    def get_code(self, name: str) -> CodeType:
        """The code of module `name`, which has been found."""
        code: CodeType = marshal.loads(self._bytes(name))
        return code

    def _bytes(self, name: str) -> bytes:
        _, _, start, end = self._index[name]
        return self._data[start : end or None]

    def keep(self) -> None:
        """Write the file anew if modules had to be loaded without it."""
        found = {name: source for name in self._lacking if (source := _source(name))}
        if sys.dont_write_bytecode or not found:
            return
        index, data = {}, b""
        for name in sorted({*self._index, *found}):
            if name in found:
                source, stamp = found[name], _stamp(found[name])
                code = marshal.dumps(sys.modules[name].__loader__.get_code(name))  # type: ignore[union-attr]
            else:
                source, stamp, *_ = self._index[name]
                code = self._bytes(name)
            index[name] = (source, stamp, -len(data) - len(code), -len(data))
            data = code + data
        _write(self._path, marshal.dumps((_VERSION, index)) + data)


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


def _read(path: str) -> tuple[dict[str, Entry], bytes]:
    """(what is where in the file, the file); nothing of an unfit one."""
    try:
        with open(path, "rb") as f:
            data = f.read()
        version, index = marshal.loads(data)
        return (index, data) if version == _VERSION else ({}, b"")
    except (OSError, ValueError, EOFError, TypeError):
        return {}, b""


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
