"""A parsed command line whose verb is carried out by a service."""

from __future__ import annotations

from crun_py.cli.remote.verbs import REFUSED, VERBS
from crun_py.cli.verbs import HERE
from crun_py.errors import Unsupported
from crun_py.paths import Paths
from crun_py.remote import choice
from crun_py.remote.client import Remote
from crun_py.remote.endpoint import described

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.cli.fast import Call
    from crun_py.remote.endpoint import Endpoint
    from crun_py.values import Values


_HERE_ALONE = ("dry_run",)
"""Options that no API has, and that must not be passed over: the service would do it."""


def endpoint(general: Values) -> Endpoint | None:
    """Where options before the verb and the environment lead; None: here, without a service.

    Raises InvalidArgument, NotFound."""
    paths = Paths(general.maybe("root"), general.maybe("runroot"))
    return choice.chosen(choice.Asked(
        host=general.maybe("host"), context=general.text("context"),
        connection=general.text("connection"), remote=general.flag("remote"),
        tls=general.flag("tls"), verify=general.switch("tlsverify"),
        ca=general.text("tlscacert"), certificate=general.text("tlscert"),
        key=general.text("tlskey"), identity=general.text("identity"),
        usual=f"{paths.run}/crunpy.sock",
    ))  # fmt: skip


def refuse(verb: str, place: Endpoint) -> None:
    """Raises Unsupported for a verb that means nothing there."""
    if verb in VERBS:
        return
    why = REFUSED.get(verb, "it is about this machine" if verb in HERE else "no part of the API")
    raise Unsupported(
        f"{verb}: not on {described(place)}: {why}",
        hint=f"there: crunpy {verb}; here: DOCKER_HOST= crunpy -H '' {verb}",
    )


def execute(call: Call, place: Endpoint) -> int:
    """Carry the verb out there; returns the exit status.  Raises CrunpyError."""
    if any(map(call.values.given, _HERE_ALONE)):
        raise Unsupported(
            f"{call.verb} --dry-run: not on {described(place)}: the API has no such thing",
            hint="only where the engine itself is",
        )
    module, _, name = VERBS[call.verb].partition(".")
    found = __import__(f"crun_py.cli.remote.{module}", fromlist=[name])
    with Remote(place) as remote:
        result: int = getattr(found, name)(call.values, call.arguments, remote)
    return result
