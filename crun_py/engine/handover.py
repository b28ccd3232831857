"""A new container goes over to its caller, or nothing is left of it.

Who asked for it may give up at any moment, also when the answer is on its way.  So the caller
confirms: a byte on a pipe.  Without it, when the pipe's other end is closed or this process is
interrupted, the container is removed.
"""

from __future__ import annotations

import os
import select
import signal

from crun_py.container import ending
from crun_py.engine import create, status
from crun_py.record import replaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crun_py.engine.context import Context
    from crun_py.model.container import CreateRequest
    from crun_py.model.descriptor import Descriptor
    from crun_py.model.registry import PullRequest
    from crun_py.model.state import ContainerInfo
    from crun_py.state import Container

CALLS = ("created",)
_INTERRUPT = (signal.SIGINT,)


def hold_interrupts() -> None:
    """From now on they wait, so that none comes between a container and who takes care of it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPT)


def let_interrupts_through() -> None:
    """One that waited is raised here."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPT)


def handed_over(
    context: Context,
    request: CreateRequest,
    wanted: PullRequest,
    confirmation: Descriptor,
    begin: Callable[[Container], object],
) -> Iterator[ContainerInfo]:
    """What is known of a new container once `begin` was called with it; removes it unless that is
    taken.

    Raises as create.make, and what `begin` raises.
    """
    container = create.make(context, request, wanted, before=hold_interrupts)
    try:
        let_interrupts_through()
        begin(container)
        yield _info(container)
        poll = select.poll()
        poll.register(confirmation.fd, select.POLLIN)
        poll.poll()
    finally:
        if not _confirmed(confirmation):
            remove(container)


def created(
    context: Context, request: CreateRequest, wanted: PullRequest, confirmation: Descriptor
) -> Iterator[ContainerInfo]:
    """Make a container for a caller who confirms that he has it, see `handover`."""
    return handed_over(context, request, wanted, confirmation, lambda _: None)


def _confirmed(confirmation: Descriptor) -> bool:
    os.set_blocking(confirmation.fd, False)
    try:
        return os.read(confirmation.fd, 1) != b""
    except BlockingIOError:
        return False  # we were interrupted


def _info(container: Container) -> ContainerInfo:
    """It may have ended, and with --rm be gone."""
    found = status.info(container)
    if not os.path.exists(container.directory):
        return replaced(found, state="exited")
    return found


def remove(container: Container) -> None:
    """Of a container that nobody knows of nothing is left."""
    ending.warn_on_error(lambda: ending.remove(container, force=True, anonymous_volumes=True))
