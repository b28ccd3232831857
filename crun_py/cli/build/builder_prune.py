"""crunpy builder prune: remove what builds keep for the builds to come."""

from __future__ import annotations

from crun_py import quantity
from crun_py.cli.ask import confirmed
from crun_py.cli.output import write
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument
from crun_py.show.listing import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values
ARGUMENTS = ""
_STEPS, _MOUNTS = ("layer", "config"), ("mount",)
_TYPES: dict[str, tuple[str, ...]] = {
    "layer": _STEPS, "regular": _STEPS, "mount": _MOUNTS, "exec.cachemount": _MOUNTS,
}  # fmt: skip
OPTIONS = (
    ("-a --all", "flag", "Everything (always so unless a filter says otherwise)", ""),
    ("-f --force", "flag", "Do not ask", ""),
    ("--filter", "list", "until=24h: what was not wanted for so long; type=layer|mount", "FILTER"),
    ("--keep-storage --reserved-space", "value", "How much may stay", "SIZE"),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Prune and say what was won."""
    from crun_py.build import keep

    older_s, kinds = _parsed(values.texts("filter"))
    text = values.maybe("keep_storage")
    most = quantity.size(text, "keep storage") if text else 0
    if not values.flag("force") and not confirmed("WARNING! This will remove all build cache.\n"):
        return 0
    context.enter()
    gone, size = keep.prune(context.paths, older_s=older_s, keep_bytes=most, kinds=kinds)
    for text in dict.fromkeys(one.text for one in gone if one.kind != "config"):
        write(text.rpartition(":")[2][:25])
    write(f"Total reclaimed space: {human_size(size)}")
    return 0


def _parsed(filters: list[str]) -> tuple[float, tuple[str, ...]]:
    """(how many seconds unused, which kinds) is pruned.  Raises InvalidArgument."""
    from crun_py.build import keep
    from crun_py.clock import parse_span_ms

    seconds = 0.0
    kinds: tuple[str, ...] = keep.KINDS
    for text in filters:
        key, _, value = text.partition("=")
        if key in ("until", "unused-for"):
            seconds = parse_span_ms(value, "until") / 1000
        elif key == "type" and value in _TYPES:
            kinds = _TYPES[value]
        else:
            raise InvalidArgument(f"filter {text!r}: not known", hint="until=24h, type=layer|mount")
    return seconds, kinds
