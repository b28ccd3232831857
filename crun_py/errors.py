"""The errors crunpy raises.

    CrunpyError            exit status 125
    ├── InvalidArgument    a name, option or value is not of the required form
    ├── NotFound           no such container, image, network …
    ├── Conflict           a name, port or object is taken or in use
    ├── Unsupported        the host lacks what was asked for (kernel feature, program, controller)
    ├── CorruptState       a file of our own cannot be read or does not mean what it says
    ├── ImageError         image bytes or metadata that are malformed or hostile
    ├── RegistryError      a registry refused, failed or lied
    ├── BuildError         a step of a build failed: exit status of its command, or 1
    ├── TimedOut           what was waited for did not come in time
    ├── ContainerError     (library) a container that was run ended with another code than 0
    ├── NotATerminal       standard input must be a terminal and is none: exit status 1
    └── CommandError       the container's command could not be run: exit status 126 or 127

A message reads `doing what: with which name: cause`, in lower case and without a full
stop; `hint` says what the user can do about it.  Only the command line prints and exits.
"""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def printable(text: str) -> str:
    """`text` with control and direction characters escaped: a label must not drive the
    terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


NO_PROCESS = "too many processes: ulimit -u, or sysctl kernel.pid_max"
NO_NAMESPACE = "namespaces are limited: see /proc/sys/user/max_*_namespaces"

_SHORT = {
    errno.EAGAIN: NO_PROCESS,
    errno.EMFILE: "too many files are open for one process: ulimit -n, or prlimit --nofile",
    errno.ENFILE: "the machine has too many open files: sysctl fs.file-max",
    errno.ENOMEM: "memory is short: free some, or raise the limit (ulimit -v)",
    errno.ENOLCK: "the kernel has no more file locks (ulimit -x)",
}
"""What can be done where something of the machine is used up."""


class CrunpyError(Exception):
    """Base of every error that a user can meet.

    hint:   what to do about it, one line, or "".
    errno:  the kernel's error number where there was one, else 0.
    """

    exit_code = 125

    def __init__(self, message: str, *, hint: str = "", errno: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.errno = errno
        if hint:
            self.add_note(hint)

    def __reduce__(self) -> tuple[Callable[..., CrunpyError], tuple[dict[str, object]]]:
        return from_json, (self.to_json(),)

    def line(self, further: str = "") -> str:
        """The one line that a user sees: message and hint, nothing in it drives the terminal.

        further: one more hint."""
        hint = self.all_hints(further)
        return printable(self.message + (f" ({hint})" if hint else ""))

    def all_hints(self, further: str = "") -> str:
        """What can be done about it: the hint, or what the kernel's error number says, and
        `further`; "" for nothing."""
        hint = self.hint or _SHORT.get(self.errno or 0, "")
        return "; ".join(filter(None, (hint, further)))

    more: tuple[str, ...] = ()
    """Attributes of a class of errors that go along to another process."""

    def to_json(self) -> dict[str, object]:
        """The error for another process, see `from_json`; of a class that is not of this module
        its nearest base that is."""
        kind = next(c for c in type(self).__mro__ if c.__module__ == __name__)
        return {
            "type": kind.__name__, "message": self.message, "hint": self.hint,
            "errno": self.errno, "exit_code": self.exit_code,
            "more": {name: getattr(self, name) for name in self.more},
        }  # fmt: skip

    @classmethod
    def from_os(cls, doing: str, error: OSError, *, hint: str = "") -> CrunpyError:
        """An error of this class for `error`, met while `doing` (which names its object)."""
        cause = os.strerror(error.errno).lower() if error.errno else str(error)
        return cls(f"{doing}: {cause}", hint=hint, errno=error.errno or 0)


class InvalidArgument(CrunpyError):
    """A name, option or value is not of the required form."""


class NotFound(CrunpyError):
    """There is no such object."""


class Gone(NotFound, FileNotFoundError):  # type: ignore[misc]  # errno is an int here
    """It was there, and another command has removed it meanwhile."""


class Conflict(CrunpyError):
    """The object is taken, in use, or in a state that does not allow the operation."""


class Unsupported(CrunpyError):
    """The host lacks what was asked for."""


class CorruptState(CrunpyError):
    """A file of our own is unreadable or contradicts itself."""


class ImageError(CrunpyError):
    """Image bytes or metadata are malformed, hostile or not what their digest says."""


class RegistryError(CrunpyError):
    """A registry refused, failed or sent something else than it should."""


class NotInRegistry(RegistryError):
    """The registry that was asked has nothing of the name."""


class TimedOut(CrunpyError):
    """What was waited for did not come in time."""


class ContainerError(CrunpyError):
    """A command ended with another exit code than 0; what it had written by then.

    container: the id of the container that it was, or was in.
    """

    more = ("stdout", "stderr", "container")

    def __init__(self, message: str, *, exit_code: int, stdout: bytes = b"", stderr: bytes = b"",
                 container: str = "", hint: str = "") -> None:  # fmt: skip
        super().__init__(message, hint=hint)
        self.exit_code = exit_code
        self.stdout, self.stderr, self.container = stdout, stderr, container


class BuildError(CrunpyError):
    """A step of a build failed.

    shown: the lines of the Dockerfile around, the step marked.  code: the exit status of the
    step's command, 0 where there was none; output: what it printed last, at most some kilobytes.
    before: in the process of the build, what a RUN that failed ran on.
    """

    exit_code = 1
    more = ("shown", "code", "output")

    def __init__(self, message: str, *, hint: str = "", errno: int = 0, shown: str = "",
                 code: int = 0, output: str = "") -> None:  # fmt: skip
        super().__init__(message, hint=hint, errno=errno)
        self.shown, self.code, self.output = shown, code, output
        self.exit_code = code or 1
        self.before: object = None


class NotATerminal(CrunpyError):
    """A terminal was asked for, and standard input is none."""

    exit_code = 1


class CommandError(CrunpyError):
    """The container's command could not be run (126: not executable, 127: not found)."""

    def __init__(self, message: str, exit_code: int, *, hint: str = "", errno: int = 0) -> None:
        super().__init__(message, hint=hint, errno=errno)
        self.exit_code = exit_code


def from_json(found: dict[str, object]) -> CrunpyError:
    """The error that `to_json` described, of the same class."""
    known = globals().get(str(found.get("type")))
    kind = known if isinstance(known, type) and issubclass(known, CrunpyError) else CrunpyError
    error = kind.__new__(kind)
    number, code, more = found.get("errno"), found.get("exit_code"), found.get("more")
    CrunpyError.__init__(
        error, str(found.get("message")), hint=str(found.get("hint") or ""),
        errno=number if isinstance(number, int) else 0,
    )  # fmt: skip
    error.exit_code = code if isinstance(code, int) else CrunpyError.exit_code
    if isinstance(more, dict):
        for name in kind.more:
            setattr(error, name, more.get(name))
    return error


def internal(error: Exception) -> CrunpyError:
    """A bug of ours, in one line all the same."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"
    return CrunpyError(
        f"internal error: {type(error).__name__}: {error} ({where})",
        hint="crunpy --debug shows the whole trace; please report it",
    )
