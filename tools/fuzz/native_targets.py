"""The readers in C: what each harness is built of, and what it begins with."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

FUZZ = Path(__file__).resolve().parent
CHECKOUT = FUZZ.parent.parent
NATIVE = CHECKOUT / "crun_py" / "_native"
sys.path[:0] = [str(FUZZ), str(CHECKOUT)]

import core_seeds  # noqa: E402
import dns_seeds  # noqa: E402
import tar_seeds  # noqa: E402

SANITIZED = ["-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"]


class Native(NamedTuple):
    """sources: of crun_py/_native; most: bytes of an input."""

    sources: tuple[str, ...]
    seeds: Callable[[], Iterable[bytes]]
    most: int = 4096


TARGETS = {
    "untar": Native(("untar.c", "untar_tree.c"), tar_seeds.for_unpacker, 1 << 14),
    "plan": Native(("plan.c",), core_seeds.plans),
    "client": Native(("client.c", "passing.c"), core_seeds.conversations, 1 << 14),
    "orders": Native(("orders.c", "passing.c", "held.c", "plan.c"), core_seeds.orders, 1 << 14),
    "dns": Native(("dns_packet.c", "dns_names.c", "dns_servers.c"), dns_seeds.seeds),
}


def compiler() -> str | None:
    """clang, which must have libFuzzer and the sanitizers (Debian: clang-tidy brings them)."""
    versions = sorted(Path("/usr/bin").glob("clang-[0-9][0-9]"))
    return shutil.which("clang") or (str(versions[-1]) if versions else None)


def build(name: str, directory: Path) -> Path:
    """The harness `name` with libFuzzer in it, in `directory`, built again when a source changed.

    Raises CalledProcessError.
    """
    clang = compiler()
    if clang is None:
        raise FileNotFoundError("fuzzing C needs clang")
    sources = [FUZZ / "native" / f"{name}.c", *(NATIVE / one for one in TARGETS[name].sources)]
    headers = [*NATIVE.glob("*.h"), *(FUZZ / "native").glob("*.h")]
    digest = hashlib.sha256(b"".join(p.read_bytes() for p in [*sources, *sorted(headers)]))
    target = directory / f"{name}-{digest.hexdigest()[:12]}"
    if not target.exists():
        directory.mkdir(parents=True, exist_ok=True)
        made = target.with_suffix(f".{os.getpid()}")
        command = [clang, "-g", "-O1", "-std=gnu11", "-Wall", "-Wextra", "-Werror", *SANITIZED]
        command += [f"-I{NATIVE}", f"-I{FUZZ / 'native'}", "-o", str(made), *map(str, sources)]
        subprocess.run(command, check=True)
        made.rename(target)
    return target


def write_seeds(seeds: Iterable[bytes], directory: Path) -> Path:
    """Each seed as a file in `directory`, named by its content."""
    directory.mkdir(parents=True, exist_ok=True)
    for data in seeds:
        (directory / hashlib.sha1(data).hexdigest()).write_bytes(data)
    return directory
