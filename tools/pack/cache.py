"""What takes long to make is made once, below .cache/, while it would come out the same."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent.parent
CACHE = CHECKOUT / ".cache"
_OF_PACKAGES = ("setup.py", "pyproject.toml", "README.md", "bin", "man", "crun_py")
_MADE = {".pyc", ".so", ".bin", ".json"}


def kept(name: str, made_from: bytes, make: Callable[[Path], None]) -> Path:
    """The directory that `make` fills, given an empty one; the one of before for the same
    `made_from`.  Of one name there is one: an older one goes.  Others wait meanwhile."""
    CACHE.mkdir(exist_ok=True)
    path = CACHE / f"{name}-{hashlib.sha256(made_from).hexdigest()[:12]}"
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            for old in CACHE.glob(f"{name}-{'?' * 12}*"):
                shutil.rmtree(old)
            work = path.with_suffix(".work")
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            make(work)
            work.rename(path)
    return path


def content(*paths: Path) -> bytes:
    """A digest of the names, modes and contents of files, and of those in directories."""
    found = hashlib.sha256()
    for path in _files(paths):
        data = path.read_bytes()
        head = f"{path.relative_to(CHECKOUT)} {path.stat().st_mode & 0o100:o} {len(data)}"
        found.update(head.encode() + b"\0" + data)
    return found.digest()


def package() -> bytes:
    """A digest of all that a wheel of crunpy is made from."""
    return content(*(CHECKOUT / name for name in _OF_PACKAGES))


def _files(paths: Iterable[Path]) -> list[Path]:
    found = [p for path in paths for p in ([path] if path.is_file() else path.rglob("*"))]
    made = {CHECKOUT / "crun_py/_native" / name for name in ("crunpy-core", "_shim.c")}
    return sorted(p for p in found if p.is_file() and p.suffix not in _MADE and p not in made)
