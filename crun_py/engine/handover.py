"""A new container goes over to its caller, or nothing is left of it.

Who asked for it may give up at any moment, also when the answer is on its way.  So the caller
confirms: a byte on a pipe.  Without it, when the pipe's other end is closed or this process is
interrupted, the container is removed.
"""

from __future__ import annotations

import os
import select

from crun_py.container import ending
from crun_py.engine import status
from crun_py.record import replaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crun_py.model.descriptor import Descriptor
    from crun_py.model.state import ContainerInfo
    from crun_py.state import Container


def handed_over(
    container: Container, confirmation: Descriptor, begin: Callable[[], object]
) -> Iterator[ContainerInfo]:
    """What is known of `container` once `begin` has been called; removes it unless that is taken.

    Raises what `begin` raises.
    """
    confirmed = False
    try:
        begin()
        yield _info(container)
        poll = select.poll()
        poll.register(confirmation.fd, select.POLLIN)
        poll.poll()
    finally:
        os.set_blocking(confirmation.fd, False)
        try:
            confirmed = os.read(confirmation.fd, 1) != b""
        except BlockingIOError:
            confirmed = False  # we were interrupted
        if not confirmed:
            remove(container)


def _info(container: Container) -> ContainerInfo:
    """It may have ended, and with --rm be gone."""
    found = status.info(container)
    if not os.path.exists(container.directory):
        return replaced(found, state="exited")
    return found


def remove(container: Container) -> None:
    """Of a container that nobody knows of nothing is left."""
    ending.warn_on_error(lambda: ending.remove(container, force=True, anonymous_volumes=True))
