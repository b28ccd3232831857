"""What is said to the monitor of a running container (orders.sock), and the way to its streams
(attach.sock, container/attach.py): the messages are listed in _native/core.h."""

from __future__ import annotations

import _socket
import os
from struct import Struct

from crun_py._native import check, lib
from crun_py.errors import CrunpyError, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_KEY = Struct("=I")
_ERROR = Struct("=i")
_PATIENCE_S = 10.0
_DESCRIPTOR = Struct("=i")
_EALREADY = 114


def connect(run_directory: str, name: str = "attach.sock") -> int:
    """A connection to the streams of a running container.  Raises NotFound if there are none."""
    try:
        directory = os.open(run_directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return check(lib.crunpy_connect(directory, name.encode()), name)
        finally:
            os.close(directory)
    except (FileNotFoundError, ConnectionRefusedError):
        raise NotFound("attaching to the container: it has no monitor (any more)") from None
    except OSError as e:
        raise CrunpyError.from_os("attaching to the container", e) from e


def keep(run_directory: str, fd: int, key: int, target: str = "") -> None:
    """Have it keep the descriptor `fd` as long as the container lives, or until `drop`.

    key: not 0; several may have one.  target: ADDRESS PORT to which connections to this socket,
    which listens, are passed on.  Raises NotFound, CrunpyError."""
    _ask(run_directory, [(b"k" + _KEY.pack(key) + target.encode(), fd)])


def drop(run_directory: str, key: int) -> None:
    """Have it close what it keeps by this key.  Raises NotFound, CrunpyError."""
    _ask(run_directory, [(b"u" + _KEY.pack(key), -1)])


def answer_names(
    run_directory: str, sockets: tuple[int, ...], directory: str, servers: Sequence[str]
) -> None:
    """Have it answer for names from now on, unless somebody does already.

    sockets: of net/dns.py; directory: of the names; servers: for other names, () for the host's.
    Raises NotFound, CrunpyError."""
    udp, tcp = sockets
    words = "".join(f"{word}\0" for word in (directory, *servers))
    _ask(run_directory, [(b"t", tcp), (b"d" + os.fsencode(words), udp)])


def _ask(run_directory: str, messages: list[tuple[bytes, int]]) -> None:
    """Send messages with their descriptors, and wait for the answer to the last."""
    sock = _socket.socket(fileno=connect(run_directory, "orders.sock"))
    try:
        sock.settimeout(_PATIENCE_S)
        for data, fd in messages:
            rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, _DESCRIPTOR.pack(fd))
            sock.sendmsg([data], [rights] if fd >= 0 else [])
        while said := sock.recv(4096):
            if said[:1] == b"k":
                number = -_ERROR.unpack_from(said, 1)[0]
                if number in (0, _EALREADY):
                    return
                raise OSError(number, os.strerror(number))
    except (BrokenPipeError, ConnectionResetError):
        pass  # it has ended just now
    except OSError as e:
        raise CrunpyError.from_os("telling the container's monitor", e) from e
    finally:
        sock.close()
    raise NotFound("telling the container's monitor: it has ended")
