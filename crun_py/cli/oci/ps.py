"""crunpy oci ps."""

from __future__ import annotations

import subprocess

from crun_py import jsonfile
from crun_py.cli.output import write
from crun_py.errors import InvalidArgument, Unsupported
from crun_py.oci_runtime import life
from crun_py.oci_runtime.state import Container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.cli.oci.command import Runtime
    from crun_py.values import Values

ARGUMENTS = "ID [ARG...]"
OPTIONS = (("-f --format", "value", "table or json (the process ids)", "FORMAT"),)
MIXED = False


def main(values: Values, arguments: list[str], runtime: Runtime) -> int:
    """What ps(1) says of its processes, with the options that follow the id (-ef)."""
    pids = life.processes(Container(runtime.root, arguments[0]))
    form = values.text("format") or "table"
    if form == "json":
        write(jsonfile.dumps(pids))
        return 0
    if form != "table":
        raise InvalidArgument(f"ps: format {form!r}: not table or json")
    try:
        told = subprocess.run(
            ["ps", *(arguments[1:] or ["-ef"])], stdout=subprocess.PIPE, check=True
        ).stdout.decode(errors="backslashreplace")
    except FileNotFoundError:
        raise Unsupported("ps: this host has no ps(1)", hint="ps --format json") from None
    except subprocess.CalledProcessError as e:
        raise InvalidArgument(f"ps: ps(1) ended with status {e.returncode}") from None
    lines = told.splitlines()
    heading = lines[0].split() if lines else []
    if "PID" not in heading:
        raise InvalidArgument("ps: its options give no column PID")
    at, wanted = heading.index("PID"), {str(pid) for pid in pids}
    write("\n".join([lines[0], *(line for line in lines[1:] if line.split()[at] in wanted)]))
    return 0
