"""The types of an image's configuration (image-spec, config.md, "Properties").

It comes from whoever made the image: what is of another type is refused by name, once, before
anything is made of it.
"""

from __future__ import annotations

from crun_py import clock
from crun_py.errors import ImageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def _text(value: object) -> bool:
    return isinstance(value, str)


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _names(value: object) -> bool:
    """An object whose keys alone count."""
    return isinstance(value, dict)


def _labels(value: object) -> bool:
    return isinstance(value, dict) and all(map(_text, value.values()))


def _number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def _port(text: str) -> bool:
    number, _, protocol = text.partition("/")
    first, dash, last = number.partition("-")
    numbers = [first, last] if dash else [first]
    known = protocol.lower() in ("", "tcp", "udp", "sctp")
    return known and all(n.isascii() and n.isdecimal() and 0 < int(n[:6]) < 65536 for n in numbers)


def _ports(value: object) -> bool:
    return isinstance(value, dict) and all(map(_port, value))


def _healthcheck(value: object) -> bool:
    times = ("Interval", "Timeout", "StartPeriod", "StartInterval", "Retries")
    return (
        isinstance(value, dict)
        and (value.get("Test") is None or _texts(value["Test"]))
        and all(value.get(name) is None or _number(value[name]) for name in times)
    )


def _history(value: object) -> bool:
    return isinstance(value, list) and all(map(_step, value))


def _rootfs(value: object) -> bool:
    return isinstance(value, dict) and _texts(value.get("diff_ids"))


def _time(value: object) -> bool:
    return isinstance(value, str) and (not value or bool(clock.valid(value)))


def _step(value: object) -> bool:
    names = ("created_by", "author", "comment")
    return (
        isinstance(value, dict)
        and (value.get("created") is None or _time(value["created"]))
        and all(value.get(name) is None or _text(value[name]) for name in names)
    )


_TYPES: dict[str, tuple[Callable[[object], bool], str]] = {
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


_ABOUT: dict[str, tuple[Callable[[object], bool], str]] = {
    "created": (_time, "a time"),
    "author": (_text, "a text"),
    "comment": (_text, "a text"),
    "docker_version": (_text, "a text"),
    "architecture": (_text, "a text"),
    "variant": (_text, "a text"),
    "os.version": (_text, "a text"),
    "os.features": (_texts, "a list of texts"),
    "rootfs": (_rootfs, "an object with diff_ids"),
    "history": (_history, "a list of steps"),
}


def check(document: dict[str, object], doing: str) -> None:
    """Raises ImageError for the first property of an image config, or of the `config` in it,
    that has another type."""
    config = document.get("config") or {}
    if not isinstance(config, dict):
        raise ImageError(f"{doing}: its config is not an object")
    for values, types in ((document, _ABOUT), (config, _TYPES)):
        for name, (fits, what) in types.items():
            value = values.get(name)
            if value is not None and not fits(value):
                raise ImageError(f"{doing}: its {name} is not {what}")
