"""YAML, and what it may cost: a manifest is a stranger's text."""

from __future__ import annotations

from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_BYTES = 1 << 20
"""The most that Kubernetes itself takes for an object (etcd's 1.5 MiB, a ConfigMap's 1 MiB)."""
_ALIASES = 24
"""Each may stand for all that others stand for: with so few that stays small."""


def documents(data: bytes, what: str) -> list[dict[str, object]]:
    """The documents of a manifest; what: its name for errors.  A List gives its items.

    Raises InvalidArgument for what is no YAML of plain objects, is too large, or has too many
    aliases.
    """
    import yaml

    if len(data) > _BYTES:
        raise InvalidArgument(f"reading {what}: it is larger than {_BYTES} bytes")
    try:
        text = data.decode()
        aliases = sum(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text))
        if aliases > _ALIASES:
            raise InvalidArgument(f"reading {what}: {aliases} aliases are more than {_ALIASES}")
        found = list(yaml.safe_load_all(text))
    except yaml.YAMLError as e:
        mark = getattr(e, "problem_mark", None)
        line = f" line {mark.line + 1}:" if mark else ""
        cause = getattr(e, "problem", "") or str(e).partition("\n")[0]
        raise InvalidArgument(f"reading {what}:{line} {cause}") from None
    except (ValueError, RecursionError, TypeError) as e:
        raise InvalidArgument(f"reading {what}: not YAML that can be read: {e}") from None
    objects: list[dict[str, object]] = []
    for one in found:
        if one is None:
            continue
        if not isinstance(one, dict):
            raise InvalidArgument(f"reading {what}: a document in it is no object")
        items = one.get("items")
        many = items if one.get("kind") == "List" and isinstance(items, list) else [one]
        if not all(isinstance(item, dict) for item in many):
            raise InvalidArgument(f"reading {what}: an item of a List is no object")
        objects += many
    return objects


_WORDS = frozenset("y n yes no on off true false null".split())
"""What is no text for readers of YAML 1.1, Kubernetes' among them; PyYAML leaves y and n bare."""


def _is_plain(text: str) -> bool:
    """Whether a text stays one without quotation marks, for readers of whatever YAML: numbers have
    many forms (0o7, 1_0, 1:30, 1e3)."""
    return text.lower() not in _WORDS and (text[:1].isalpha() or text[:1] == "/")


def written(objects: Sequence[dict[str, object]]) -> str:
    """Objects as the documents of a manifest."""
    import yaml

    own = type("Dumper", (yaml.SafeDumper,), {})

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        style = None if _is_plain(value) else '"'
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    yaml.add_representer(str, text, Dumper=own)
    made: str = yaml.dump_all(
        objects, Dumper=own, sort_keys=False, default_flow_style=False, width=1000
    )
    return made
