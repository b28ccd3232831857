"""crunpy system dial-stdio: connect standard input and output with the service."""

from __future__ import annotations

import os
import socket
import subprocess
import time

from crun_py import jsonfile
from crun_py.cli import itself
from crun_py.errors import CrunpyError
from crun_py.model.container import Client
from crun_py.paths import private_dir
from crun_py.remote.streams import Attached

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.engine.context import Context
    from crun_py.values import Values

ARGUMENTS = ""
OPTIONS = ()

_IDLE_S, _START_S, _LOOK_S = 10, 30, 0.02


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Until either side ends.  A client's requests come by several of these at once, and know of
    each other (attach, then start): so all of them lead to one service, which is the one that is
    there, or one that the first of them starts and that ends with the last."""
    with _connected(context) as sock:
        Attached(sock, b"", Client(), reads=True, terminal=False, framed=False).serve()
    return 0


def _connected(context: Context) -> socket.socket:
    directory = private_dir(context.paths.run)
    usual, own = f"{directory}/crunpy.sock", f"{directory}/dial.sock"
    if sock := _connect(usual) or _connect(own):
        return sock
    with jsonfile.Lock(f"{directory}/dial.lock", timeout_s=_START_S):
        if sock := _connect(own):
            return sock
        if os.path.exists(own):
            os.unlink(own)
        service = _begun(context, own)
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline and service.poll() is None:
            if sock := _connect(own):
                return sock
            time.sleep(_LOOK_S)
    raise CrunpyError("dial-stdio: the service did not start", hint="crunpy system service")


def _connect(path: str) -> socket.socket | None:
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.connect(path)
    except OSError:
        sock.close()
        return None
    return sock


def _begun(context: Context, path: str) -> subprocess.Popen[bytes]:
    command = [*itself.program(), "--root", context.paths.root, "--runroot", context.paths.run,
               "system", "service", "-t", str(_IDLE_S), f"unix://{path}"]  # fmt: skip
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True, cwd="/",
    )  # fmt: skip
