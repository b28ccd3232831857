"""/_ping, /version, /info, /events, /system/df, /auth."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from crun_py.api.http import Exchange, HttpError
from crun_py.model.registry import RegistryAccess
from crun_py.oci.manifest import platform_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.aio import Engine
    from crun_py.api.routes import Routes
    from crun_py.model.event import Event

_LINES = ("application/jsonl", "application/x-ndjson")
"""Media types of a JSON document a line."""


def register(routes: Routes) -> None:
    """Add what is here."""
    routes.add("GET", "/_ping", ping)
    routes.add("GET", "/version", version)
    routes.add("GET", "/info", info)
    routes.add("GET", "/events", events)
    routes.add("GET", "/system/df", disk_usage)
    routes.add("POST", "/auth", login)


def filters(exchange: Exchange) -> tuple[str, ...]:
    """The query's filters, {"KEY": ["VALUE"]} or {"KEY": {"VALUE": true}}, as KEY=VALUE.  Raises
    HttpError."""
    text = exchange.query.get("filters") or "{}"
    try:
        found = json.loads(text)
        pairs = [(key, [*values]) for key, values in found.items()]
        if all(isinstance(value, str) for _, values in pairs for value in values):
            return tuple(f"{key}={value}" for key, values in pairs for value in values)
    except (ValueError, AttributeError, TypeError, RecursionError):
        pass
    raise HttpError(400, "filters are not a JSON object of lists")


def platforms(exchange: Exchange, key: str) -> list[str]:
    """OS/ARCH[/VARIANT] of the query's values of `key`, each that text or an object of the image
    specification's platform.  Raises HttpError."""
    found = []
    for text in (value for name, value in exchange.queries if name == key and value):
        if not text.startswith("{"):
            found.append(text)
            continue
        try:
            found.append(platform_text(json.loads(text)))
        except (ValueError, RecursionError):
            raise HttpError(400, f"{key}: not JSON of a platform") from None
    return found


def platform(exchange: Exchange) -> str:
    """The query's one `platform`, "" where there is none.  Raises HttpError."""
    found = platforms(exchange, "platform")
    if len(found) > 1:
        raise HttpError(400, "platform: more than one")
    return found[0] if found else ""


async def ping(engine: Engine, exchange: Exchange, _: str) -> None:
    """SystemPing."""
    await exchange.data(
        200, b"OK", "text/plain; charset=utf-8", ("Builder-Version", "1"),
        ("Swarm", "inactive"), ("Cache-Control", "no-cache, no-store, must-revalidate"),
        ("Pragma", "no-cache"),
    )  # fmt: skip


async def version(engine: Engine, exchange: Exchange, _: str) -> None:
    """SystemVersion."""
    await exchange.answer(200, await engine._worker.call("documents.version"))


async def info(engine: Engine, exchange: Exchange, _: str) -> None:
    """SystemInfo."""
    await exchange.answer(200, await engine._worker.call("documents.info"))


async def events(engine: Engine, exchange: Exchange, _: str) -> None:
    """SystemEvents, a JSON document a line."""
    accepted = exchange.headers.get("accept", "")
    kind = next((kind for kind in _LINES if kind in accepted), "application/json")
    await told(engine, exchange, kind, _event)


async def told(
    engine: Engine, exchange: Exchange, kind: str, shown: Callable[[Event], object],
    *, follow: bool = True,
) -> None:  # fmt: skip
    """Answer with what happens in the times of the query, each as `shown` has it."""
    found = engine.events(
        since=exchange.query.get("since") or None, until=exchange.query.get("until") or None,
        follow=follow, filters=filters(exchange),
    )  # fmt: skip
    await exchange.begin(kind)
    async for event in found:
        await exchange.lines(shown(event))
    await exchange.end()


def _event(event: Event) -> dict[str, object]:
    ns = event.time_ns
    value: dict[str, object] = {
        "Type": event.type,
        "Action": event.action,
        "Actor": {"ID": event.id, "Attributes": event.attributes},
        "scope": "local",
        "time": ns // 10**9,
        "timeNano": ns,
    }
    if event.type in ("container", "image"):
        value |= {"status": event.action, "id": event.id}
    if event.type == "container" and "image" in event.attributes:
        value["from"] = event.attributes["image"]
    return value


async def disk_usage(engine: Engine, exchange: Exchange, _: str) -> None:
    """SystemDataUsage; `type`: only of these."""
    call = engine._worker.call
    asked = {value for key, value in exchange.queries if key == "type"}
    used = await engine.disk_usage()
    lists = {
        "image": ("Images", "ImageUsage", used.images, "documents.used_images"),
        "container": ("Containers", "ContainerUsage", used.containers,
                      "documents.sized_containers"),
        "volume": ("Volumes", "VolumeUsage", used.volumes, "documents.sized_volumes"),
        "build-cache": ("BuildCache", "BuildCacheUsage", used.build_cache,
                        "documents.build_cache"),
    }  # fmt: skip
    found: dict[str, object] = {}
    if not asked or "image" in asked:
        found["LayersSize"] = used.images.size_bytes
    for kind, (old, new, space, name) in lists.items():
        if asked and kind not in asked:
            continue
        items = await call(name)
        found[old] = items
        found[new] = {
            "ActiveCount": space.active, "TotalCount": space.count, "Items": items,
            "Reclaimable": space.reclaimable_bytes, "TotalSize": space.size_bytes,
        }  # fmt: skip
    await exchange.answer(200, found)


async def login(engine: Engine, exchange: Exchange, _: str) -> None:
    """SystemAuth: credentials are tried, and kept by the client alone."""
    asked = await exchange.document()
    name, password = str(asked.get("username") or ""), str(asked.get("password") or "")
    registry = str(asked.get("serveraddress") or "")
    await engine._worker.call(
        "registries.try_login", registry, name, password, reach=RegistryAccess()
    )
    await exchange.answer(200, {"Status": "Login Succeeded", "IdentityToken": ""})
