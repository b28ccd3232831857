"""/images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crun_py.api.http import Exchange
from crun_py.api.system import filters, platforms
from crun_py.api.transfers import registry_access

if TYPE_CHECKING:
    from crun_py.aio import Engine
    from crun_py.api.routes import Routes


def register(routes: Routes) -> None:
    """Add what is here."""
    for method, path, answer in (
        ("GET", "/images/json", every),
        ("POST", "/images/prune", prune),
        ("GET", "/images/search", search),
        ("GET", "/images/{name}/json", inspect),
        ("GET", "/images/{name}/history", history),
        ("POST", "/images/{name}/tag", tag),
        ("DELETE", "/images/{name}", remove),
    ):
        routes.add(method, path, answer)


async def every(engine: Engine, exchange: Exchange, _: str) -> None:
    """ImageList."""
    asked = filters(exchange)
    if name := exchange.query.get("filter"):
        asked = (*asked, f"reference={name}")
    await exchange.answer(200, await engine._worker.call("documents.images", filters=asked))


async def inspect(engine: Engine, exchange: Exchange, name: str) -> None:
    """ImageInspect."""
    await exchange.answer(200, await engine._worker.call("documents.anything", "image", name))


async def history(engine: Engine, exchange: Exchange, name: str) -> None:
    """ImageHistory."""
    await exchange.answer(200, await engine._worker.call("documents.history", name))


async def tag(engine: Engine, exchange: Exchange, name: str) -> None:
    """ImageTag."""
    repository, word = exchange.query.get("repo", ""), exchange.query.get("tag", "")
    await engine.images.tag(name, f"{repository}:{word}" if word else repository)
    await exchange.answer(201)


async def remove(engine: Engine, exchange: Exchange, name: str) -> None:
    """ImageDelete."""
    gone = await engine.images.remove(
        name, force=exchange.flag("force"), platforms=platforms(exchange, "platforms")
    )
    words = {"untagged": "Untagged", "deleted": "Deleted"}
    await exchange.answer(200, [{words[one.action]: one.what} for one in gone])


async def prune(engine: Engine, exchange: Exchange, _: str) -> None:
    """ImagePrune."""
    asked = filters(exchange)
    dangling = not any(one in ("dangling=false", "dangling=0") for one in asked)
    kept = [one for one in asked if not one.startswith("dangling=")]
    done = await engine.images.prune(kept, all=not dangling)
    words = {"untagged": "Untagged", "deleted": "Deleted"}
    await exchange.answer(200, {
        "ImagesDeleted": [{words[one.action]: one.what} for one in done.parts],
        "SpaceReclaimed": done.freed_bytes,
    })  # fmt: skip


async def search(engine: Engine, exchange: Exchange, _: str) -> None:
    """ImageSearch."""
    found = await engine.images.search(
        exchange.query.get("term", ""), limit=exchange.number("limit") or 25,
        filters=filters(exchange), registry=registry_access(exchange),
    )  # fmt: skip
    await exchange.answer(200, [
        {"name": one.name, "description": one.description, "star_count": one.stars,
         "is_official": one.official, "is_automated": False}
        for one in found
    ])  # fmt: skip
