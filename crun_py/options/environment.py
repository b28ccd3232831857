"""The environment of a container: the image's, the engine's, the options'.

Reads nothing but its arguments, our environment and the files that options name.
"""

from __future__ import annotations

import os

from crun_py import jsonfile, spec
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PROXIES = [
    word
    for name in ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy")
    for word in (name, name.upper())
]


def chosen_environment(config: dict[str, Any], options: dict[str, Any]) -> list[str]:
    """The variables of the image and of the options, without those that the engine sets."""
    variables = dict(entry.partition("=")[::2] for entry in config.get("Env") or [])
    apply(variables, options)
    return [f"{key}={value}" for key, value in variables.items()]


def environment(
    record: dict[str, Any], config: dict[str, Any], options: dict[str, Any], home: str
) -> list[str]:
    """The whole environment of a container's command."""
    variables = {"PATH": spec.PATH, "HOSTNAME": record["hostname"]}
    if record["config"]["tty"]:
        variables["TERM"] = "xterm"
    if options.get("http_proxy") is not False:
        variables |= {name: os.environ[name] for name in _PROXIES if name in os.environ}
    if options.get("env_host"):
        variables |= dict(os.environ)
    for entries in (options.get("default_env"), config.get("Env")):
        variables |= dict(entry.partition("=")[::2] for entry in entries or [])
    if options.get("unsetenv_all"):
        variables = {}
    for name in options.get("unsetenv") or []:
        variables.pop(name, None)
    apply(variables, options)
    for text in options.get("env_merge") or []:
        key, sep, value = text.partition("=")
        if not key or not sep:
            raise InvalidArgument(f"environment {text!r}: not KEY=VALUE")
        variables[key] = _filled_in(value, variables)
    variables.setdefault("HOME", home)
    return [f"{key}={value}" for key, value in variables.items()]


def _filled_in(text: str, variables: dict[str, str]) -> str:
    """`text` with ${NAME} and $NAME replaced by what the image says."""
    result, rest = "", text
    while "$" in rest:
        before, _, rest = rest.partition("$")
        if rest.startswith("{"):
            name, _, rest = rest[1:].partition("}")
        else:
            end = next((i for i, c in enumerate(rest) if not (c.isalnum() or c == "_")), len(rest))
            name, rest = rest[:end], rest[end:]
        result += before + variables.get(name, "")
    return result + rest


def with_files(values: dict[str, Any]) -> dict[str, Any]:
    """The options with the lines of --env-file among those of --env: a pipe is read once.
    Raises InvalidArgument."""
    if not values.get("env_file"):
        return values
    lines = [line for path in values["env_file"] for line in lines_of(path, "environment")]
    return {**values, "env_file": [], "env": [*lines, *(values.get("env") or [])]}


def apply(variables: dict[str, str], options: dict[str, Any]) -> None:
    """Change `variables` as --env-file and --env say.  Raises InvalidArgument."""
    for key, value in environment_options(options).items():
        if value is None:
            variables.pop(key, None)
        else:
            variables[key] = value


def environment_options(options: dict[str, Any]) -> dict[str, str | None]:
    """--env-file and --env, the later ones winning; KEY alone copies ours (None: it is not set
    here, and then not in the container), KEY* all that begin so.  Raises InvalidArgument."""
    entries = []
    for path in options.get("env_file") or []:
        entries += lines_of(path, "environment")
    entries += options.get("env") or []
    variables: dict[str, str | None] = {}
    for entry in entries:
        key, sep, value = entry.partition("=")
        if not key or "\0" in entry:
            raise InvalidArgument(f"environment {entry!r}: not KEY=VALUE")
        if sep:
            variables[key] = value
        elif key.endswith("*"):
            variables |= {k: v for k, v in os.environ.items() if k.startswith(key[:-1])}
        else:
            variables[key] = os.environ.get(key)
    return variables


def lines_of(path: str, what: str) -> list[str]:
    """The KEY=VALUE lines of a file; those that begin with # are comments.

    what: "environment" or "label".  Raises InvalidArgument.
    """
    try:
        text = jsonfile.read_bytes(path).decode("utf-8-sig")
    except OSError as e:
        raise InvalidArgument.from_os(f"reading {what} file {path}", e) from e
    except UnicodeDecodeError:
        raise InvalidArgument(f"reading {what} file {path}: not UTF-8") from None
    lines = []
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.removesuffix("\r").lstrip()
        if not line or line.startswith("#"):
            continue
        key = line.partition("=")[0]
        if not key or any(c.isspace() for c in key):
            raise InvalidArgument(f"{what} file {path}, line {number}: {key!r} is no name")
        lines.append(line)
    return lines
