"""The `crunpy` command.  The only module that prints errors and exits.

    main → cli.fast.parse (a table, no typer) → cli/VERB.py: main(values, arguments, context)

What the fast parser does not know (help, errors, completion) goes to typer, which is built
from the same tables (cli/app.py).
"""

from __future__ import annotations

import gc
import os
import sys

if not __package__:  # run as a file, by a monitor that becomes `crunpy cleanup`
    here = os.path.dirname(os.path.abspath(__file__))
    if sys.path[:1] == [here]:  # without -I; our inspect.py is not the standard one
        del sys.path[0]
    sys.path.insert(0, os.path.dirname(here))

from crun_py.startup import bundle

sys.meta_path.insert(0, bundle)

from crun_py.errors import CrunpyError, internal  # noqa: E402

_SIGINT, _SIGPIPE = 2, 13
_USER = os.geteuid()
"""Before a user namespace is entered, in which we are root."""
_FREQUENT = ("run", "exec", "ps", "create", "start", "stop", "rm", "logs", "inspect", "images",
             "build", "cleanup", "oci")  # fmt: skip
"""Verbs whose modules are kept in the one file that every command reads."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Broken = Callable[[Exception, bool], None]


def _report(error: CrunpyError, broken: Broken | None = None) -> int:
    from crun_py.cli import explained, loading, output

    if broken and loading.may_be_damage(error):
        broken(error, True)
    try:
        output.report(error, explained.hint(error, _USER), error.exit_code)
    except BrokenPipeError:  # nobody reads: there is no other place to say it
        return error.exit_code
    return error.exit_code


def main(argv: list[str] | None = None, broken: Broken | None = None) -> int:
    """Run one command line; returns the exit status.

    broken: is told of an error that may come of damaged files of ours, and whether the verb had
    begun its work; where it had not, the command may be started anew there."""
    words = sys.argv[1:] if argv is None else argv
    try:
        from crun_py.cli import fast

        call = fast.parse(words)
        if call is None:
            from crun_py.cli import app

            return app.run(words)
        from crun_py.cli import dispatch

        return dispatch.execute(call)
    except CrunpyError as e:
        return _report(e, broken)
    except KeyboardInterrupt:
        return 128 + _SIGINT
    except OSError as e:
        if isinstance(e, BrokenPipeError) and _reader_is_gone():
            # the interpreter must not try to flush our output again
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            return 128 + _SIGPIPE
        return _report(CrunpyError.from_os(_doing(e, words), e), broken)
    except (MemoryError, SystemError):  # the latter: of C code that does not look
        return _report(CrunpyError("out of memory"))
    except Exception as e:
        from crun_py.cli import loading

        if broken and not loading.not_mapped(e):
            broken(e, _has_begun())
        if "--debug" in words:
            raise
        if isinstance(e, ImportError):
            advice = "start it again" if broken else "install it again"
            return _report(loading.not_loaded(e, advice))
        return _report(internal(e))


def _has_begun() -> bool:
    """Whether the verb is at its work, and may have done some of it."""
    dispatch = sys.modules.get("crun_py.cli.dispatch")
    return bool(dispatch and dispatch.begun())


def _reader_is_gone() -> bool:
    """Whether nobody reads our output any more: else a broken pipe is that of a monitor."""
    import select

    poll = select.poll()
    for fd in (1, 2):
        poll.register(fd, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _doing(error: OSError, words: list[str]) -> str:
    """What was being done, of an error of which nobody else said so."""
    file = error.filename
    if isinstance(file, str) and file.startswith("/") and not file.startswith("/proc/self/fd/"):
        return f"using {file}"
    return f"carrying out {_verb(words) or 'the command'}"


def _verb(words: list[str]) -> str:
    from crun_py.cli import fast

    return fast.verb(words)


def _open_standard_streams() -> None:
    """Started without stdin, stdout or stderr, we would take other files for them."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is fd
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8")  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115


def entry(broken: Broken | None = None) -> None:
    """The console script: ends without the interpreter's slow tidying up.  broken: see main."""
    gc.disable()  # we end before a collection would pay
    _open_standard_streams()
    status = main(broken=broken)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        status = 128 + _SIGPIPE
    except OSError as e:
        error = CrunpyError.from_os("writing the output", e)
        status = status or _report(error)
    if _verb(sys.argv[1:]) in _FREQUENT:
        bundle.keep()
    os._exit(status)


if __name__ == "__main__":
    entry()
