"""What --secret says (podman-run(1)).  Pure."""

from __future__ import annotations

from crun_py import quantity
from crun_py.errors import InvalidArgument
from crun_py.model.container import SecretUse

_KEYS = ("type", "target", "uid", "gid", "mode")
_HIGHEST_ID = (1 << 32) - 2


def use(text: str) -> SecretUse:
    """NAME[,type=mount|env,target=,uid=,gid=,mode=], or source=NAME or id=NAME with them.

    Raises InvalidArgument.
    """
    name, *rest = text.split(",")
    pairs = [part.partition("=") for part in rest]
    if "=" in name:
        pairs = [part.partition("=") for part in text.split(",")]
        name = next((v for key, _, v in pairs if key in ("source", "src", "id")), "")
        pairs = [pair for pair in pairs if pair[0] not in ("source", "src", "id")]
    given = {key: value for key, _, value in pairs}
    for key, equals, _ in pairs:
        if key not in _KEYS or not equals:
            raise InvalidArgument(f"secret {text!r}: {key!r} is not known", hint=", ".join(_KEYS))
    if not name:
        raise InvalidArgument(f"secret {text!r}: no name")
    kind = given.get("type", "mount")
    if kind not in ("mount", "env"):
        raise InvalidArgument(f"secret {text!r}: type {kind!r} is not mount or env")
    if kind == "env":
        if {"uid", "gid", "mode"} & given.keys():
            raise InvalidArgument(f"secret {text!r}: a variable has no uid, gid or mode")
        variable = given.get("target") or name
        if "=" in variable or "\0" in variable:
            raise InvalidArgument(f"secret {text!r}: {variable!r} is not a variable's name")
        return SecretUse(name, variable=variable)
    target = given.get("target", "")
    if ".." in target.split("/") or "\0" in target or target.endswith("/"):
        raise InvalidArgument(f"secret {text!r}: target {target!r} is not a file's path")
    return SecretUse(
        name,
        target=target,
        uid=quantity.whole(given.get("uid", "0"), "uid", 0, _HIGHEST_ID),
        gid=quantity.whole(given.get("gid", "0"), "gid", 0, _HIGHEST_ID),
        mode=_mode(text, given.get("mode", "444")),
    )


def _mode(text: str, mode: str) -> int:
    try:
        number = int(mode.removeprefix("0o"), 8)
    except ValueError:
        number = -1
    if not 0 <= number <= 0o7777 or not mode.isascii():
        raise InvalidArgument(f"secret {text!r}: mode {mode!r} is not octal")
    return number
