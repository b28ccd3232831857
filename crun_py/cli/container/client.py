"""Who stays with a container: us, as the options of run, start, attach and exec say."""

from __future__ import annotations

import os

from crun_py.errors import InvalidArgument
from crun_py.model.container import Client

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values


_FALSE = ("false", "f", "0")


def client_of(values: Values, streams: tuple[str, ...], keep: int = 0) -> Client:
    """Us, as the options say.  Raises InvalidArgument."""
    keys = values.maybe("detach_keys")
    return Client(
        streams=streams,
        sig_proxy=not any(text.lower() in _FALSE for text in values.given("sig_proxy")),
        detach_keys=_keys(keys) if keys else Client().detach_keys,
        keep=keep,
    )


def descriptors(text: str | None) -> int:
    """--preserve-fds as a number.  To be called before we open anything ourselves.

    Raises InvalidArgument, also for a descriptor that is not open.
    """
    for fd in range(3, 3 + int(text or 0)):
        try:
            os.fstat(fd)
        except OSError as e:
            raise InvalidArgument.from_os(f"preserve-fds {text}: descriptor {fd}", e) from e
    return int(text or 0)


def _keys(text: str) -> bytes:
    from crun_py.container.attach import parse_detach_keys

    return parse_detach_keys(text)
