"""crunpy oci kill."""

from __future__ import annotations

from crun_py import signals
from crun_py.oci_runtime import life
from crun_py.oci_runtime.state import Container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.cli.oci.command import Runtime
    from crun_py.values import Values

ARGUMENTS = "ID [SIGNAL]"
OPTIONS = (("-a --all", "flag", "To all processes of its cgroup", ""),)


def main(values: Values, arguments: list[str], runtime: Runtime) -> int:
    """Send SIGTERM, or the signal that is named; 0 looks whether there is a process to get one."""
    text = arguments[1] if len(arguments) > 1 else "TERM"
    number = 0 if text == "0" else signals.number(text)
    life.kill(Container(runtime.root, arguments[0]), number, everything=values.flag("all"))
    return 0
