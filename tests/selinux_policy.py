"""The SELinux policy of a distribution, for tests under a kernel that enforces it.

Made once by mmdebstrap, below .cache/: compiling it takes some minutes.  `python
tests/selinux_policy.py` makes it beforehand, for a machine on which the tests themselves have no
network.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools/pack"))

from cache import kept
from images import _outside

SUITE = "trixie"
"""The first of Debian whose policy has the types that its lxc_contexts names."""
VERSION = 33
"""Of the policy's format: what Linux 6.1 knows at most."""
_SETTINGS = f"module-store = direct\\npolicy-version = {VERSION}\\nexpand-check = 0\\n"


def debian() -> Path:
    """A directory to be /etc/selinux: config, default/contexts, and default/policy/policy.33."""
    before = f'mkdir -p "$1/etc/selinux"; printf "{_SETTINGS}" > "$1/etc/selinux/semanage.conf"'
    command = ["mmdebstrap", "--quiet", "--variant=minbase", "--format=directory",
               "--skip=output/dev", "--include=selinux-policy-default",
               "--dpkgopt=force-confold", f"--essential-hook={before}", SUITE]  # fmt: skip

    def make(place: Path) -> None:
        root = place / "root"
        subprocess.run([*_outside(), *command, root], check=True)
        (root / "etc/selinux").rename(place / "selinux")
        shutil.rmtree(root)

    return kept("selinux-policy", repr(command).encode(), make) / "selinux"


if __name__ == "__main__":
    sys.stdout.write(f"{debian()}\n")
