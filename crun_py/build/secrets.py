"""--secret: what `RUN --mount=type=secret` shows (docker-build(1), podman-build(1); BuildKit,
session/secrets)."""

from __future__ import annotations

import os

from crun_py.build.mounts import fields
from crun_py.build.nearest import hint
from crun_py.errors import CrunpyError, InvalidArgument, NotFound
from crun_py.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

LIMIT_BYTES = 500 << 10
"""The largest secret, as BuildKit has it."""
_KEYS = ("id", "type", "src", "source", "env")
_TYPES = ("file", "env")


@record
class Secret:
    """source: the path of a file.  env: a variable, which comes first where there are both."""

    id: str
    source: str = ""
    env: str = ""


def parse(text: str, directory: str) -> Secret:
    """The secret that `--secret=text` gives: `id=X[,src=FILE|,env=NAME][,type=file|env]`.

    With an id alone it is the variable of that name, or else the file.  directory: where
    relative paths begin.  Raises InvalidArgument.
    """
    given: dict[str, str] = {}
    for field in fields(text):
        key, sep, value = field.partition("=")
        if key not in _KEYS:
            near = hint(key, _KEYS) or "id=NAME,src=FILE or id=NAME,env=VARIABLE"
            raise InvalidArgument(f"secret {text!r}: key {key!r} is not known", hint=near)
        if not sep or not value:
            raise InvalidArgument(f"secret {text!r}: {key} needs a value", hint=f"{key}=…")
        given["src" if key == "source" else key] = value
    kind = given.get("type", "")
    if kind not in ("", *_TYPES):
        raise InvalidArgument(f"secret {text!r}: type {kind} is not known", hint="file or env")
    id_, source, env = (given.get(key, "") for key in ("id", "src", "env"))
    if not id_:
        raise InvalidArgument(f"secret {text!r}: it has no id", hint="id=NAME,src=FILE")
    if source and env:
        raise InvalidArgument(f"secret {text!r}: it is a file or a variable, not both")
    if kind == "env":
        source, env = "", env or source or id_
    elif kind == "file" or not (source or env):
        source, env = source or id_, "" if kind else id_
    return Secret(id=id_, source=source and os.path.join(directory, source), env=env)


def content(secret: Secret, environment: Mapping[str, str]) -> bytes:
    """What is secret.  Raises NotFound, InvalidArgument for too much of it, CrunpyError."""
    if secret.env in environment:
        return _limited(os.fsencode(environment[secret.env]), secret)
    if not secret.source:
        raise NotFound(
            f"secret {secret.id}: the variable {secret.env} is not set",
            hint=hint(secret.env, environment) or f"export {secret.env}",
        )
    try:
        return _limited(_read(secret.source), secret)
    except FileNotFoundError as e:
        what = f"no variable {secret.env}, and no file {secret.source}" if secret.env else (
            f"no file {secret.source}"
        )  # fmt: skip
        raise NotFound(
            f"secret {secret.id}: {what}", hint="--secret id=NAME,src=FILE or id=NAME,env=VARIABLE"
        ) from e
    except OSError as e:
        raise CrunpyError.from_os(f"secret {secret.id}: reading {secret.source}", e) from e


def _read(path: str) -> bytes:
    """At most one byte more than is allowed of what the user named, perhaps a pipe."""
    with open(path, "rb") as file:
        return file.read(LIMIT_BYTES + 1)


def _limited(data: bytes, secret: Secret) -> bytes:
    if len(data) > LIMIT_BYTES:
        raise InvalidArgument(
            f"secret {secret.id}: it is larger than {LIMIT_BYTES >> 10} KiB",
            hint="RUN --mount=type=bind shows larger files, which are not in the image either",
        )
    return data
