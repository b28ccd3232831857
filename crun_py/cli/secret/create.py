"""crunpy secret create."""

from __future__ import annotations

import os
import sys

from crun_py.cli.output import write
from crun_py.cli.streams import refuse_terminal
from crun_py.engine import secrets
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument
from crun_py.options.environment import labels, pairs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "NAME [FILE]"
OPTIONS = (
    ("-d --driver", "value", "file, which is the only one", "DRIVER"),
    ("--driver-opts", "list", "Kept with it", "KEY=VALUE"),
    ("-l --label", "list", "Set a label", "KEY=VALUE"),
    ("--env", "flag", "FILE is the name of a variable of ours", ""),
    ("--replace", "flag", "In the place of one that is there", ""),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Keep what the file holds, or standard input, and print the id."""
    name, source = (*arguments, "-")[:2]
    made = secrets.create(
        context,
        name,
        data_of(source, values.flag("env")),
        labels=labels(values.texts("label"), "label"),
        options=pairs(values.texts("driver_opts"), "driver option"),
        driver=values.text("driver") or "file",
        replace=values.flag("replace"),
    )
    write(made.id)
    return 0


def data_of(source: str, variable: bool) -> bytes:
    """What a secret is made of: a variable of ours, a file, or - (standard input).  Raises
    InvalidArgument."""
    if variable:
        if source not in os.environ:
            raise InvalidArgument(f"secret: variable {source} is not set")
        return os.environb[os.fsencode(source)]
    if source == "-":
        refuse_terminal(0, "reading a secret", "a file")
        return sys.stdin.buffer.read()
    try:
        with open(source, "rb") as f:
            return f.read()
    except OSError as e:
        raise InvalidArgument.from_os(f"reading {source}", e) from e
