"""The types of an image's configuration (image-spec, config.md, "Properties").

It comes from whoever made the image: what is of another type is refused by name, once, before
anything is made of it.
"""

from __future__ import annotations

from crun_py.errors import ImageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _names(value: Any) -> bool:
    """An object whose keys alone count."""
    return isinstance(value, dict)


def _labels(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_text, value.values()))


def _number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def _port(text: str) -> bool:
    number, _, protocol = text.partition("/")
    first, dash, last = number.partition("-")
    numbers = [first, last] if dash else [first]
    known = protocol.lower() in ("", "tcp", "udp", "sctp")
    return known and all(n.isascii() and n.isdecimal() and 0 < int(n[:6]) < 65536 for n in numbers)


def _ports(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_port, value))


def _healthcheck(value: Any) -> bool:
    times = ("Interval", "Timeout", "StartPeriod", "StartInterval", "Retries")
    return (
        isinstance(value, dict)
        and (value.get("Test") is None or _texts(value["Test"]))
        and all(value.get(name) is None or _number(value[name]) for name in times)
    )


_TYPES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "Cmd": (_texts, "a list of texts"),
    "Entrypoint": (_texts, "a list of texts"),
    "Env": (_texts, "a list of texts"),
    "OnBuild": (_texts, "a list of texts"),
    "Shell": (_texts, "a list of texts"),
    "ExposedPorts": (_ports, "an object of ports"),
    "Healthcheck": (_healthcheck, "a health check"),
    "Labels": (_labels, "an object of texts"),
    "StopSignal": (_text, "a text"),
    "User": (_text, "a text"),
    "Volumes": (_names, "an object"),
    "WorkingDir": (_text, "a text"),
}


def check(config: dict[str, Any], doing: str) -> None:
    """Raises ImageError for the first property of `config` that has another type."""
    for name, (fits, what) in _TYPES.items():
        value = config.get(name)
        if value is not None and not fits(value):
            raise ImageError(f"{doing}: its {name} is not {what}")
