"""What of containers is on the machine: kinds of things that commands make and must take away."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_TEMPORARY = ("/tmp", "/dev/shm")


def _output(*command: str) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def _names(directory: str) -> list[str]:
    return os.listdir(directory) if os.path.isdir(directory) else []


def leavings() -> set[str]:
    """A line for each, with its kind before it: mounts that this process sees, network namespaces
    with a name, interfaces, tables of nftables, cgroups of crunpy, and temporary files."""
    found = {f"mount {line.split()[4]}" for line in _lines("/proc/self/mountinfo")}
    found |= {f"netns {name}" for name in _names("/run/netns")}
    found |= {f"interface {line.split(': ')[1]}" for line in _output("ip", "-o", "link")}
    found |= {f"nft {line}" for line in _output("nft", "list", "tables")}
    found |= {f"cgroup {path}" for path in _CGROUPS.glob("**/crunpy/*") if path.is_dir()}
    for directory in _TEMPORARY:
        found |= {f"file {directory}/{name}" for name in _names(directory)}
    return found


def left_since(before: set[str], timeout_s: float = 10) -> list[str]:
    """What is there that was not, when it stays for so long."""
    deadline = time.monotonic() + timeout_s
    while (left := leavings() - before) and time.monotonic() < deadline:
        time.sleep(0.1)
    return sorted(left)
