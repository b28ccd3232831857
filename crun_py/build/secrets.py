"""--secret: what `RUN --mount=type=secret` shows (docker-build(1), podman-build(1); BuildKit,
session/secrets)."""

from __future__ import annotations

import errno
import os
import stat

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
    """source: a file; env: a variable; neither: the variable, or else the file, called `id`."""

    id: str
    source: str = ""
    env: str = ""


def parse(text: str) -> Secret:
    """The secret that `--secret=text` gives: `id=X[,src=FILE|,env=NAME][,type=file|env]`.

    Raises InvalidArgument.
    """
    given: dict[str, str] = {}
    for field in text.split(","):
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
    if kind == "env":
        source, env = "", env or source or id_
    elif kind == "file":
        source = source or id_
    if source and env:
        raise InvalidArgument(f"secret {text!r}: it is a file or a variable, not both")
    return Secret(id=id_, source=source, env=env)


def content(secret: Secret, environment: Mapping[str, str]) -> bytes:
    """What is secret.  Files are relative to the working directory.

    Raises NotFound, InvalidArgument for too much of it, CrunpyError.
    """
    name = secret.env or ("" if secret.source else secret.id)
    if name in environment:
        return _limited(os.fsencode(environment[name]), secret)
    if secret.env:
        raise NotFound(
            f"secret {secret.id}: the variable {secret.env} is not set",
            hint=hint(secret.env, environment) or f"export {secret.env}",
        )
    path = secret.source or secret.id
    try:
        return _limited(_read(path), secret)
    except OSError as e:
        if e.errno == errno.ENOENT and not secret.source:
            raise NotFound(
                f"secret {secret.id}: neither a variable nor a file of that name is there",
                hint="--secret id=NAME,src=FILE or id=NAME,env=VARIABLE",
            ) from e
        kind = NotFound if e.errno == errno.ENOENT else CrunpyError
        raise kind.from_os(f"secret {secret.id}: reading {path}", e) from e


def _read(path: str) -> bytes:
    """At most one byte more than is allowed of what the user named, perhaps a pipe."""
    fd = os.open(path, os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    with open(fd, "rb") as file:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        return file.read(LIMIT_BYTES + 1)


def _limited(data: bytes, secret: Secret) -> bytes:
    if len(data) > LIMIT_BYTES:
        raise InvalidArgument(
            f"secret {secret.id}: it is larger than {LIMIT_BYTES >> 10} KiB",
            hint="RUN --mount=type=bind shows larger files, which are not in the image either",
        )
    return data
