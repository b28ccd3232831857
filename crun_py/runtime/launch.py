"""Start the core helper with a plan and hear how it went.

The helper is executed from a sealed memfd: what runs in a container could otherwise
reopen it for writing through /proc/self/exe (CVE-2019-5736).
"""

from __future__ import annotations

import _signal
import errno
import fcntl
import os
import stat
from _struct import calcsize, unpack

from crun_py import caller
from crun_py._native import CORE
from crun_py.errors import (
    NO_NAMESPACE,
    CommandError,
    CrunpyError,
    InvalidArgument,
    Unsupported,
)
from crun_py.runtime import plan as p

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.documents.container import Selinux

_F_ADD_SEALS, _SEALS = 1033, 0xF  # fcntl(2): F_SEAL_SEAL | SHRINK | GROW | WRITE
_STARTED, _FAILED_STEP, _PAUSED = 0, 1, 3
_SIGINT = 2

_RESULT = "<iiii256s"
"""struct result in _native/core.h."""
_RESULT_BYTES: int = calcsize(_RESULT)


def labelled_pipes(labels: Selinux | None, directory: str) -> tuple[str, ...]:
    """Of SET_STDIO: the label of the pipes to and from a container's processes, and the directory
    to make them in; () where nothing confines them."""
    return (labels["mount"], directory) if labels and labels["process"] else ()


def _memfd(name: str, data: bytes) -> int:
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    fcntl.fcntl(fd, _F_ADD_SEALS, _SEALS)
    return fd


def _sealed_core() -> int:
    fd = os.open(CORE, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _memfd("crunpy-core", os.read(fd, os.fstat(fd).st_size))
    finally:
        os.close(fd)


def environment() -> dict[str, str]:
    """What the helper, and the cleanup command after it, needs of the caller's environment."""
    names = ("PATH", "HOME", "XDG_RUNTIME_DIR", "XDG_DATA_HOME", "XDG_CONFIG_HOME")
    own = caller.variables()
    return {name: own[name] for name in names if name in own}


def read_result(data: bytes) -> tuple[int, int, int, int, str]:
    """What a monitor says of a start: (failed, index of the step, errno, pid, what it is about)."""
    failed, index, error, pid, about = unpack(_RESULT, data)
    return failed, index, error, pid, about.partition(b"\0")[0].decode("utf-8", "backslashreplace")


def command_error(
    command: str, error: int, interpreter: str, *, labelled: bool = False
) -> CommandError:
    """The error for a command whose execve(2) failed with errno `error`.

    interpreter: the one that the file wants (execve(2), elf(5)), when that is what is missing.
    labelled: SELinux may have forbidden it.
    """
    words, hint = os.strerror(error).lower(), ""
    if interpreter:
        words = f"its interpreter {interpreter!a}: {words}".replace("'", '"')
    elif error == errno.ENOENT and "/" not in command:
        words = "executable file not found in $PATH"
    elif error == errno.EACCES:
        words += ": the file is not executable"
        hint = _FORBIDDEN if labelled else ""
    text = f'running the container\'s command: exec: "{command}": {words}'
    return CommandError(text, 127 if error == errno.ENOENT else 126, hint=hint, errno=error)


_FORBIDDEN = (
    "or SELinux's policy does not let it be run with the container's label: ausearch -m avc"
)


def _explain(plan: p.Plan, index: int, error: int, about: str) -> CrunpyError:
    step = plan.steps[index]
    cause = os.strerror(error).lower()
    if step.op == p.EXEC:
        command = step.strings[0].decode("utf-8", "backslashreplace")
        words = [s.strings[0] for s in plan.steps if s.op == p.CONFINE]
        labelled = any(not said.startswith(b"exec ") for said in words)  # nor for AppArmor
        return command_error(command, error, about, labelled=labelled)
    if step.op == p.CHDIR:
        return CommandError(
            f"entering working directory {step.strings[0].decode()}: {cause}",
            127 if error == errno.ENOENT else 126,
            errno=error,
        )
    if step.op == p.DEVICE and error == errno.ENODEV:
        return _bad_device(step.strings[0].decode(), step.b)
    hint = ""
    if step.op in (p.OVERLAY, p.MOUNT) and error in (errno.EPERM, errno.ENODEV):
        hint = "this kernel or the container we run in does not allow this mount"
    if step.op == p.RLIMIT and error == errno.EPERM:
        hint = "only root with CAP_SYS_RESOURCE can raise a limit: ulimit -Hn, prlimit --nofile"
    if step.op == p.CONFINE:
        hint = _CONFINING.get((step.strings[0][:5] == b"exec ", error), "")
    if error == errno.ENOSPC and step.op == p.UNSHARE:
        hint = NO_NAMESPACE
    elif error == errno.ENOSPC:
        hint = "a disk is full, or there are too many mounts: sysctl fs.mount-max"
    return CrunpyError(
        f"starting the container: step {index} ({step.describe()}): {cause}",
        hint=hint,
        errno=error,
    )


_CONFINING = {
    (True, errno.ENOENT): "the profile is not loaded: apparmor_parser --replace FILE, as root",
    (False, errno.EINVAL): "SELinux's policy has no such label: seinfo -t lists its types",
    (False, errno.EACCES): "SELinux's policy does not let you start what has this label: ausearch "
    "-m avc, or --security-opt label=disable",
}
"""Hints, by whether AppArmor was told (its words begin with "exec"), and its errno."""


def _bad_device(path: str, number: int) -> CrunpyError:
    """The error for a node of the host that is not the device it must be."""
    text = f"starting the container: {path} of the host is not a device"
    hint = ""
    if number:
        major, minor = os.major(number), os.minor(number)
        text = f"starting the container: {path} of the host is not the device {major}:{minor}"
        hint = f"as root: rm -f {path}; mknod -m 666 {path} c {major} {minor}"
    return CrunpyError(text, hint=hint, errno=errno.ENODEV)


def _check_null() -> None:
    """Raises CrunpyError when the host's /dev/null, the monitor's stdio, is something else."""
    number = os.makedev(1, 3)
    try:
        found = os.stat("/dev/null")
    except OSError:
        raise _bad_device("/dev/null", number) from None
    if not stat.S_ISCHR(found.st_mode) or found.st_rdev != number:
        raise _bad_device("/dev/null", number)


_ABOVE_ALL = 500
"""Where descriptors go that the command is to get: nothing of ours has such a number."""


def keep_open(plan: p.Plan, count: int) -> list[int]:
    """Put steps for --preserve-fds in front of `plan`: our 3 and the `count` - 1 after it.

    Returns copies, for `launch` to inherit and the caller to close.  Raises InvalidArgument
    for one that is not open.
    """
    kept: list[int] = []
    try:
        for fd in range(3, 3 + count):
            kept.append(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _ABOVE_ALL))
    except OSError as e:
        for fd in kept:
            os.close(fd)
        raise InvalidArgument.from_os(f"keeping descriptor {3 + len(kept)} open", e) from e
    plan.steps[:0] = [p.Step(p.KEEP, fd, 0, 0, ()) for fd in kept]
    return kept


def launch(plan: p.Plan, title: str, inherit: list[int]) -> int:
    """Carry out `plan`; returns the host pid of the container's first process.

    title:    what `ps` shows behind the monitor's name.
    inherit:  the descriptors that the plan names; they keep their numbers.
    Returns when the command has been executed.  Raises CommandError when it cannot be,
    CrunpyError naming the step that failed, Unsupported when the kernel lacks clone3.
    """
    heard, told = os.pipe()

    def listen(child: int) -> tuple[int, bytes]:
        status = os.waitpid(child, 0)[1]
        return status, os.read(heard, _RESULT_BYTES)

    try:
        return _judged(plan, *_carried_out(plan, "crunpy-monitor", title, inherit, told, listen))
    finally:
        os.close(heard)


def launch_alone(
    plan: p.Plan, title: str, inherit: list[int], paused: Callable[[int, int, int], None]
) -> int:
    """As `launch`, of a plan with SET_ALONE: without a monitor, our stdio is the container's; its
    first process becomes the child of the next subreaper above us (prctl(2)).

    paused: is called with the index of each step PAUSE, the host pid of the first process, which
    waits meanwhile, and -1; or with that of the step SECCOMP and the descriptor of its listener,
    which is closed afterwards.  What it raises ends the container.
    """
    import _socket as socket

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    failed: list[BaseException] = []

    def listen(child: int) -> tuple[int, bytes]:
        while True:
            answer, ancillary, _, _ = ours.recvmsg(_RESULT_BYTES, socket.CMSG_SPACE(4))
            fds = [unpack("=i", data)[0] for _, _, data in ancillary]
            if len(answer) != _RESULT_BYTES or read_result(answer)[0] != _PAUSED:
                break
            _, index, _, pid, _ = read_result(answer)
            try:
                paused(index, pid, fds[0] if fds else -1)
            except BaseException as e:
                failed.append(e)
                ours.shutdown(socket.SHUT_WR)  # it ends
            else:
                ours.send(b"g")
            finally:
                for fd in fds:
                    os.close(fd)
        return os.waitpid(child, 0)[1], answer

    told = theirs.detach()
    try:
        status, answer = _carried_out(plan, "crunpy-init", title, inherit, told, listen)
    finally:
        ours.close()
    if failed:
        raise failed[0]
    return _judged(plan, status, answer)


def _carried_out(
    plan: p.Plan,
    name: str,
    title: str,
    inherit: list[int],
    told: int,
    listen: Callable[[int], tuple[int, bytes]],
) -> tuple[int, bytes]:
    """Execute the core, which says on `told` (closed here) how it went.

    listen: is called with its pid; what it returns is returned: the wait status, and what was said
    last."""
    core = data = -1
    unblocked = None
    try:
        _check_null()
        plan.add(p.SET_RESULT, a=told)
        core, data = _sealed_core(), _memfd("plan", plan.encode())
        for fd in (*inherit, told, data):
            os.set_inheritable(fd, True)
        argv = [name, title, str(data)]
        # an interrupt waits until it is known what there is to take down
        unblocked = _signal.pthread_sigmask(_signal.SIG_BLOCK, (_SIGINT,))
        program = f"/proc/self/fd/{core}"
        try:
            child = os.posix_spawn(program, argv, environment(), setsigmask=())
        except OSError as e:
            raise _not_started(e.errno or 0) from e
        os.close(told)
        told = -1
        return listen(child)
    finally:
        if unblocked is not None:
            _signal.pthread_sigmask(_signal.SIG_SETMASK, unblocked)
        for fd in (told, core, data):
            if fd >= 0:
                os.close(fd)
        for fd in inherit:
            os.set_inheritable(fd, False)


def _judged(plan: p.Plan, status: int, answer: bytes) -> int:
    """The pid that the core told, or its error is raised."""
    if len(answer) != _RESULT_BYTES:
        if os.waitstatus_to_exitcode(status) in (errno.EAGAIN, errno.ENOMEM):
            raise _not_started(os.waitstatus_to_exitcode(status))
        raise CrunpyError("starting the container: the monitor ended without a word")
    kind, index, error, pid, about = read_result(answer)
    if kind == _STARTED:
        return pid
    if kind == _FAILED_STEP:
        raise _explain(plan, index, error, about)
    if error == errno.ENOSYS:
        raise Unsupported(
            "starting the container: there is no clone3",
            hint="the kernel is older than Linux 5.15, or an outer container's filter forbids it",
        )
    if about == "console socket":
        raise CrunpyError.from_os("handing the terminal over", OSError(error, os.strerror(error)))
    if about:
        cause = os.strerror(error).lower()
        raise CrunpyError(f"starting the container: writing its {about}: {cause}", errno=error)
    raise _not_started(error)


def _not_started(error: int) -> CrunpyError:
    """The error for a monitor or init that the kernel did not start."""
    hint = NO_NAMESPACE if error == errno.ENOSPC else ""
    cause = os.strerror(error).lower()
    return CrunpyError(f"starting the container's processes: {cause}", hint=hint, errno=error)
