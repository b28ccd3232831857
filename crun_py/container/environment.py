"""The environment of a container: the image's, the engine's, what was asked for.  Pure."""

from __future__ import annotations

from crun_py import spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from crun_py.documents.container import Record
    from crun_py.documents.image import ImageConfig
    from crun_py.model.container import Environment


def chosen_environment(config: ImageConfig, asked: Environment) -> list[str]:
    """The variables of the image and those asked for, without those that the engine sets."""
    variables = dict(entry.partition("=")[::2] for entry in config.get("Env") or [])
    apply(variables, asked.variables)
    return [f"{key}={value}" for key, value in variables.items()]


def environment(record: Record, config: ImageConfig, asked: Environment, home: str) -> list[str]:
    """The whole environment of a container's command."""
    variables = {"PATH": spec.PATH, "HOSTNAME": record["hostname"]}
    if record["config"]["tty"]:
        variables["TERM"] = "xterm"
    variables |= asked.inherited
    variables |= dict(entry.partition("=")[::2] for entry in config.get("Env") or [])
    if asked.without_image:
        variables = {}
    for name in asked.without:
        variables.pop(name, None)
    apply(variables, asked.variables)
    for key, value in asked.merged.items():
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


def apply(variables: dict[str, str], changes: Mapping[str, str | None]) -> None:
    """Change `variables`; None takes one away."""
    for key, value in changes.items():
        if value is None:
            variables.pop(key, None)
        else:
            variables[key] = value
