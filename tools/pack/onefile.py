"""One file that is the command, with all that it needs but Python: `make onefile`.

It is a script (start.sh, start.py) and an archive.  Its first start unpacks what this kind of
Python wants into a directory of the user's (unpack.py); later ones find it there; one that cannot
go on is helped by recovery.py.  One file is for all Pythons from 3.11 on that were there when it
was made, with glibc and with musl.

    python tools/pack/onefile.py [--directory DIR] [ARCHITECTURE]…
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import zipfile
from functools import partial
from pathlib import Path

from cache import CHECKOUT, content, kept, package
from dependencies import LOCK, downloaded
from wheels import TARGETS, Target, wheel

HERE = Path(__file__).parent
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
ARCHITECTURES = tuple(dict.fromkeys(target.arch for target in TARGETS))
_LEFT_OUT = re.compile(
    r"cffi/|cffi-|pycparser"  # they compile; what is compiled needs _cffi_backend alone
    r"|zstandard/(_cffi|backend_cffi)"  # for PyPy
    r"|_yaml/|yaml/_yaml\."  # libyaml's reader, which is not used
    r"|[^/]*\.data/|.*\.pyi$|.*\.dist-info/(RECORD|INSTALLER|WHEEL|entry_points.txt|top_level.txt)"
)
_COMPILED = re.compile(r"\.(cpython-\d+-[\w-]+)\.so$")
_LIBRARY = re.compile(r"\.so$|/crunpy-core$")
_DATE = (1980, 1, 1, 0, 0, 0)


class Contents:
    """The files of the archive, by part: common, gnu, musl, and each kind of Python."""

    def __init__(self) -> None:
        self.parts: dict[str, dict[str, bytes]] = {}

    @property
    def kinds(self) -> list[str]:
        return sorted(self.parts.keys() - {"common", "gnu", "musl"})

    def add(self, part: str, path: str, data: bytes) -> None:
        """Raises ValueError when another wheel has another file there."""
        if self.parts.setdefault(part, {}).setdefault(path, data) != data:
            raise ValueError(f"two files {path} of {part} differ")

    def add_wheel(self, file: Path, libc: str) -> None:
        with zipfile.ZipFile(file) as archive:
            for name in archive.namelist():
                if name.endswith("/") or _LEFT_OUT.match(name):
                    continue
                compiled = _COMPILED.search(name)
                ours = name.startswith("crun_py/_native/") and not name.endswith(".py")
                part = compiled[1] if compiled else libc if ours else "common"
                self.add(part, name, archive.read(name))


def _stripped(data: bytes, work: Path) -> bytes:
    """A library without what only debuggers read: a tenth of it is left."""
    file = work / "library"
    file.write_bytes(data)
    subprocess.run(["llvm-strip", file], check=True)
    return file.read_bytes()


def contents(arch: str, work: Path) -> Contents:
    found = Contents()
    for libc in ("gnu", "musl"):
        target = Target(arch, libc)
        for python in PYTHONS:
            place = downloaded(target, python)
            for file in sorted(place.iterdir()):
                found.add_wheel(file, libc)
        found.add_wheel(wheel(target), libc)
    for files in found.parts.values():
        for path in filter(_LIBRARY.search, files):
            files[path] = _stripped(files[path], work)
    return found


def _archive(contents: Contents, file: Path) -> bytes:
    manifest = {
        part: {
            path: (hashlib.sha256(data).hexdigest(), 0o755 if _LIBRARY.search(path) else 0o644)
            for path, data in sorted(files.items())
        }
        for part, files in sorted(contents.parts.items())
    }
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in [
            *((name, (HERE / name).read_bytes()) for name in ("unpack.py", "recovery.py")),
            ("manifest.json", json.dumps(manifest).encode()),
            *((f"{part}/{path}", contents.parts[part][path])
              for part, paths in manifest.items() for path in paths),
        ]:  # fmt: skip
            archive.writestr(zipfile.ZipInfo(name, _DATE), data, zipfile.ZIP_DEFLATED)
    return file.read_bytes()


def _script(archive: bytes, kinds: list[str]) -> bytes:
    """What stands before the archive."""
    start = (HERE / "start.py").read_text()
    for name, value in {
        "@DIGEST@": hashlib.sha256(archive).hexdigest(),
        "@SIZE@": str(len(archive)),
        "@KINDS@": " ".join(kinds),
    }.items():
        start = start.replace(name, value)
    names = " ".join(f"python{version}" for version in reversed(PYTHONS))
    script = (HERE / "start.sh").read_text().replace("@NAMES@", names)
    head, tail = script.split("@START@")
    if "'" in start:
        raise ValueError("start.py has an apostrophe")
    return f"{head}{start}{tail}".encode()


def _build(arch: str, directory: Path) -> None:
    found = contents(arch, directory)
    packed = directory / "archive"
    archive = _archive(found, packed)
    made = directory / "crunpy"
    made.write_bytes(_script(archive, found.kinds) + archive)
    made.chmod(0o755)
    for left in (packed, directory / "library"):
        left.unlink()


def onefile(arch: str) -> Path:
    """The file for that architecture of what the checkout is now, made when it is not there yet."""
    made_from = package() + content(LOCK, *HERE.glob("*.py"), HERE / "start.sh")
    return kept(f"onefile-{arch}", made_from, partial(_build, arch)) / "crunpy"


def main() -> None:
    parser = argparse.ArgumentParser(description="make the command as one file")
    parser.add_argument("--directory", type=Path, default=CHECKOUT / "dist")
    parser.add_argument("architectures", nargs="*", metavar="ARCHITECTURE", help="default: all")
    given = parser.parse_args()
    if unknown := set(given.architectures) - set(ARCHITECTURES):
        parser.error(f"no such architecture: {', '.join(sorted(unknown))}")
    for arch in given.architectures or ARCHITECTURES:
        place = given.directory / arch
        place.mkdir(parents=True, exist_ok=True)
        sys.stdout.write(f"{shutil.copy(onefile(arch), place)}\n")


if __name__ == "__main__":
    main()
