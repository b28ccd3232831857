"""Dockerfile instructions as `commit --change` and `import --change` apply them to a config.

Pure.  An instruction is given as `CMD ["a"]` or, as podman takes it too, `CMD=a`.
Dockerfile reference, docs.docker.com.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from crun_py import jsonfile, quantity, signals
from crun_py.clock import parse_span_ms
from crun_py.errors import InvalidArgument
from crun_py.options.expand import expand, split

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Config = dict[str, Any]

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
            except ValueError as e:
                if "${" in str(e) or "does not end" in str(e):
                    raise InvalidArgument(f"change {text!r}: {e}") from None


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


def _words(text: str) -> list[str] | None:
    """The list that a JSON array of strings means; None for anything else."""
    if not text.startswith("["):
        return None
    try:
        value = jsonfile.loads(text)
    except ValueError:
        return None
    good = isinstance(value, list) and all(isinstance(word, str) for word in value)
    return value if good else None


def _command(config: Config, text: str, key: str) -> None:
    words = _words(text)
    config[key] = words if words is not None else [*_SHELL, text] if text else []


def _pairs(config: Config, text: str) -> list[tuple[str, str]]:
    """`K=V K2="V 2"`, or the old form `K V`."""
    variables = _variables(config)
    first = text.split(maxsplit=1)
    if not first:
        raise ValueError("it needs a name and a value")
    if "=" not in first[0]:
        if len(first) < 2:
            raise ValueError("it needs a name and a value")
        return [(expand(first[0], variables), expand(first[1], variables))]
    pairs = [word.partition("=") for word in split(text)]
    if not all(key and sep for key, sep, _ in pairs):
        raise ValueError("not KEY=VALUE")
    return [(expand(key, variables), expand(value, variables)) for key, _, value in pairs]


def _env(config: Config, text: str) -> None:
    variables = _variables(config)
    variables.update(_pairs(config, text))
    config["Env"] = [f"{key}={value}" for key, value in variables.items()]


def _label(config: Config, text: str) -> None:
    config["Labels"] = {**(config.get("Labels") or {}), **dict(_pairs(config, text))}


def _expose(config: Config, text: str) -> None:
    ports = dict(config.get("ExposedPorts") or {})
    for word in expand(text, _variables(config)).split():
        number, _, protocol = word.partition("/")
        first, _, last = number.partition("-")
        if not quantity.is_number(first) or not quantity.is_number(last or first):
            raise ValueError("not PORT[/PROTOCOL]")
        if not 0 < int(first) <= int(last or first) < 65536:
            raise ValueError("not a port")
        for port in range(int(first), int(last or first) + 1):
            ports[f"{port}/{(protocol or 'tcp').lower()}"] = {}
    config["ExposedPorts"] = ports


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


def _onbuild(config: Config, text: str) -> None:
    keyword = text.split(maxsplit=1)[0].upper() if text else ""
    if keyword in ("", "ONBUILD", "FROM", "MAINTAINER"):
        raise ValueError(f"{keyword or 'nothing'} cannot come after ONBUILD")
    config["OnBuild"] = [*(config.get("OnBuild") or []), text]


_SPANS = {"--interval": "Interval", "--timeout": "Timeout", "--start-period": "StartPeriod",
          "--start-interval": "StartInterval"}  # fmt: skip


def _healthcheck(config: Config, text: str) -> None:
    found: dict[str, Any] = {}
    while text.startswith("--"):
        option, _, text = text.partition(" ")
        name, _, value = option.partition("=")
        text = text.lstrip()
        if name == "--retries" and quantity.is_number(value):
            found["Retries"] = int(value)
        elif name in _SPANS:
            found[_SPANS[name]] = parse_span_ms(value, name) * 1_000_000
        else:
            raise ValueError(f"option {option} is not known")
    keyword, _, command = text.partition(" ")
    if keyword.upper() == "NONE" and not command.strip():
        config["Healthcheck"] = {"Test": ["NONE"]}
        return
    if keyword.upper() != "CMD" or not command.strip():
        raise ValueError("CMD and a command, or NONE, must follow")
    words = _words(command.strip())
    test = ["CMD-SHELL", command.strip()] if words is None else ["CMD", *words]
    config["Healthcheck"] = {"Test": test, **found}


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
