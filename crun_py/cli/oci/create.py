"""crunpy oci create."""

from __future__ import annotations

import os

from crun_py import quantity
from crun_py.errors import Unsupported
from crun_py.oci_runtime import make

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.cli.oci.command import Runtime
    from crun_py.values import Values

ARGUMENTS = "ID"
OPTIONS = (
    ("-b --bundle", "value", "Directory of config.json (the working directory)", "DIR"),
    ("--console-socket", "value", "Socket that gets the terminal's master", "PATH"),
    ("--pid-file", "value", "Write the process id to a file", "FILE"),
    ("--no-pivot", "flag", "Refused: the root is pivoted into", ""),
    ("--no-new-keyring", "flag", "Keep the caller's session keyring", ""),
    ("--preserve-fds", "value", "Pass our descriptors 3 to N+2 on", "N"),
)


def main(values: Values, arguments: list[str], runtime: Runtime) -> int:
    """Make it."""
    pid = make.create(runtime.root, arguments[0], request(values, runtime))
    write_pid(values.text("pid_file"), pid)
    return 0


def request(values: Values, runtime: Runtime) -> make.Request:
    """What the options ask for.  Raises Unsupported, InvalidArgument."""
    if values.flag("no_pivot"):
        raise Unsupported("--no-pivot: a container whose root is not pivoted into is not isolated")
    preserve = values.text("preserve_fds") or "0"
    return make.Request(
        bundle=os.path.abspath(values.text("bundle")),
        console_socket=values.text("console_socket"),
        preserve=quantity.whole(preserve, "preserve-fds", 0, 250),
        keyring=not values.flag("no_new_keyring"),
        systemd=runtime.systemd,
        rootless=runtime.rootless,
    )


def write_pid(path: str, pid: int) -> None:
    """--pid-file: whole, or not there."""
    if not path:
        return
    directory, name = os.path.split(path)
    staged = os.path.join(directory, f".{name}.{os.getpid()}")
    with open(staged, "w", encoding="ascii") as file:
        file.write(str(pid))
    os.rename(staged, path)
