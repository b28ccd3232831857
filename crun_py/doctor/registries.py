"""Registries and mirrors: whether they answer, and whether their clock is ours."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from crun_py.doctor import kernel
from crun_py.errors import RegistryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from crun_py.doctor.host import Host
    from crun_py.model.system import Finding
    from crun_py.oci.registry.registries import Endpoint, Registries

TIMEOUT_S = 5.0


def places(registries: Registries) -> list[Endpoint]:
    """What is asked: docker.io with its mirrors, and where short names are looked for.  Raises
    RegistryError for one that is blocked."""
    from crun_py.oci.reference import DEFAULT_REGISTRY, Reference

    found: list[Endpoint] = []
    for registry in dict.fromkeys([*registries.search, DEFAULT_REGISTRY]):
        found += registries.endpoints(Reference(registry, "library/none", "latest"))
    once: dict[str, Endpoint] = {}
    for place in found:
        once.setdefault(place.host, place)
    return [*once.values()]


def reached(
    host: Host,
    places: Sequence[Endpoint],
    ask: Callable[[Endpoint], str],
    now_s: Callable[[], float],
) -> Iterator[Finding]:
    """Whether each place answers, and what its clock says.

    ask: gives the Date of the answer (RFC 9110), "" without; raises RegistryError.  now_s: seconds
    since 1970.
    """
    for place in places:
        name = f"mirror {place.host}" if place.is_mirror else f"registry {place.registry}"
        try:
            date = ask(place)
        except RegistryError as e:
            told = host.warning if place.is_mirror else host.error
            fix = f"getent hosts {place.host.partition(':')[0]} && curl -v https://{place.host}/v2/"
            yield told(name, e.message, fix)
            continue
        yield host.ok(name, "answers")
        skew_s = _skew_s(date, now_s())
        if abs(skew_s) > kernel.SKEW_S:
            way = "behind" if skew_s > 0 else "before"
            yield host.error(
                "clock",
                f"{abs(skew_s):.0f} seconds {way} that of {place.host}",
                kernel.set_clock(host),
            )


def _skew_s(date: str, now_s: float) -> float:
    """How much later it is there than here, seconds; 0 where nothing is said."""
    try:
        return parsedate_to_datetime(date).timestamp() - now_s if date else 0.0
    except (ValueError, TypeError):
        return 0.0


def date_of(place: Endpoint) -> str:
    """The Date that the registry at `place` sends.  Raises RegistryError when it does not answer
    within TIMEOUT_S; that it wants a login is an answer."""
    from crun_py.oci.registry.client import Registry
    from crun_py.oci.registry.patience import Patience

    patience = Patience(connect_s=TIMEOUT_S, read_s=TIMEOUT_S, tries=1)
    with Registry(place, patience=patience) as registry:
        return registry.date()
