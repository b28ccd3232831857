"""crunpy system generator: what systemd runs at boot and reload (systemd.generator(7))."""

from __future__ import annotations

import os

from crun_py import caller, paths
from crun_py.cli.itself import program
from crun_py.cli.output import report, write, write_error
from crun_py.engine import quadlet
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument
from crun_py.quadlet import sources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[NORMAL [EARLY [LATE]]]"
OPTIONS = (
    ("--dryrun", "flag", "Print the units instead of writing them", ""),
    ("--user", "flag", "For a user's service manager", ""),
    ("-v --verbose", "flag", "Tell of each file", ""),
    ("--no-kmsg-log", "flag", "", ""),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Make the units; 1 if something is wrong with a file, of which the others know nothing."""
    dry = values.flag("dryrun")
    if not arguments and not dry:
        raise InvalidArgument("system generator: where units are written to is missing",
                              hint="--dryrun prints them")  # fmt: skip
    user = values.flag("user")
    directories = _directories(user)
    into = None if dry else arguments[0]
    found = quadlet.generate(context, directories, _program(context), user=user, into=into)
    for service in found.services:
        if dry:
            write(f"---{service.name}---\n{service.text}")
        elif values.flag("verbose"):
            write_error(f"crunpy: {service.source}: {service.name}")
    for error in found.errors:
        report(error, error.all_hints())
    return 1 if found.errors else 0


def _directories(user: bool) -> list[str]:
    """Where files are looked for.  QUADLET_UNIT_DIRS names others, with colons between."""
    if only := os.environ.get("QUADLET_UNIT_DIRS"):
        return [os.path.abspath(path) for path in only.split(":") if path]
    if not user:
        return [*sources.SYSTEM]
    run = os.environ.get("XDG_RUNTIME_DIR", "")
    return sources.user_directories(os.getuid(), run, caller.config_home())


def _program(context: Context) -> list[str]:
    """Us, with the store where it is another than the usual one."""
    store, roots = context.paths, []
    if store.root != paths.default_root():
        roots += ["--root", store.root]
    if store.run != paths.default_run():
        roots += ["--runroot", store.run]
    return [*program(), *roots]
