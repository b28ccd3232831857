"""crunpy version."""

from __future__ import annotations

import os
import sys

from crun_py import __version__, jsonfile
from crun_py.cli.context import Context, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = ""
OPTIONS = (("-f --format", "value", "A Go template, or json", "FORMAT"),)

API_VERSION = "1.41"


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Print the version; without a daemon the server's part is the client's."""
    machine = os.uname().machine
    arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    part = {
        "Version": __version__,
        "ApiVersion": API_VERSION,
        "PythonVersion": sys.version.split()[0],
        "Os": "linux",
        "Arch": arch,
        "KernelVersion": os.uname().release,
    }
    if values["format"]:
        value = {"Client": part, "Server": part}
        if values["format"] == "json":
            write(jsonfile.dumps(value))
        else:
            from crun_py.show.gotemplate import render

            write(render(values["format"], value))
        return 0
    write("Client: crunpy")
    for name, key in (
        ("Version", "Version"),
        ("API version", "ApiVersion"),
        ("Python version", "PythonVersion"),
        ("OS/Arch", "OS/Arch"),
    ):
        text = f"linux/{arch}" if key == "OS/Arch" else part[key]
        write(f" {name + ':':<18}{text}")
    return 0
