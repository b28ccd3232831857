"""`exec`: one more process in a running container.

A monitor of its own starts it, as for a container: the same last steps (runtime/container.py),
the same streams; only the namespaces are joined, not made.
"""

from __future__ import annotations

import _signal
import errno
import os

from crun_py import events, notices, ns, spec, state
from crun_py.cgroup import group
from crun_py.container import attach, environment
from crun_py.errors import CommandError, Conflict, CrunpyError, InvalidArgument, NotFound
from crun_py.model.container import Client, ExecRequest
from crun_py.ns import caps, users
from crun_py.paths import host_uid
from crun_py.runtime import container as contained
from crun_py.runtime import plan as p
from crun_py.runtime.launch import keep_open, labelled_pipes, launch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.documents.spec import Process, Spec
    from crun_py.state import Container, Status


_SIGINT, _SIGKILL = 2, 9


def running(container: Container, doing: str = "executing in") -> Status:
    """The status of a container in which a command can be run.  Raises Conflict, which says
    that `doing` the container did not work."""
    status = container.status()
    if not status.active:
        verb = "unpause" if status.state == "paused" else "start"
        raise Conflict(
            f"{doing} container {container.name}: it is {status.state}, not running",
            hint=f"crunpy {verb} {container.name}",
        )
    return status


def execute(
    container: Container,
    status: Status,
    request: ExecRequest,
    client: Client,
    *,
    explain: Callable[[str], None] | None = None,
    sink: Callable[[int, memoryview], None] | None = None,
    timeout_s: float | None = None,
) -> int:
    """Run a command in `container`; the exit code, or 0 when detached.

    status:  from `running`; the caller has entered the container's user namespace.
    sink:    as of attach.Session; with one an interrupt of ours kills the command.
    timeout_s: the command is killed then; its exit code is 137.
    Raises CommandError when the command cannot be run, NotFound when the container has ended.
    """
    ours, theirs = attach.socketpair()
    session = interrupts = None
    try:
        if sink:  # from here on, so that none comes between the command and who takes care of it
            interrupts = _signal.pthread_sigmask(_signal.SIG_BLOCK, (_SIGINT,))
        if not request.detach:
            if request.open_stdin and not client.relayed:
                attach.check_input(client.stdin, terminal=request.tty)
            streams = attach.STDOUT | attach.STDERR | attach.LOSSLESS
            if request.open_stdin:
                streams |= attach.STDIN
            files = client.stdin, client.stdout, client.stderr
            session = attach.Session(
                ours, streams, terminal=request.tty, files=files, sink=sink, sizes=client.sizes
            )
        attached = theirs if session else -1
        pid = _begin(container, status, request, attached, explain, client.keep)
        os.close(theirs)
        theirs = -1
        ticks = state.start_ticks(pid) if timeout_s is not None or sink else 0
        code = attach.DETACHED
        try:
            if interrupts is not None:  # one that waited is raised here
                _signal.pthread_sigmask(_signal.SIG_SETMASK, interrupts)
            if session:
                code = session.serve(None, client.detach_keys, deadline_s=timeout_s)
        except KeyboardInterrupt:
            # what it says goes nowhere else
            if ticks and state.start_ticks(pid) == ticks:
                os.kill(pid, _SIGKILL)
            raise
        if code == attach.LOST and ticks and state.start_ticks(pid) == ticks:
            os.kill(pid, _SIGKILL)
            code = 128 + _SIGKILL
    finally:
        for fd in (theirs, -1 if session else ours):
            if fd >= 0:
                os.close(fd)
        if session:
            session.close()
        if interrupts is not None:
            _signal.pthread_sigmask(_signal.SIG_SETMASK, interrupts)
    if code == attach.DETACHED:
        return 0
    code = state.UNKNOWN_EXIT if code == attach.LOST else code
    events.container(container, "exec_die", exitCode=str(code))
    return code


def capture(
    container: Container, args: list[str], timeout_s: float, limit_bytes: int
) -> tuple[int | None, bytes]:
    """Run `args` in `container` without input; the exit code and what it wrote, both streams
    as they came, cut at `limit_bytes`.  The code is None when it was killed at the time-out.

    Raises what `execute` raises.
    """
    status = running(container)
    ours, theirs = attach.socketpair()
    output = bytearray()

    def keep(_: int, data: memoryview) -> None:
        output.extend(data[: max(0, limit_bytes - len(output))])

    session = attach.Session(ours, attach.STDOUT | attach.STDERR, terminal=False, sink=keep)
    try:
        try:
            pid = _begin(container, status, ExecRequest(command=tuple(args)), theirs, None)
        finally:
            os.close(theirs)
        ticks = state.start_ticks(pid)
        code = session.serve(deadline_s=timeout_s)
        if code == attach.LOST and ticks and state.start_ticks(pid) == ticks:
            os.kill(pid, _SIGKILL)
            events.container(container, "exec_die", exitCode=str(128 + _SIGKILL))
            return None, bytes(output)
    finally:
        session.close()
    code = state.UNKNOWN_EXIT if code == attach.LOST else code
    events.container(container, "exec_die", exitCode=str(code))
    return code, bytes(output)


def _begin(
    container: Container,
    status: Status,
    request: ExecRequest,
    client: int,
    explain: Callable[[str], None] | None,
    keep: int = 0,
) -> int:
    """Start the command with a monitor of its own; its host pid."""
    if not request.command:
        raise InvalidArgument("executing: no command given")
    process = _process(container, request)
    line = " ".join(request.command)
    events.container(container, "exec_create: " + line)
    pidfd = state.open_pid(status)
    fds: list[int] = []
    try:
        plan = _plan(container, status, process, pidfd, fds, request.privileged)
        words = labelled_pipes(container.record.get("selinux"), container.run_directory)
        plan.add(p.SET_STDIO, *words, a=process["terminal"], b=request.open_stdin, c=1)
        if client >= 0:
            plan.add(p.SET_CLIENT, a=client)
        fds += keep_open(plan, keep)
        if explain:
            for line in plan.describe():
                explain(line)
        inherit = [*fds, *([client] if client >= 0 else [])]
        pid = launch(plan, f"exec {container.id[:12]}", inherit)
    except CrunpyError as e:
        # entering what is coming to its end fails in many ways, with ESRCH a moment before that
        if isinstance(e, CommandError) or (e.errno != errno.ESRCH and _is_there(status)):
            raise
        raise _ended(container) from e
    finally:
        for fd in {pidfd, *fds}:
            os.close(fd)
    events.container(container, "exec_start: " + line)
    return pid


def _is_there(status: Status) -> bool:
    return state.start_ticks(status.pid) == status.start_ticks


def _ended(container: Container) -> NotFound:
    return NotFound(f"executing in container {container.name}: it has just ended")


def _plan(
    container: Container,
    status: Status,
    process: Process,
    pidfd: int,
    fds: list[int],
    privileged: bool,
) -> p.Plan:
    document = container.spec()
    plan = p.Plan()
    kinds = [n["type"] for n in document["linux"]["namespaces"]]
    flags = 0
    for kind in kinds:
        if kind != "pid":
            flags |= ns.TYPES[kind]
    try:
        pid_namespace = os.open(f"/proc/{status.pid}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        raise _ended(container) from None
    # the pid is still the container's: the pidfd was opened before, and is alive
    fds += [pid_namespace, pidfd]
    if not _is_there(status):
        raise _ended(container)
    if cgroup := _group(container, status.pid):
        try:
            fds.append(os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        except FileNotFoundError:
            raise _ended(container) from None
        plan.add(p.SET_CGROUP, a=fds[-1])
    plan.add(p.SET_CLONE, b=pid_namespace)
    contained.joining_steps(plan, pidfd, flags, process)
    seccomp = None
    if not privileged:
        whole: Spec = {**document, "process": process}
        seccomp = contained.seccomp_filter(whole, container.paths.root + "/cache")
    contained.process_steps(plan, process, seccomp, enter_pid=True)
    return plan


def _group(container: Container, pid: int) -> str:
    """The cgroup that the command is to be born in, "" for none: the container has none, or we may
    put nothing into it, which a warning says.  pid: the container's first process."""
    cgroup = container.cgroup
    if not cgroup or not os.path.isdir(cgroup):
        return ""
    cgroup = group.for_command(cgroup, pid)
    if host_uid() == 0 or group.may_enter(cgroup):
        return cgroup
    why = "this command stands outside of what was delegated"
    if "/user@" in cgroup:  # we are in a login session
        from crun_py.cgroup import scope, systemd

        try:
            scope.move()
            return cgroup
        except systemd.Silent as e:
            why = e.message
    notices.warn(
        f"executing in container {container.name}: its limits do not hold for the command, which "
        f"cannot enter cgroup {cgroup}: {why}"
    )
    return ""


def _process(container: Container, request: ExecRequest) -> Process:
    """The spec's `process` for the command: the container's, changed as asked for."""
    first = container.spec()["process"]
    process: Process = {**first, "args": [*request.command], "terminal": request.tty}
    variables = dict(entry.partition("=")[::2] for entry in first["env"])
    if request.user:
        from crun_py.container import names as known

        user = users.resolve(known.view(container), request.user)
        names = first["capabilities"]["bounding"]
        process["user"] = {
            "uid": user.uid,
            "gid": user.gid,
            "additionalGids": user.gids,
            "umask": first["user"].get("umask", 0o022),
        }
        added = container.record["host"].get("cap_add", ())
        process["capabilities"] = spec.capabilities(names, user, added)
        variables["HOME"] = user.home
    if request.privileged:
        names = sorted(caps.compute((), (), True))
        root = users.User(0, 0, [0], "/")
        process["capabilities"] = spec.capabilities(names, root, ())
        process.pop("apparmorProfile", None)
    if request.tty:
        variables.setdefault("TERM", "xterm")
    environment.apply(variables, request.environment)
    process["env"] = [f"{key}={value}" for key, value in variables.items()]
    if request.workdir:
        if not request.workdir.startswith("/"):
            raise InvalidArgument(
                f"working directory {request.workdir!r}: must be an absolute path"
            )
        process["cwd"] = request.workdir
    return process
