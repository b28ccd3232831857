"""crunpy system connection add."""

from __future__ import annotations

from crun_py.remote import connections
from crun_py.remote.connections import Connection
from crun_py.remote.endpoint import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.engine.context import Context
    from crun_py.values import Values

ARGUMENTS = "NAME ADDRESS"
OPTIONS = (
    ("-d --default", "flag", "It becomes the default", ""),
    ("--identity", "value", "A key for ssh", "FILE"),
    ("-p --port", "value", "The port of ssh", "N"),
    ("--socket-path", "value", "The socket on the other machine", "PATH"),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Keep it; prints nothing."""
    name, uri = arguments
    if "://" not in uri and not uri.startswith("/"):
        uri = f"ssh://{uri}"
    place = parse(uri)
    if place.kind == "ssh":
        at = f"{place.user}@" if place.user else ""
        port = values.text("port") or str(place.port or "")
        path = values.text("socket_path") or place.path
        host = f"[{place.host}]" if ":" in place.host else place.host
        uri = f"ssh://{at}{host}{':' + port if port else ''}{path}"
    connections.add(Connection(
        name=name, uri=uri, identity=values.text("identity"), default=values.flag("default")
    ))  # fmt: skip
    return 0
