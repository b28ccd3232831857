"""crunpy system service."""

from __future__ import annotations

import asyncio
import os

from crun_py.cli.output import write_error, write_warning
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.api.listening import Tls
    from crun_py.values import Values

ARGUMENTS = "[SOCKET...]"
TLS_OPTIONS = (
    ("--tls", "flag", "TLS on TCP", ""),
    ("--tlsverify", "flag", "TLS on TCP, and clients need a certificate", ""),
    ("--tlscacert", "value", "Who signs the clients' certificates (~/.docker/ca.pem)", "FILE"),
    ("--tlscert", "value", "Our certificate (~/.docker/cert.pem)", "FILE"),
    ("--tlskey", "value", "Our certificate's key (~/.docker/key.pem)", "FILE"),
    ("--insecure-tcp", "flag", "Let TCP beyond this machine do without TLS", ""),
)
OPTIONS = (
    ("-H --host", "list", "Listen there, too: unix:///PATH, tcp://127.0.0.1:PORT, fd://", "SOCKET"),
    ("-t --time", "value", "End after so many idle seconds (0: never)", "SECONDS"),
    ("--cors", "list", "Web pages of this origin may ask (https://a.example; *: all)", "ORIGIN"),
    *TLS_OPTIONS,
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Serve until a signal or the end of the idle time."""
    try:
        idle_s = float(values.text("time") or 0)
    except ValueError:
        raise InvalidArgument(f"time {values.text('time')!r}: not a number of seconds") from None
    return serve(values, [*arguments, *values.texts("host")], context, idle_s=idle_s,
                 origins=values.texts("cors"))  # fmt: skip


def serve(
    values: Values, places: list[str], context: Context, *, idle_s: float, origins: list[str]
) -> int:
    """Listen at `places` (none: what systemd hands over, else the usual one) with TLS as `values`
    say, and serve."""
    from crun_py import aio
    from crun_py.api import listening, service

    own = os.environ.get("LISTEN_PID") == str(os.getpid())
    handed_over = int(os.environ.get("LISTEN_FDS") or 0) if own else 0
    usual = "fd://" if handed_over else f"unix://{context.paths.run}/crunpy.sock"
    places = places or [usual]
    tls = tls_files(values)
    wrapped = listening.context(tls) if tls else None
    verified = bool(tls and tls.verify)
    beyond = verified or values.flag("insecure_tcp")
    sockets = listening.listening(places, handed_over, beyond=beyond)

    def tell() -> None:
        for place in places:
            if place.startswith("tcp:") and not verified:
                write_warning(f"everybody who connects to {place} may do what you may")
            write_error(f"API listen on {place}")

    async def served() -> None:
        async with aio.Engine(root=context.paths.root, runroot=context.paths.run,
                              on_warning=lambda _: None) as engine:  # fmt: skip
            made = service.Service(engine, idle_s=idle_s, origins=origins)
            await made.run(sockets, wrapped, ready=tell)

    try:
        asyncio.run(served())
    finally:
        for place in places:
            if place.startswith("unix://") and os.path.exists(place[7:]):
                os.unlink(place[7:])
    return 0


def tls_files(values: Values) -> Tls | None:
    """What TLS is made of, None without."""
    from crun_py.api.listening import Tls

    verify = values.flag("tlsverify")
    if not verify and not values.flag("tls"):
        return None
    home = os.environ.get("DOCKER_CERT_PATH") or os.path.expanduser("~/.docker")
    return Tls(
        certificate=values.text("tlscert") or f"{home}/cert.pem",
        key=values.text("tlskey") or f"{home}/key.pem",
        ca=values.text("tlscacert") or f"{home}/ca.pem",
        verify=verify,
    )
