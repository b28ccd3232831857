"""From a parsed command line to its verb."""

from __future__ import annotations

import os

from crun_py import caller, notices
from crun_py.cli import checks
from crun_py.cli.output import quiet, write_error, write_warning
from crun_py.cli.verbs import HERE, SETTINGS
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.cli.fast import Call
    from crun_py.remote.endpoint import Endpoint


_PROGRESSING = ("build", "commit", "cp", "create", "import", "kube play", "load", "manifest push",
                "pull", "push", "run", "save")  # fmt: skip
"""Verbs whose --quiet is what the general one is: ids alone are another thing."""


_at_work: list[str] = []
"""The verb that has begun."""


def begun() -> bool:
    """Whether the verb has begun, and may have done some of its work: what it needs at once is
    loaded before."""
    return bool(_at_work)


def execute(call: Call) -> int:
    """Carry out a call; returns the exit status.  Raises CrunpyError."""
    general = call.general
    if general.text("config"):
        os.environ["DOCKER_CONFIG"] = general.text("config")
    for key, name in (
        ("registry_mirror", "CRUNPY_REGISTRY_MIRRORS"),
        ("insecure_registry", "CRUNPY_INSECURE_REGISTRIES"),
    ):
        if texts := general.texts(key):
            os.environ[name] = " ".join((*texts, os.environ.get(name, "")))
    caller.has(os.environ)
    configuration = _configuration()
    place = _elsewhere(call, configuration)
    checks.check(call.verb, call.module.OPTIONS, call.values)
    checks.names_beside(call.verb, call.module.ARGUMENTS, call.values, call.arguments)
    notices.listen(write_warning)
    if call.verb in _PROGRESSING and quiet():
        call.values = call.values.with_flag("quiet", True)
    if configuration:
        from crun_py.cli import docker_config

        call.values = docker_config.with_defaults(call.verb, call.values)
    if place:
        from crun_py.cli.remote import main as remote

        _at_work.append(call.verb)
        return remote.execute(call, place)
    explain = write_error if general.flag("debug") else None
    context = Context(
        general.maybe("root"), general.maybe("runroot"), explain, foreign=call.verb == "doctor"
    )
    context.cgroup_manager = _cgroup_manager(general.text("cgroup_manager"))
    context.notify_socket = os.environ.get("NOTIFY_SOCKET", "")
    _at_work.append(call.verb)
    result: int = call.module.main(call.values, call.arguments, context)
    return result


_CONFIG_BYTES = 1 << 20
_LEADING = ("host", "context", "connection", "remote")


def _elsewhere(call: Call, configuration: bytes) -> Endpoint | None:
    """The service that is to carry the verb out, None for us (the usual way: nothing is loaded).

    Verbs of this machine (HERE) look at options, and not at what a session has set for other
    programs; those about the client (SETTINGS) at neither.  Raises InvalidArgument, NotFound,
    Unsupported."""
    general = call.general
    if call.verb in SETTINGS:
        return None
    asked = general.maybe("host") is not None or any(map(general.given, _LEADING))
    if not asked and (call.verb in HERE or not _session_leads_elsewhere(configuration)):
        return None
    from crun_py.cli.remote import main as remote

    place = remote.endpoint(general)
    if place:
        remote.refuse(call.verb, place)
    return place


def _session_leads_elsewhere(configuration: bytes) -> bool:
    """Whether the environment names a service, or `context use` has chosen one; a unit of systemd's
    is no session, what it runs is of this machine."""
    if os.environ.get("PODMAN_SYSTEMD_UNIT"):
        return False
    if any(map(os.environ.get, caller.SERVICES)):
        return True
    return b'"currentContext"' in configuration


def _configuration() -> bytes:
    """docker's config.json, b"" where there is none: most have none, who need nothing for it."""
    directory = os.environ.get("DOCKER_CONFIG") or os.environ.get("HOME", "") + "/.docker"
    try:
        fd = os.open(directory + "/config.json", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, _CONFIG_BYTES)
    except OSError:
        return b""
    finally:
        os.close(fd)


def _cgroup_manager(name: str) -> str:
    if name:
        from crun_py.cgroup import manager

        manager.check(name, "")
    return name
