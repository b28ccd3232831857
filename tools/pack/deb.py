"""A Debian package: `make deb`.

What is in it is what the one file has, for glibc, so that one package is for Debian 12 and 13 and
Ubuntu from 24.04 on; Debian's tools (debhelper) make the package of it.  packaging/ says how.

    python tools/pack/deb.py [--directory DIR] [ARCHITECTURE]…
"""

from __future__ import annotations

import argparse
import email.utils
import os
import shutil
import subprocess
import sys
import tomllib
from functools import partial
from pathlib import Path

from cache import CHECKOUT, content, kept, package
from dependencies import LOCK
from onefile import ARCHITECTURES, contents

HERE = Path(__file__).parent
PACKAGING = CHECKOUT / "packaging"
_DEBIAN = {"x86_64": "amd64", "aarch64": "arm64"}
_UNITS = "usr/lib/systemd"
_COMPLETIONS = {
    "bash": "usr/share/bash-completion/completions/crunpy",
    "zsh": "usr/share/zsh/vendor-completions/_crunpy",
    "fish": "usr/share/fish/vendor_completions.d/crunpy.fish",
}


def _put(tree: Path, path: str, data: bytes, mode: int = 0o644) -> None:
    file = tree / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    file.chmod(mode)


def _told(*words: str) -> bytes:
    """What the checkout's own command prints."""
    command = [sys.executable, CHECKOUT / "bin/crunpy", *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def _library(tree: Path, arch: str, work: Path) -> None:
    found = contents(arch, work)
    parts = ["common", "gnu", *(kind for kind in found.kinds if kind.endswith("-gnu"))]
    for part in parts:
        for path, data in found.parts[part].items():
            mode = 0o755 if path.endswith("/crunpy-core") else 0o644
            _put(tree, f"usr/lib/crunpy/{path}", data, mode)


def _system(tree: Path) -> None:
    """What is beside the library: commands, systemd's units and generators, completions,
    manual pages."""
    files = {path.name: path.read_bytes() for path in (PACKAGING / "files").iterdir()}
    for name in ("crunpy", "crunpy-oci"):
        _put(tree, f"usr/bin/{name}", files[name], 0o755)
    for name in ("crunpy.service", "crunpy.socket"):
        for manager in ("system", "user"):
            _put(tree, f"{_UNITS}/{manager}/{name}", files[name])
    for name in ("crunpy-auto-update.service", "crunpy-auto-update.timer"):
        _put(tree, f"{_UNITS}/system/{name}", files[name])
    resume = _told("system", "resume", "--print-unit").decode().splitlines()
    start = next(line for line in resume if line.startswith("ExecStart="))
    program = start.removeprefix("ExecStart=").partition(" --root ")[0]
    unit = "\n".join(line.replace(program, "/usr/bin/crunpy") for line in resume[1:])
    _put(tree, f"{_UNITS}/system/crunpy-resume.service", unit.encode() + b"\n")
    for kind, more in (("system", ""), ("user", " --user")):
        text = (
            files["generator"].replace(b"@KIND@", kind.encode()).replace(b"@MORE@", more.encode())
        )
        _put(tree, f"{_UNITS}/{kind}-generators/crunpy-{kind}-generator", text, 0o755)
    _put(tree, "usr/share/crunpy/apparmor", files["apparmor"])
    for shell, path in _COMPLETIONS.items():
        _put(tree, path, _told("completion", shell))
    for page in (CHECKOUT / "man/man1").iterdir():
        _put(tree, f"usr/share/man/man1/{page.name}", page.read_bytes())


def _version() -> str:
    with (CHECKOUT / "pyproject.toml").open("rb") as f:
        return str(tomllib.load(f)["project"]["version"])


def _build(arch: str, directory: Path) -> None:
    work = directory / f"crunpy-{_version()}"
    shutil.copytree(PACKAGING / "debian", work / "debian")
    moment = float(
        os.environ.get("SOURCE_DATE_EPOCH") or (CHECKOUT / "CHANGELOG.md").stat().st_mtime
    )
    (work / "debian/changelog").write_text(
        f"crunpy ({_version()}) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n"
        f" -- crunpy maintainers <crunpy@localhost>  {email.utils.formatdate(moment)}\n"
    )
    _library(work / "tree", arch, directory)
    _system(work / "tree")
    done = subprocess.run(
        ["dpkg-buildpackage", "--build=binary", "--no-sign", "-d", f"--host-arch={_DEBIAN[arch]}"],
        cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    if done.returncode:
        sys.stderr.buffer.write(done.stdout)
        done.check_returncode()
    shutil.rmtree(work)
    for left in directory.iterdir():
        if left.suffix != ".deb":
            left.unlink()


def deb(arch: str) -> Path:
    """The package for that architecture of what the checkout is now, made when it is not there
    yet.  Raises CalledProcessError."""
    made_from = package() + content(LOCK, PACKAGING, *HERE.glob("*.py"))
    return next(kept(f"deb-{arch}", made_from, partial(_build, arch)).glob("*.deb"))


def main() -> None:
    parser = argparse.ArgumentParser(description="make the Debian package")
    parser.add_argument("--directory", type=Path, default=CHECKOUT / "dist")
    parser.add_argument("architectures", nargs="*", metavar="ARCHITECTURE", help="default: all")
    given = parser.parse_args()
    if unknown := set(given.architectures) - set(ARCHITECTURES):
        parser.error(f"no such architecture: {', '.join(sorted(unknown))}")
    given.directory.mkdir(parents=True, exist_ok=True)
    for arch in given.architectures or ARCHITECTURES:
        sys.stdout.write(f"{shutil.copy(deb(arch), given.directory)}\n")


if __name__ == "__main__":
    main()
