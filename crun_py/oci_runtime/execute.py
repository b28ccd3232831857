"""A further process in a container that runs."""

from __future__ import annotations

import os

from crun_py import notices, ns, quantity
from crun_py._native import pidfd_open
from crun_py.cgroup import group
from crun_py.errors import Conflict, InvalidArgument
from crun_py.oci_runtime import config, listener
from crun_py.oci_runtime.make import console
from crun_py.oci_runtime.state import Container, document, is_there
from crun_py.record import record
from crun_py.runtime import check
from crun_py.runtime import container as contained
from crun_py.runtime import plan as p
from crun_py.runtime.launch import keep_open, launch_alone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.documents.spec import Process, Spec


@record
class Request:
    """process: a file with it, "" for that of the container, with what follows.

    command: its words.  environment: KEY=VALUE, added.  user: UID[:GID].  capabilities: added to
    its sets.  label: of SELinux.  console_socket, preserve: as for make.Request.  terminal,
    no_new_privileges: None for as the process says.
    """

    process: str = ""
    command: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    cwd: str = ""
    user: str = ""
    groups: tuple[int, ...] = ()
    capabilities: tuple[str, ...] = ()
    apparmor: str = ""
    label: str = ""
    terminal: bool | None = None
    no_new_privileges: bool | None = None
    console_socket: str = ""
    preserve: int = 0
    ignore_paused: bool = False
    cgroup: str = ""


def execute(container: Container, request: Request) -> int:
    """Start it; its host pid, of a process that is the next subreaper's child.

    Capabilities that nobody can give are warned of.
    Raises CommandError when it cannot be run, Conflict, InvalidArgument.
    """
    known = container.read()
    status = container.status(known)
    if status not in ("running", "created") and not (status == "paused" and request.ignore_paused):
        raise Conflict(f"executing in container {container.id}: it is {status}")
    spec = config.read(known.bundle)
    process = _process(spec, request, notices.warn)
    if bool(process.get("terminal")) != bool(request.console_socket):
        raise InvalidArgument("executing: a terminal and a console socket go together")
    fds: list[int] = []
    ended = Conflict(f"executing in container {container.id}: it has just ended")
    try:
        try:
            fds.append(pidfd := pidfd_open(known.pid))
            fds.append(os.open(f"/proc/{known.pid}/ns/pid", os.O_RDONLY | os.O_CLOEXEC))
        except (ProcessLookupError, FileNotFoundError):
            raise ended from None
        if not is_there(known):
            raise ended
        plan = p.Plan()
        if known.cgroup and os.path.isdir(known.cgroup):
            where = os.path.join(known.cgroup, request.cgroup.strip("/")).rstrip("/")
            where = where if request.cgroup else group.for_command(known.cgroup, known.pid)
            fds.append(os.open(where, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
            plan.add(p.SET_CGROUP, a=fds[-1])
        plan.add(p.SET_CLONE, b=fds[1])
        if request.console_socket:
            fds.append(console(request.console_socket))
        plan.add(p.SET_ALONE, a=-1, b=fds[-1] if request.console_socket else -1)
        contained.joining_steps(plan, pidfd, _flags(spec), process)
        seccomp = contained.seccomp_filter({**spec, "process": process}, "")
        contained.process_steps(plan, process, seccomp, enter_pid=True)
        fds += keep_open(plan, request.preserve)
        if first := process.get("execCPUAffinity", {}).get("initial"):
            os.sched_setaffinity(0, quantity.cpus(first, "execCPUAffinity.initial"))
        if known.resctrl:  # what we start is where we are
            from crun_py.oci_runtime import resctrl

            resctrl.add(known.resctrl, os.getpid())

        def paused(_: int, pid: int, fd: int) -> None:
            listener.tell(spec, document(container, known), pid, fd)

        return launch_alone(plan, container.id, fds, paused)
    finally:
        for fd in fds:
            os.close(fd)


def has_terminal(container: Container, request: Request) -> bool:
    """Whether the process that is asked for has a terminal."""
    spec = config.read(container.read().bundle)
    return bool(_process(spec, request, config.say_nothing).get("terminal"))


def _flags(spec: Spec) -> int:
    kinds = {n["type"] for n in spec["linux"]["namespaces"]} | {"mount"}
    return sum(ns.TYPES[kind] for kind in kinds if kind != "pid")


def _process(spec: Spec, request: Request, warn: Callable[[str], None]) -> Process:
    if request.process:
        process = config.read_process(request.process)
    else:
        process = {**spec["process"], "args": [*request.command]}
        process["terminal"] = bool(request.terminal)
    if request.environment:
        process["env"] = [*process["env"], *request.environment]
    if request.cwd:
        process["cwd"] = request.cwd
    if request.user:
        uid, _, gid = request.user.partition(":")
        if not uid.isdecimal() or not (gid or "0").isdecimal():
            raise InvalidArgument(f"executing: user {request.user!r}: not UID[:GID]")
        process["user"] = {**process["user"], "uid": int(uid), "gid": int(gid or 0)}
    if request.groups:
        process["user"] = {**process["user"], "additionalGids": [*request.groups]}
    if request.capabilities:
        sets = process["capabilities"]
        more = config.capabilities(request.capabilities, warn)
        process["capabilities"] = {
            "bounding": sorted({*sets["bounding"], *more}),
            "effective": sorted({*sets["effective"], *more}),
            "permitted": sorted({*sets["permitted"], *more}),
            "inheritable": sets["inheritable"],
            "ambient": sorted({*sets["ambient"], *more}) if sets["ambient"] else [],
        }
    if request.label:
        process["selinuxLabel"] = request.label
    if request.apparmor:
        process["apparmorProfile"] = request.apparmor
    if request.no_new_privileges is not None:
        process["noNewPrivileges"] = request.no_new_privileges
    if request.terminal and request.process:
        process["terminal"] = True
    check.process(process)
    return process
