"""Secrets: kept, looked at, removed."""

from __future__ import annotations

from crun_py import secrets as store
from crun_py.errors import InvalidArgument, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crun_py.engine.context import Context
    from crun_py.model.secret import SecretInfo

CALLS = ("create", "exists", "inspect", "infos", "read", "remove")
FILTERS = ["name", "id"]


def create(
    context: Context,
    name: str,
    data: bytes,
    *,
    labels: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
    driver: str = "file",
    replace: bool = False,
) -> SecretInfo:
    """Keep a secret.  Raises Conflict when there is one and not replace, InvalidArgument."""
    if driver != "file":
        raise InvalidArgument(f"secret driver {driver!r}: not known", hint="known: file")
    return store.create(context.paths, name, data, labels=labels, options=options, replace=replace)


def exists(context: Context, name: str) -> bool:
    """Whether there is a secret of this name or id."""
    try:
        store.load(context.paths, name)
    except NotFound:
        return False
    return True


def inspect(context: Context, name: str) -> SecretInfo:
    """What is known of a secret, but for what it holds.  Raises NotFound, InvalidArgument."""
    return store.load(context.paths, name)


def infos(context: Context, filters: Sequence[str] = ()) -> tuple[SecretInfo, ...]:
    """All secrets, or those that `filters` (name=, id=) mean.  Raises InvalidArgument."""
    from crun_py.filters import parse

    wanted = parse([*filters], FILTERS)
    every = (store.load(context.paths, name) for name in store.names(context.paths))
    return tuple(
        info
        for info in every
        if any(v in info.name for v in wanted.get("name", [""]))
        and any(info.id.startswith(v) for v in wanted.get("id", [""]))
    )


def read(context: Context, name: str) -> bytes:
    """What a secret holds.  Raises NotFound."""
    return store.data(context.paths, store.load(context.paths, name).name)


def remove(context: Context, name: str, *, missing_ok: bool = False) -> str | None:
    """Remove a secret; its id, None when there is none and missing_ok.  Raises NotFound."""
    try:
        found = store.load(context.paths, name)
    except NotFound:
        if missing_ok:
            return None
        raise
    store.remove(context.paths, found.name)
    return found.id
