"""The command line's two ways out."""

from __future__ import annotations

import os
import sys

from crun_py.errors import InvalidArgument, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.errors import CrunpyError


_QUIET, _NOT_QUIET = ("1", "t", "true"), ("", "0", "f", "false")


def write(text: str) -> None:
    """A line on standard output."""
    sys.stdout.write(text + "\n")


def choose_format(asked: str) -> None:
    """Messages are text or json from now on, here and in what we start; "" for what the
    environment says.  Raises InvalidArgument."""
    known = os.environ.get("CRUNPY_LOG_FORMAT", "")
    chosen = asked or known
    if chosen not in ("", "text", "json"):
        os.environ["CRUNPY_LOG_FORMAT"] = "text"
        raise InvalidArgument(f"log format {chosen!r}: not known", hint="known: text, json")
    if chosen != known:
        os.environ["CRUNPY_LOG_FORMAT"] = chosen


def choose_quiet(asked: bool) -> None:
    """Only errors are told from now on, here and in what we start; without `asked` as the
    environment says.  Raises InvalidArgument."""
    if asked:
        os.environ["CRUNPY_QUIET"] = "1"
    elif (said := os.environ.get("CRUNPY_QUIET", "")).lower() not in (*_QUIET, *_NOT_QUIET):
        raise InvalidArgument(f"CRUNPY_QUIET={said}: not true or false")


def quiet() -> bool:
    """Whether only errors are told."""
    return os.environ.get("CRUNPY_QUIET", "").lower() in _QUIET


def write_error(text: str) -> None:
    """A line on standard error that is no error, if it takes one: on a full disk the work itself
    goes on."""
    _tell(text, "info", text)


def write_warning(text: str) -> None:
    """A warning on standard error."""
    _tell(f"crunpy: warning: {printable(text)}", "warning", text)


def report(error: CrunpyError, hint: str, code: int | None = None) -> None:
    """An error on standard error.  hint: what is said beside its message; code: the exit status,
    when it is what the command ends with."""
    shown = printable(error.message + (f" ({hint})" if hint else ""))
    more: dict[str, object] = {"hint": hint} if hint else {}
    if code is not None:
        more["code"] = code
    _tell(f"crunpy: error: {shown}", "error", error.message, more)


def _tell(text: str, level: str, message: str, more: dict[str, object] | None = None) -> None:
    """`text`, or the same as a line of JSON.  Raises BrokenPipeError alone."""
    if level != "error" and quiet():
        return
    if os.environ.get("CRUNPY_LOG_FORMAT") == "json":
        from crun_py import clock, jsonfile

        told = {"time": clock.now(), "level": level, "msg": message, **(more or {})}
        text = jsonfile.dumps(told)
    try:
        os.write(2, (text + "\n").encode(errors="backslashreplace"))
    except BrokenPipeError:
        raise
    except OSError:
        return
