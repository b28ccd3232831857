"""crunpy unshare: run a command as root of the user namespace that containers are made in."""

from __future__ import annotations

import os

from crun_py.engine.context import Context
from crun_py.errors import CommandError, Unsupported
from crun_py.ns import user

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[COMMAND...]"
MIXED = False
OPTIONS = ()


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Become the command, or a shell; the exit status is its."""
    if not user.needed():
        raise Unsupported("unshare: for plain users only; root needs no user namespace")
    context.enter()
    command = arguments or [os.environ.get("SHELL") or "/bin/sh"]
    try:
        os.execvp(command[0], command)
    except FileNotFoundError:
        raise CommandError(f"running {command[0]}: not found", 127) from None
    except OSError as e:
        raise CommandError(f"running {command[0]}: {os.strerror(e.errno or 0).lower()}", 126) from e
