"""Start a container with our own stdio attached from the first byte, and see it to its end."""

from __future__ import annotations

import os

from crun_py import events, state
from crun_py.container import attach, ending, lifecycle, restart
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from crun_py.model.container import Client
    from crun_py.state import Container

_SIGKILL, _KILL_S = 9, 30
_NAMES = {"stdin": attach.STDIN, "stdout": attach.STDOUT, "stderr": attach.STDERR}


def parse_streams(names: Iterable[str]) -> int:
    """The streams that are named; all when none is.  Raises InvalidArgument."""
    streams = 0
    for name in names:
        if name not in _NAMES:
            raise InvalidArgument(f"attach {name!r}: not stdin, stdout or stderr")
        streams |= _NAMES[name]
    return streams or attach.STDOUT | attach.STDERR | attach.STDIN


def streams_for(container: Container, client: Client) -> int:
    """Those that `client` wants and the container has open."""
    streams = parse_streams(client.streams)
    return streams if container.record["config"]["open_stdin"] else streams & ~attach.STDIN


def check(terminal: bool, interactive: bool, client: Client) -> None:
    """Raises InvalidArgument or NotATerminal for a client that a container with this terminal
    and open input cannot have."""
    if parse_streams(client.streams) & attach.STDIN and interactive and not client.relayed:
        attach.check_input(client.stdin, terminal=terminal)


def run(
    container: Container,
    client: Client,
    *,
    rootless: bool,
    explain: Callable[[str], None] | None = None,
    sink: Callable[[int, memoryview], None] | None = None,
    timeout_s: float | None = None,
    started: Callable[[], object] | None = None,
    notify: str = "",
) -> int:
    """Start `container` in the foreground; its exit code, or 0 after the detach keys.

    sink: as of attach.Session.  timeout_s: it is killed then, if it still runs.  started: is called
    when its command has been executed.  notify: as of lifecycle.start.  A container run
    with --rm is removed at its end.  Raises what lifecycle.start raises,
    and then leaves nothing of a container with --rm.
    """
    try:
        wanted = streams_for(container, client)
        begun = os.path.isdir(container.run_directory)
        if begun and container.status().state == "initialized":
            from crun_py import monitor

            ours, theirs = monitor.connect(container.run_directory), -1
        else:
            ours, theirs = attach.socketpair()
    except BaseException:
        discard(container)
        raise
    how = wanted | attach.LOSSLESS | attach.CLEANER
    files = client.stdin, client.stdout, client.stderr
    terminal = container.record["config"]["tty"]
    session = attach.Session(ours, how, terminal=terminal, files=files, sink=sink)
    try:
        try:
            lifecycle.start(
                container,
                rootless=rootless,
                client=theirs,
                explain=explain,
                keep=client.keep,
                notify=notify,
            )
        except BaseException:
            discard(container)
            raise
        finally:
            if theirs >= 0:
                os.close(theirs)
        if started:
            started()
        forward = signal_forwarder(container) if client.sig_proxy else None
        code = session.serve(forward, client.detach_keys, deadline_s=timeout_s)
        if code == attach.LOST and timeout_s is not None:
            code = _killed(container, session)
    finally:
        session.close()
    if code == attach.DETACHED:
        return 0
    if code == attach.LOST:
        code = ending.wait(container)
    lifecycle.cleanup(container, rootless=rootless)
    return code


def _killed(container: Container, session: attach.Session) -> int:
    """Kill `container`, whose time is up; its exit code.  What it wrote by then comes, too."""
    restart.suspend(container)
    if state.send_signal(container.status(), _SIGKILL):
        events.container(container, "kill", signal=str(_SIGKILL))
    return session.serve(deadline_s=_KILL_S)


def signal_forwarder(container: Container) -> Callable[[int], None]:
    """For --sig-proxy: sends a signal that we got on to the container's first process."""

    def forward(number: int) -> None:
        state.send_signal(container.status(), number)

    return forward


def discard(container: Container) -> None:
    """After a start that failed: a container with --rm leaves nothing."""
    if container.record["auto_remove"]:
        ending.warn_on_error(lambda: ending.remove(container, force=True, anonymous_volumes=True))
