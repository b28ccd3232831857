"""crunpy version."""

from __future__ import annotations

import os
import sys

from crun_py import __version__, _native, jsonfile
from crun_py.cli import table
from crun_py.cli.context import Context, write
from crun_py.errors import CorruptState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = ""
OPTIONS = (("-f --format", "value", "A Go template, or json", "FORMAT"),)

API_VERSION, MIN_API_VERSION = "1.41", "1.24"


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Print the version; without a daemon the server's part is the client's."""
    built = build()
    machine = os.uname().machine
    arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    part = {
        "Version": __version__,
        "ApiVersion": API_VERSION,
        "PythonVersion": sys.version.split()[0],
        "GitCommit": built.get("commit") or "unknown",
        "BuildTime": built.get("built") or "unknown",
        "Os": "linux",
        "Arch": arch,
        "OsArch": f"linux/{arch}",
        "KernelVersion": os.uname().release,
        "MinAPIVersion": MIN_API_VERSION,
        "Platform": {"Name": "crunpy"},
        "Components": [],
    }
    if values["format"]:
        value = {"Client": part, "Server": part}
        if values["format"] == "json":
            write(jsonfile.dumps(value))
        else:
            write(table.fill(values["format"], value))
        return 0
    write("Client: crunpy")
    for name, key in (
        ("Version", "Version"),
        ("API version", "ApiVersion"),
        ("Python version", "PythonVersion"),
        ("Git commit", "GitCommit"),
        ("Built", "BuildTime"),
        ("OS/Arch", "OsArch"),
    ):
        write(f" {name + ':':<18}{part[key]}")
    return 0


def build() -> dict[str, str]:
    """What setup.py noted of the build; {} where it did not."""
    path = os.path.join(os.path.dirname(_native.CORE), "build.json")
    try:
        found = jsonfile.read(path)
    except (FileNotFoundError, CorruptState):
        return {}
    return found if isinstance(found, dict) else {}
