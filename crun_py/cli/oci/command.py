"""crunpy oci: options before the verb, the verb, and how errors are told: as runc does it."""

from __future__ import annotations

import os
import sys

from crun_py import caller, clock, jsonfile, notices
from crun_py.cli import fast
from crun_py.errors import CrunpyError, InvalidArgument
from crun_py.paths import host_uid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.engine.context import Context
    from crun_py.values import Table, Values

ARGUMENTS = "[ARG...]"
OPTIONS = ()
PASSED_ON = True

GLOBAL_OPTIONS = (
    ("--root", "value", "Directory of the containers' state", "DIR"),
    ("--log", "value", "File for messages", "FILE"),
    ("--log-format", "value", "text or json", "FORMAT"),
    ("--debug", "flag", "Tell each step of the plan", ""),
    ("--systemd-cgroup", "flag", "systemd makes the cgroups: SLICE:PREFIX:NAME", ""),
    ("--rootless", "value", "true, false or auto", "HOW"),
    ("--criu", "value", "Accepted: there are no checkpoints", "PATH"),
    ("-v --version", "flag", "Print the version", ""),
    ("-h --help", "flag", "Print this", ""),
)
_VERBS = {
    "create": ("create", "Make a container of a bundle, which waits for `start`"),
    "start": ("start", "Run the command of a created container"),
    "run": ("run", "Create and start a container"),
    "state": ("state", "Print a container's state"),
    "kill": ("kill", "Send a signal to a container"),
    "delete": ("delete", "Remove a container"),
    "exec": ("exec", "Run a further command in a container"),
    "ps": ("ps", "Show a container's processes"),
    "list": ("list", "List containers"),
    "pause": ("pause", "Freeze all processes of a container"),
    "resume": ("resume", "Let a paused container go on"),
    "update": ("update", "Change a container's limits"),
    "events": ("events", "Tell what a container uses"),
    "spec": ("spec", "Write a config.json to begin with"),
    "features": ("features", "Print what this runtime can do"),
    "checkpoint": ("checkpoint", "Refused: there are none"),
    "restore": ("checkpoint", "Refused: there are none"),
}
"""verb: (module here, summary)."""


_NO_EXEC = 255
"""runc's status for a further process that did not begin."""
_NO_COMMAND = 3
"""runc's status for a command that there is not."""
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


class Runtime:
    """What the options before the verb say.

    root: where the containers' state is.  rootless: this process is not the host's root.
    """

    def __init__(self, general: Values) -> None:
        self.root = os.path.abspath(general.text("root") or _default_root())
        self.systemd = general.flag("systemd_cgroup")
        self.rootless = host_uid() != 0
        self._log, self._json = general.text("log"), general.text("log_format") == "json"
        if general.text("log_format") not in ("", "text", "json"):
            raise InvalidArgument(f"log format {general.text('log_format')!r}: not text or json")
        if self._log:
            try:
                os.close(os.open(self._log, _APPEND, 0o644))
            except OSError as e:
                raise InvalidArgument.from_os(f"opening the log {self._log}", e) from e

    def warn(self, text: str) -> None:
        """A line to the log, or to standard error without one."""
        self.tell("warning", text)

    def tell(self, level: str, text: str) -> None:
        """A message of a level (error, warning), in the form that was asked for."""
        at = clock.now()[:19] + "Z"
        if self._json:
            line = jsonfile.dumps({"level": level, "msg": text, "time": at})
        else:
            line = f"time={jsonfile.dumps(at)} level={level} msg={jsonfile.dumps(text)}"
        data = (line + "\n").encode(errors="backslashreplace")
        if self._log:
            fd = os.open(self._log, _APPEND, 0o644)
            try:
                os.write(fd, data)
            finally:
                os.close(fd)
        if not self._log or level == "error":
            os.write(2, data if not self._log else f"{text}\n".encode(errors="backslashreplace"))


def _default_root() -> str:
    directory = caller.variable("XDG_RUNTIME_DIR")
    return f"{directory}/crunpy-oci" if host_uid() != 0 and directory else "/run/crunpy-oci"


def main(values: Values, arguments: list[str], context: Context) -> int:
    """The exit status: 1 for errors, that of the command for `run` and `exec`."""
    found = fast.scan(GLOBAL_OPTIONS, arguments, mixed=False)
    if found is None:
        return _misused(f"{' '.join(arguments[:1])}: no such option, or one without its value")
    general, rest = found
    if general.flag("version"):
        return _version()
    if general.flag("help") or not rest or rest[0] in ("help", "h"):
        return _help()
    try:
        runtime = Runtime(general)
    except CrunpyError as e:
        return _misused(e.line())
    notices.listen(runtime.warn)
    if rest[0] not in _VERBS:
        runtime.tell("error", f"{rest[0]}: no such command (crunpy oci --help)")
        return _NO_COMMAND
    try:
        return _carry_out(rest[0], rest[1:], runtime)
    except CrunpyError as e:
        runtime.tell("error", e.line())
    except OSError as e:
        where = f"using {e.filename}" if e.filename else f"carrying out {rest[0]}"
        runtime.tell("error", CrunpyError.from_os(where, e).line())
    return _NO_EXEC if rest[0] == "exec" else 1


def _carry_out(verb: str, words: list[str], runtime: Runtime) -> int:
    module = __import__(f"crun_py.cli.oci.{_VERBS[verb][0]}", fromlist=["main"])
    if words[:1] in (["--help"], ["-h"]):
        return _help_of(verb, module.ARGUMENTS, module.OPTIONS)
    parsed = fast.scan(module.OPTIONS, words, mixed=getattr(module, "MIXED", True))
    if parsed is None:
        raise InvalidArgument(f"{verb}: not its options", hint=f"crunpy oci {verb} --help")
    if not fast.count_fits(module.ARGUMENTS, len(parsed[1])):
        raise InvalidArgument(f"{verb}: takes {module.ARGUMENTS or 'no argument'}")
    status: int = module.main(*parsed, runtime)
    return status


def _misused(text: str) -> int:
    os.write(2, f"crunpy-oci: {text}\n".encode(errors="backslashreplace"))
    return 1


def _version() -> int:
    import crun_py

    sys.stdout.write(f"crunpy-oci version {crun_py.__version__}\nspec: 1.2.0\n")
    return 0


def _help() -> int:
    lines = ["Usage: crunpy-oci [OPTIONS] COMMAND [ARG...]", "", "An OCI runtime.", "", "Options:"]
    lines += _options(GLOBAL_OPTIONS)
    lines += ["", "Commands:", *(f"  {verb:11} {text}" for verb, (_, text) in _VERBS.items())]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _help_of(verb: str, arguments: str, options: Table) -> int:
    lines = [f"Usage: crunpy-oci {verb} [OPTIONS] {arguments}".rstrip(), "", _VERBS[verb][1] + "."]
    if options:
        lines += ["", "Options:", *_options(options)]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _options(options: Table) -> list[str]:
    pairs = [(", ".join(names.split()) + " " + what, text) for names, _, text, what in options]
    return [f"  {names:36} {text}" for names, text in pairs]
