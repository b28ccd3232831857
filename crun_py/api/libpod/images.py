"""/libpod/images; what is the same as docker's is docker's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crun_py.api import archives, build
from crun_py.api import images as dockers
from crun_py.api.http import Exchange, HttpError
from crun_py.api.lines import Lines
from crun_py.api.system import filters
from crun_py.api.transfers import registry_access
from crun_py.errors import CrunpyError, NotFound
from crun_py.library.values import expect
from crun_py.model.image import LoadedImage
from crun_py.model.registry import Progress

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crun_py.aio import Engine
    from crun_py.api.routes import Routes
    from crun_py.model.image import RemovedPart


def register(routes: Routes) -> None:
    """Add what is here."""
    one = "/libpod/images/{name}"
    for method, path, answer in (
        ("GET", "/libpod/images/json", every),
        ("POST", "/libpod/images/pull", pull),
        ("POST", "/libpod/images/load", load),
        ("POST", "/libpod/images/import", import_),
        ("POST", "/libpod/images/prune", prune),
        ("GET", "/libpod/images/search", search),
        ("GET", "/libpod/images/export", export),
        ("DELETE", "/libpod/images/remove", remove_several),
        ("POST", "/libpod/build", build.build),
        ("GET", one + "/json", inspect),
        ("GET", one + "/exists", exists),
        ("GET", one + "/history", history),
        ("GET", one + "/get", archives.save),
        ("POST", one + "/push", push),
        ("POST", one + "/tag", dockers.tag),
        ("POST", one + "/untag", untag),
        ("DELETE", one, remove),
    ):
        routes.add(method, path, answer)


async def every(engine: Engine, exchange: Exchange, _: str) -> None:
    """ImageListLibpod."""
    await exchange.answer(
        200, await engine._worker.call("libpod.images", filters=filters(exchange))
    )


async def inspect(engine: Engine, exchange: Exchange, name: str) -> None:
    """ImageInspectLibpod."""
    await exchange.answer(200, await engine._worker.call("libpod.image", name))


async def exists(engine: Engine, exchange: Exchange, name: str) -> None:
    """ImageExistsLibpod."""
    await engine.images.get(name)
    await exchange.answer(204)


async def history(engine: Engine, exchange: Exchange, name: str) -> None:
    """ImageHistoryLibpod."""
    await exchange.answer(200, await engine._worker.call("documents.history", name))


async def untag(engine: Engine, exchange: Exchange, name: str) -> None:
    """ImageUntagLibpod: one name, or all."""
    repository, tag = exchange.query.get("repo", ""), exchange.query.get("tag", "")
    names = [f"{repository}:{tag or 'latest'}"] if repository else []
    await engine.images.untag(name, *names)
    await exchange.answer(201)


def _removed(gone: Iterable[RemovedPart]) -> dict[str, object]:
    parts = [*gone]
    return {
        "Untagged": [one.what for one in parts if one.action == "untagged"],
        "Deleted": [one.what.removeprefix("sha256:") for one in parts if one.action == "deleted"],
        "Errors": [], "ExitCode": 0,
    }  # fmt: skip


async def remove(engine: Engine, exchange: Exchange, name: str) -> None:
    """ImageDeleteLibpod."""
    gone = await engine.images.remove(name, force=exchange.flag("force"))
    await exchange.answer(200, _removed(gone))


async def remove_several(engine: Engine, exchange: Exchange, _: str) -> None:
    """ImageDeleteAllLibpod: those named, or all; what went wrong is in the answer."""
    names = [value for key, value in exchange.queries if key == "images"]
    if exchange.flag("all"):
        names += [one.id for one in await engine.images.list()]
    gone: list[RemovedPart] = []
    errors, code = [], 0
    for name in names:
        try:
            gone += await engine.images.remove(name, force=exchange.flag("force"))
        except CrunpyError as e:
            if isinstance(e, NotFound) and exchange.flag("ignore"):
                continue
            errors.append(e.message)
            code = 1 if isinstance(e, NotFound) else 2
    await exchange.answer(200, {**_removed(gone), "Errors": errors, "ExitCode": code})


async def prune(engine: Engine, exchange: Exchange, _: str) -> None:
    """ImagePruneLibpod."""
    done = await engine.images.prune(filters(exchange), all=exchange.flag("all"))
    gone = [one.what.removeprefix("sha256:") for one in done.parts if one.action == "deleted"]
    await exchange.answer(200, [
        {"Id": name, "Size": 0 if number else done.freed_bytes, "Err": None}
        for number, name in enumerate(gone)
    ])  # fmt: skip


async def search(engine: Engine, exchange: Exchange, _: str) -> None:
    """ImageSearchLibpod."""
    found = await engine.images.search(
        exchange.query.get("term", ""), limit=exchange.number("limit") or 25,
        filters=filters(exchange), registry=registry_access(exchange),
    )  # fmt: skip
    await exchange.answer(200, [
        {"Index": one.index, "Name": f"{one.index}/{one.name}" if one.index else one.name,
         "Description": one.description, "Stars": one.stars,
         "Official": "[OK]" if one.official else "", "Automated": "", "Tag": ""}
        for one in found
    ])  # fmt: skip


async def pull(engine: Engine, exchange: Exchange, _: str) -> None:
    """ImagePullLibpod: lines of progress, then the ids."""
    name = exchange.query.get("reference", "").removeprefix("docker://")
    if not name:
        raise HttpError(400, "reference parameter cannot be empty")
    system, arch = exchange.query.get("OS", ""), exchange.query.get("Arch", "")
    platform = "/".join(filter(None, (system or ("linux" if arch else ""), arch)))
    lines = Lines(exchange)
    seen: set[str] = set()

    def told(event: object) -> None:
        if isinstance(event, Progress) and event.digest and event.digest not in seen:
            seen.add(event.digest)
            if not exchange.flag("quiet"):
                lines.put({"stream": f"Copying blob {event.digest}\n"})

    async with lines.telling():
        done = await engine.images.pull(
            name, platform=platform, policy=exchange.query.get("policy") or "always",
            registry=registry_access(exchange), on_event=told,
        )  # fmt: skip
        lines.put({"images": [done.id], "id": done.id})


async def push(engine: Engine, exchange: Exchange, name: str) -> None:
    """ImagePushLibpod."""
    await engine.images.get(name)
    lines = Lines(exchange)
    async with lines.telling():
        done = await engine.images.push(
            name, exchange.query.get("destination", ""), registry=registry_access(exchange)
        )
        lines.put({"stream": f"Pushed {name}\n"})
        if exchange.version >= (5, 0):  # older ones take it for a mistake
            lines.put({"manifestdigest": done.digest})


async def load(engine: Engine, exchange: Exchange, _: str) -> None:
    """ImageLoadLibpod."""
    found = [expect(LoadedImage, one)
             for one in await archives.received(engine, exchange, "archives.load")]  # fmt: skip
    names = [name for one in found for name in one.names or (f"sha256:{one.id}",)]
    await exchange.answer(200, {"Names": names})


async def import_(engine: Engine, exchange: Exchange, _: str) -> None:
    """ImageImportLibpod: the archive is the body, or at `url`."""
    changes = tuple(value for key, value in exchange.queries if key == "changes")
    name, message = exchange.query.get("reference", ""), exchange.query.get("message", "")
    if url := exchange.query.get("url"):
        made = await engine.images.import_(url, name, message=message, changes=changes)
    else:
        *_rest, found = await archives.received(
            engine, exchange, "archives.import_image", name, message, changes, ""
        )
        made = expect(str, found)
    await exchange.answer(200, {"Id": made})


async def export(engine: Engine, exchange: Exchange, _: str) -> None:
    """ImageExportLibpod: several in one archive."""
    names = tuple(value for key, value in exchange.queries if key == "references")
    if not names:
        raise HttpError(400, "no image is named")
    await archives.sent(engine, exchange, "archives.save", names, "")
