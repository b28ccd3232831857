"""Secrets of a store: small texts for containers that are in no image, record or log.

    ROOT/secrets/NAME/secret.json   id, times, labels
    ROOT/secrets/NAME/data          what it holds, mode 0600

A secret is made in a directory beside and renamed: who sees it sees all of it.
"""

from __future__ import annotations

import os
import shutil

from crun_py import jsonfile
from crun_py.clock import now
from crun_py.errors import Conflict, CorruptState, CrunpyError, InvalidArgument, NotFound
from crun_py.model.secret import SecretInfo
from crun_py.paths import Paths, private_dir
from crun_py.record import from_json, replaced, to_json

MAX_BYTES = 512000
"""podman's limit."""


def directory(paths: Paths) -> str:
    """Where they are."""
    return paths.root + "/secrets"


def check_name(name: str) -> None:
    """Raises InvalidArgument unless a secret can be called so (podman-secret-create(1))."""
    plain = name.replace("_", "").replace(".", "").replace("-", "")
    if not (0 < len(name) <= 253 and name.isascii() and plain.isalnum() and name[0].isalnum()):
        raise InvalidArgument(
            f"secret name {name!r} is not valid",
            hint="letters, digits, '_', '.' and '-', beginning with a letter or digit",
        )


def create(
    paths: Paths,
    name: str,
    data: bytes,
    *,
    labels: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
    replace: bool = False,
) -> SecretInfo:
    """Keep `data`; replace: instead of what a secret of this name holds.

    Raises Conflict when there is one, InvalidArgument.
    """
    check_name(name)
    if not 0 < len(data) <= MAX_BYTES:
        raise InvalidArgument(f"secret {name}: {len(data)} bytes, not 1 to {MAX_BYTES}")
    private_dir(directory(paths))
    with jsonfile.Lock(directory(paths) + "/.lock"):
        before = load(paths, name) if name in names(paths) else None
        if before and not replace:
            raise Conflict(f"secret {name!r} exists already", hint="--replace gives it other data")
        time = now()
        info = SecretInfo(
            id=os.urandom(13).hex()[:25],
            name=name,
            created_at=time,
            updated_at=time,
            labels=labels or {},
            driver_options=options or {},
        )
        if before:
            info = replaced(info, id=before.id, created_at=before.created_at)
        stage = f"{directory(paths)}/.{info.id}"
        shutil.rmtree(stage, ignore_errors=True)  # left by one that was killed
        private_dir(stage)
        try:
            jsonfile.write(stage + "/secret.json", to_json(info))
            jsonfile.write_bytes(stage + "/data", data)
            if before:
                shutil.rmtree(f"{directory(paths)}/{name}")
            os.rename(stage, f"{directory(paths)}/{name}")
        except OSError as e:
            shutil.rmtree(stage, ignore_errors=True)
            raise CrunpyError.from_os(f"writing secret {name}", e) from e
        return info


def names(paths: Paths) -> list[str]:
    """The names of all secrets, in order."""
    try:
        return sorted(n for n in os.listdir(directory(paths)) if n[0] != ".")
    except FileNotFoundError:
        return []


def load(paths: Paths, text: str) -> SecretInfo:
    """The secret that a name, an id or the unique beginning of an id means.

    Raises NotFound, InvalidArgument, CorruptState.
    """
    known = names(paths)
    if text in known:
        return _read(paths, text)
    found = [info for info in (_read(paths, n) for n in known) if info.id.startswith(text)]
    if len(found) > 1:
        raise InvalidArgument(f"secret id {text}: {len(found)} secrets begin so")
    if not found or not text:
        raise NotFound(f"no such secret: {text}", hint="crunpy secret ls lists them")
    return found[0]


def _read(paths: Paths, name: str) -> SecretInfo:
    path = f"{directory(paths)}/{name}/secret.json"
    try:
        return from_json(SecretInfo, jsonfile.read(path))
    except FileNotFoundError:
        raise NotFound(f"no such secret: {name}") from None
    except InvalidArgument as e:
        raise CorruptState(f"reading {path}: {e.message}") from None


def data(paths: Paths, name: str) -> bytes:
    """What the secret of this name holds.  Raises NotFound."""
    try:
        return jsonfile.read_bytes(f"{directory(paths)}/{name}/data")
    except FileNotFoundError:
        raise NotFound(f"no such secret: {name}", hint="crunpy secret ls lists them") from None


def remove(paths: Paths, name: str) -> None:
    """Remove the secret of this name.  Raises NotFound."""
    with jsonfile.Lock(directory(paths) + "/.lock"):
        try:
            shutil.rmtree(f"{directory(paths)}/{name}")
        except FileNotFoundError:
            raise NotFound(f"no such secret: {name}") from None
        except OSError as e:
            raise CrunpyError.from_os(f"removing secret {name}", e) from e
