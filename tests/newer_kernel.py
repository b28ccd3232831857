"""Debian 13's kernel and AppArmor 4 for the virtual machine (tests/vm): the first of Debian that
ask of a program's profile whether it may make user namespaces.  Kept in .cache/."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools/pack"))

from cache import kept
from images import _outside

SUITE = "trixie"
_KERNEL = "linux-image-cloud-amd64"


class Newer(NamedTuple):
    """root: a directory with apparmor_parser, /etc/apparmor.d and modules.  kernel: its image."""

    root: Path
    kernel: Path

    @property
    def options(self) -> list[str]:
        """Of vm-run."""
        return ["--kernel", str(self.kernel), "--moddir", str(self.root),
                "--append", "apparmor=1 security=apparmor"]  # fmt: skip

    @property
    def parser(self) -> str:
        """The words of apparmor_parser, which needs its own C library."""
        libraries = self.root / "usr/lib/x86_64-linux-gnu"
        loader = f"{libraries}/ld-linux-x86-64.so.2 --library-path {libraries}"
        settings = f"--skip-cache --base {self.root}/etc/apparmor.d"
        return f"{loader} {self.root}/usr/sbin/apparmor_parser {settings}"


def debian() -> Newer:
    command = ["mmdebstrap", "--quiet", "--variant=extract", "--format=directory",
               "--skip=output/dev", f"--include=apparmor,libc6,{_KERNEL}", SUITE]  # fmt: skip

    def make(place: Path) -> None:
        root = place / "root"
        subprocess.run([*_outside(), *command, root], check=True)
        if not (root / "lib").exists():
            (root / "lib").symlink_to("usr/lib")
        for version in (root / "lib/modules").iterdir():
            subprocess.run(["depmod", "-b", root, version.name], check=True)

    root = kept("newer-kernel", repr(command).encode(), make) / "root"
    (kernel,) = (root / "boot").glob("vmlinuz-*")
    return Newer(root, kernel)


if __name__ == "__main__":
    sys.stdout.write(f"{debian().root}\n")
