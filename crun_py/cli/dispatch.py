"""From a parsed command line to its verb."""

from __future__ import annotations

import os

from crun_py import caller, notices
from crun_py.cli import checks, docker_config
from crun_py.cli.output import write_error, write_warning
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.cli.fast import Call


def execute(call: Call) -> int:
    """Carry out a call; returns the exit status.  Raises CrunpyError."""
    general = call.general
    host, where = general.text("host"), general.text("context")
    if host or where not in ("", "default"):
        raise InvalidArgument(
            f"connecting to {host or where}: there is no service, each command does its own work",
            hint="without this option, or on that machine itself",
        )
    if general.text("config"):
        os.environ["DOCKER_CONFIG"] = general.text("config")
    for key, name in (
        ("registry_mirror", "CRUNPY_REGISTRY_MIRRORS"),
        ("insecure_registry", "CRUNPY_INSECURE_REGISTRIES"),
    ):
        if texts := general.texts(key):
            os.environ[name] = " ".join((*texts, os.environ.get(name, "")))
    caller.has(os.environ)
    checks.check(call.verb, call.module.OPTIONS, call.values)
    checks.names_beside(call.verb, call.module.ARGUMENTS, call.values, call.arguments)
    notices.listen(write_warning)
    explain = write_error if general.flag("debug") else None
    context = Context(general.maybe("root"), general.maybe("runroot"), explain)
    context.cgroup_manager = _cgroup_manager(general.text("cgroup_manager"))
    context.notify_socket = os.environ.get("NOTIFY_SOCKET", "")
    values = docker_config.with_defaults(call.verb, call.values)
    result: int = call.module.main(values, call.arguments, context)
    return result


def _cgroup_manager(name: str) -> str:
    if name:
        from crun_py.cgroup import manager

        manager.check(name, "")
    return name
