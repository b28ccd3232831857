"""Who decides about the system calls of a container's that its seccomp filter asks about
(config-linux.md, "The Container Process State"; seccomp_unotify(2))."""

from __future__ import annotations

from crun_py import jsonfile
from crun_py.errors import CrunpyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.spec import Spec

_NAME = "seccompFd"
_PATIENCE_S = 10


def tell(spec: Spec, container: dict[str, object], pid: int, fd: int) -> None:
    """Hand the descriptor `fd` of a filter to the program that listens at its listenerPath.

    container: its state.  pid: of the process that has the filter.  Raises CrunpyError.
    """
    import socket

    seccomp = spec["linux"]["seccomp"]
    path = seccomp["listenerPath"]
    told = {
        "ociVersion": spec["ociVersion"],
        "fds": [_NAME],
        "pid": pid,
        "metadata": seccomp.get("listenerMetadata", ""),
        "state": container,
    }
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(_PATIENCE_S)
            sock.connect(path)
            data = jsonfile.dumps(told).encode()
            sent = socket.send_fds(sock, [data], [fd])
            sock.sendall(data[sent:])
    except OSError as e:
        raise CrunpyError.from_os(f"handing seccomp's listener to {path}", e) from e
