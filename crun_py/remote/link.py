"""A connection to a service, as one socket: a Unix or TCP one, or the near end of a pair whose far
end is TLS (in a thread) or ssh (a process).  So whoever holds it can end one direction alone."""

from __future__ import annotations

from crun_py.errors import CrunpyError
from crun_py.remote.endpoint import Endpoint, described

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

CONNECT_S = 30
"""How long a connection may take, TLS included, and the first answer of a service."""


class Link:
    """A connection.  socket: to be read and written."""

    def __init__(self, sock: socket.socket, endpoint: Endpoint) -> None:
        self.socket = sock
        self.endpoint = endpoint

    def close(self) -> None:
        """End both directions."""
        self.socket.close()

    def why(self) -> str:
        """What is known of its early end, "" for nothing."""
        return ""


def cannot(endpoint: Endpoint, why: str, hint: str = "") -> CrunpyError:
    """The error for a connection that was not made."""
    usual = "is a service running there? crunpy system service; an empty DOCKER_HOST means here"
    return CrunpyError(f"connecting to {described(endpoint)}: {why}", hint=hint or usual)
