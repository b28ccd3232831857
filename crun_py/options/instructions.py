"""Dockerfile instructions as `commit --change` and `import --change` apply them to a config,
and what the arguments of single instructions mean, for `build` too.

Pure.  An instruction is given as `CMD ["a"]` or, as podman takes it too, `CMD=a`.
Dockerfile reference, docs.docker.com.
"""

from __future__ import annotations

import os

from crun_py import jsonfile, quantity, signals
from crun_py.clock import parse_span_ms
from crun_py.errors import InvalidArgument
from crun_py.options.expand import Malformed, expand, split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Literal

    from crun_py.documents.image import HealthCheck
    from crun_py.documents.image import ImageConfig as Config

_SHELL = ["/bin/sh", "-c"]


def apply(config: Config, changes: list[str]) -> None:
    """Change `config` (the `config` of an image config) in place.  Raises InvalidArgument.

    Variables in them are those that `config` has by then.
    """
    given = set()
    for text in changes:
        keyword, rest = _parsed(text)
        try:
            _KNOWN[keyword](config, rest)
        except (ValueError, InvalidArgument) as e:
            raise InvalidArgument(f"change {text!r}: {e}") from None
        given.add(keyword)
        if keyword == "ENTRYPOINT" and "CMD" not in given:
            # the arguments of the old entry point mean nothing to the new one
            config.pop("Cmd", None)


def check(changes: list[str]) -> None:
    """Raises InvalidArgument for what `apply` would refuse whatever the variables are."""
    for text in changes:
        keyword, rest = _parsed(text)
        if "$" not in rest:
            apply({}, [text])
        elif keyword in _EXPANDED:
            try:
                expand(rest, {})
            except Malformed as e:
                raise InvalidArgument(f"change {text!r}: {e}") from None
            except ValueError:
                pass  # it depends on the values


def _parsed(text: str) -> tuple[str, str]:
    """(keyword, what follows it) of an instruction."""
    stripped = text.strip()
    name = stripped.split(maxsplit=1)[0].partition("=")[0] if stripped else ""
    if name.upper() not in _KNOWN:
        raise InvalidArgument(
            f"change {text!r}: not known", hint="known: " + ", ".join(sorted(_KNOWN))
        )
    return name.upper(), stripped[len(name) :].removeprefix("=").strip()


def _variables(config: Config) -> dict[str, str]:
    return dict(entry.partition("=")[::2] for entry in config.get("Env") or [])


def json_list(text: str) -> list[object] | None:
    """The list that a JSON array means, whatever follows it; None for anything else, which is a
    shell's text."""
    if not text.startswith("["):
        return None
    try:
        found = jsonfile.first(text)
    except ValueError:
        return None
    return found if isinstance(found, list) else None


def _words(text: str) -> list[str] | None:
    """The list that a JSON array of strings means; None for anything else."""
    found = json_list(text)
    words = [word for word in found or () if isinstance(word, str)]
    return None if found is None or len(words) < len(found) else words


def _command(config: Config, text: str, key: Literal["Cmd", "Entrypoint"]) -> None:
    words = _words(text)
    config[key] = words if words is not None else [*_SHELL, text] if text else []


def pairs(text: str, escape: str = "\\") -> list[tuple[str, str]]:
    """The names and values of ENV and LABEL, variables and quotes as they stand:
    `K=V K2="V 2"`, or the old form `K V`.  Raises ValueError."""
    words = split(text, escape)
    if not words:
        raise ValueError("it needs a name and a value")
    if "=" not in words[0]:
        key, *rest = text.split(maxsplit=1)
        if not rest:
            raise ValueError("it needs a name and a value")
        return [(key, rest[0])]
    for word in words:
        key, sep, _ = word.partition("=")
        if not key or not sep:
            raise ValueError(f"{word!r} is not KEY=VALUE")
    return [word.partition("=")[::2] for word in words]


def _pairs(config: Config, text: str) -> list[tuple[str, str]]:
    variables = _variables(config)
    return [(expand(key, variables), expand(value, variables)) for key, value in pairs(text)]


def _env(config: Config, text: str) -> None:
    variables = _variables(config)
    variables.update(_pairs(config, text))
    config["Env"] = [f"{key}={value}" for key, value in variables.items()]


def _label(config: Config, text: str) -> None:
    config["Labels"] = {**(config.get("Labels") or {}), **dict(_pairs(config, text))}


def ports(text: str) -> list[str]:
    """`80 90-91/udp` as 80/tcp, 90/udp and 91/udp.  Raises ValueError."""
    found = []
    for word in text.split():
        number, _, protocol = word.partition("/")
        first, _, last = number.partition("-")
        if not quantity.is_number(first) or not quantity.is_number(last or first):
            raise ValueError(f"{word!r} is not PORT[/PROTOCOL]")
        if not 0 < int(first) <= int(last or first) < 65536:
            raise ValueError(f"{word!r} is not a port")
        protocol = (protocol or "tcp").lower()
        found += [f"{port}/{protocol}" for port in range(int(first), int(last or first) + 1)]
    return found


def _expose(config: Config, text: str) -> None:
    found = ports(expand(text, _variables(config)))
    config["ExposedPorts"] = {**(config.get("ExposedPorts") or {}), **{port: {} for port in found}}


def _volume(config: Config, text: str) -> None:
    paths = _words(text)
    paths = [expand(w, _variables(config)) for w in (split(text) if paths is None else paths)]
    if not paths or not all(paths):
        raise ValueError("it needs a path")
    config["Volumes"] = {**(config.get("Volumes") or {}), **{path: {} for path in paths}}


def _workdir(config: Config, text: str) -> None:
    text = expand(text, _variables(config))
    if not text:
        raise ValueError("it needs a path")
    config["WorkingDir"] = os.path.normpath(os.path.join(config.get("WorkingDir") or "/", text))


def _user(config: Config, text: str) -> None:
    text = expand(text, _variables(config))
    if not text:
        raise ValueError("it needs a user")
    config["User"] = text


def _stop_signal(config: Config, text: str) -> None:
    text = expand(text, _variables(config))
    signals.number(text)
    config["StopSignal"] = text


def check_trigger(text: str) -> None:
    """Raises ValueError for what ONBUILD cannot hold."""
    keyword = text.split(maxsplit=1)[0].upper() if text.strip() else ""
    if keyword in ("", "ONBUILD", "FROM", "MAINTAINER"):
        raise ValueError(f"{keyword or 'nothing'} cannot come after ONBUILD")


def _onbuild(config: Config, text: str) -> None:
    check_trigger(text)
    config["OnBuild"] = [*(config.get("OnBuild") or []), text]


_SPANS: dict[str, Literal["Interval", "Timeout", "StartPeriod", "StartInterval"]] = {
    "--interval": "Interval", "--timeout": "Timeout", "--start-period": "StartPeriod",
    "--start-interval": "StartInterval",
}  # fmt: skip


def healthcheck(options: Iterable[tuple[str, str]], text: str) -> HealthCheck:
    """The Healthcheck of a config, times in nanoseconds, that the options (with their --) and
    `CMD command` or `NONE` mean.  Raises ValueError and InvalidArgument."""
    found: HealthCheck = {}
    for name, value in options:
        if name == "--retries" and quantity.is_number(value):
            found["Retries"] = int(value)
        elif name in _SPANS:
            found[_SPANS[name]] = parse_span_ms(value, name) * 1_000_000
            if not found[_SPANS[name]] and value.strip("0.hmsuµn"):
                raise ValueError(f"option {name}={value}: shorter than 1ms")
        else:
            raise ValueError(f"option {name}={value} is not known")
    keyword, *rest = text.split(maxsplit=1) or [""]
    if keyword.upper() == "NONE" and not rest:
        return {"Test": ["NONE"]}
    if keyword.upper() != "CMD" or not rest:
        raise ValueError("CMD and a command, or NONE, must follow")
    words = _words(rest[0].strip())
    test = ["CMD-SHELL", rest[0].strip()] if words is None else ["CMD", *words]
    return {"Test": test, **found}


def _healthcheck(config: Config, text: str) -> None:
    options = []
    while text.startswith("--"):
        option, _, text = text.partition(" ")
        options.append(option.partition("=")[::2])
        text = text.lstrip()
    config["Healthcheck"] = healthcheck(options, text)


_EXPANDED = ("ENV", "EXPOSE", "LABEL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR")
_KNOWN: dict[str, Callable[[Config, str], None]] = {
    "CMD": lambda config, text: _command(config, text, "Cmd"),
    "ENTRYPOINT": lambda config, text: _command(config, text, "Entrypoint"),
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "ONBUILD": _onbuild,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
