"""crunpy oci exec."""

from __future__ import annotations

from crun_py import quantity
from crun_py.cli.oci import create, foreground
from crun_py.errors import InvalidArgument
from crun_py.oci_runtime import execute, make
from crun_py.oci_runtime.state import Container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.cli.oci.command import Runtime
    from crun_py.values import Values

ARGUMENTS = "ID [COMMAND] [ARG...]"
MIXED = False
OPTIONS = (
    ("--console-socket", "value", "Socket that gets the terminal's master", "PATH"),
    ("--cwd", "value", "Working directory", "DIR"),
    ("-e --env", "list", "Set a variable", "KEY=VALUE"),
    ("-t --tty", "flag", "Give the command a terminal", ""),
    ("-u --user", "value", "User and group id", "UID[:GID]"),
    ("-g --additional-gids", "list", "Further group ids", "GID"),
    ("-p --process", "value", "File with the process, as in config.json", "FILE"),
    ("-d --detach", "flag", "Do not wait for its end", ""),
    ("--pid-file", "value", "Write the process id to a file", "FILE"),
    ("--process-label", "value", "SELinux label of the process", "LABEL"),
    ("--apparmor", "value", "AppArmor profile of the process", "PROFILE"),
    ("--no-new-privs", "flag", "It gets no privileges by executing files", ""),
    ("-c --cap", "list", "Capabilities added to the container's", "CAPABILITY"),
    ("--preserve-fds", "value", "Pass our descriptors 3 to N+2 on", "N"),
    ("--cgroup", "value", "Cgroup below the container's", "PATH"),
    ("--ignore-paused", "flag", "Also in a paused container", ""),
)


def main(values: Values, arguments: list[str], runtime: Runtime) -> int:
    """The exit status of the command."""
    container = Container(runtime.root, arguments[0])
    if not values.text("process") and len(arguments) < 2:
        raise InvalidArgument("exec: no command, and no --process FILE")
    request = _request(values, tuple(arguments[1:]))
    if values.flag("detach"):
        pid = execute.execute(container, request)
        create.write_pid(values.text("pid_file"), pid)
        return 0
    terminal = execute.has_terminal(container, request)
    with foreground.Foreground(terminal=terminal, console_socket=request.console_socket) as ours:
        make.become_subreaper()
        request = ours.changed(request)
        pid = execute.execute(container, request)
        create.write_pid(values.text("pid_file"), pid)
        ours.take_terminal()
        return ours.wait(pid)


def _request(values: Values, command: tuple[str, ...]) -> execute.Request:
    groups = [text for one in values.texts("additional_gids") for text in one.split(",")]
    names = [text for one in values.texts("cap") for text in one.split(",")]
    return execute.Request(
        process=values.text("process"),
        command=command,
        environment=tuple(values.texts("env")),
        cwd=values.text("cwd"),
        user=values.text("user"),
        groups=tuple(quantity.whole(text, "additional-gids", 0, (1 << 32) - 2) for text in groups),
        capabilities=tuple(names),
        apparmor=values.text("apparmor"),
        label=values.text("process_label"),
        terminal=values.flag("tty") or None,
        no_new_privileges=values.flag("no_new_privs") or None,
        console_socket=values.text("console_socket"),
        preserve=quantity.whole(values.text("preserve_fds") or "0", "preserve-fds", 0, 250),
        ignore_paused=values.flag("ignore_paused"),
        cgroup=values.text("cgroup"),
    )
