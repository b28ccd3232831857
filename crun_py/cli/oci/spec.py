"""crunpy oci spec."""

from __future__ import annotations

import os

from crun_py import jsonfile
from crun_py.errors import Conflict
from crun_py.oci_runtime.template import template

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.cli.oci.command import Runtime
    from crun_py.values import Values

ARGUMENTS = ""
OPTIONS = (
    ("-b --bundle", "value", "Directory to write to (the working directory)", "DIR"),
    ("--rootless", "flag", "For a plain user", ""),
)


def main(values: Values, arguments: list[str], runtime: Runtime) -> int:
    """Write config.json.  Raises Conflict where there is one."""
    own = (os.geteuid(), os.getegid()) if values.flag("rootless") else None
    path = os.path.join(values.text("bundle"), "config.json")
    text = jsonfile.dumps(template(rootless=own), indent=4) + "\n"
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise Conflict(f"writing {path}: there is one", hint="remove it first") from None
    return 0
