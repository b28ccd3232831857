"""A request from its caller's side, apart from the waiting: what to send, and what answers mean."""

from __future__ import annotations

import os

from crun_py.errors import CrunpyError
from crun_py.worker import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from crun_py.worker.spawn import Link


class Exchange:
    """One request, on the way or answered.

    outgoing, incoming: what is to be sent, and what comes, on `sock`.
    """

    def __init__(
        self,
        name: str,
        arguments: tuple[object, ...],
        keywords: dict[str, object],
        on_event: Callable[[object], object] | None,
        on_warning: Callable[[str], object] | None,
    ) -> None:
        """Raises InvalidArgument for what cannot be sent; nothing is sent yet."""
        self._name = name
        self._on_event, self._on_warning = on_event, on_warning
        self.outgoing = wire.Outgoing(wire.CALL, (name, arguments, keywords))
        self.incoming = wire.Incoming()
        self.sock: socket.socket | None = None
        self._link: Link | None = None
        self._owner = os.getpid()

    def begin(self, link: Link, sock: socket.socket) -> None:
        """It is asked of `link`'s worker, on `sock`."""
        self._link, self.sock = link, sock

    def fileno(self) -> int:
        assert self.sock
        return self.sock.fileno()

    def send_some(self) -> bool:
        """Whether all is sent, or nobody reads it: then there is an answer already.

        Raises CrunpyError, BlockingIOError from a socket that does not wait.
        """
        assert self.sock
        try:
            return self.outgoing.send_some(self.sock)
        except ConnectionError:
            return True
        except BlockingIOError:
            raise
        except OSError as e:
            raise CrunpyError.from_os(f"calling {self._name}", e) from e

    def receive_some(self) -> wire.Message | None:
        """The next message that is an answer: an item, the end or the result.

        Events and warnings go to their listeners.  Raises the CrunpyError that the call raised, or
        one that tells how the worker or the child ended; BlockingIOError as `send_some`.
        """
        assert self.sock
        try:
            message = self.incoming.receive_some(self.sock)
        except (EOFError, ConnectionError):
            raise self._ended() from None
        except BlockingIOError:
            raise
        except OSError as e:
            raise CrunpyError.from_os(f"calling {self._name}", e) from e
        if not message:
            return None
        if message.kind == "error":
            raise message.value if isinstance(message.value, CrunpyError) else self._strange()
        if message.kind == "event":
            if self._on_event:
                self._on_event(message.value)
            return None
        if message.kind == "warning":
            if self._on_warning:
                self._on_warning(str(message.value))
            return None
        if message.kind not in ("item", "end", "result"):
            raise self._strange()
        return message

    def _strange(self) -> CrunpyError:
        return CrunpyError(f"calling {self._name}: the worker answers in another language")

    def _ended(self) -> CrunpyError:
        """The error for an answer that does not come."""
        assert self._link
        words = self._link.last_words()
        if words is None:
            return CrunpyError(
                f"calling {self._name}: its process ended without an answer",
                hint="memory or descriptors may be short: dmesg, ulimit -n",
            )
        return CrunpyError(
            f"calling {self._name}: the worker ended: {words}",
            hint="the next call starts a new one",
        )

    def not_one(self) -> CrunpyError:
        """The error for items where a result was waited for, and the other way round."""
        return CrunpyError(f"calling {self._name}: a stream is no call, and a call no stream")

    def end(self) -> None:
        """Hang up: a child that is still at work is interrupted."""
        if self.sock:
            wire.hang_up(self.sock, self._owner)
