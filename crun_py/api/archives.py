"""Archives over HTTP: files of containers, images in and out."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from typing import TYPE_CHECKING

from crun_py.aio import _io
from crun_py.api.http import Exchange, HttpError
from crun_py.api.system import platform
from crun_py.fields import Fields
from crun_py.library.values import OnEvent, expect
from crun_py.model.image import LoadedImage
from crun_py.oci.reference import parse

if TYPE_CHECKING:
    from crun_py.aio import Engine
    from crun_py.api.routes import Routes

_TAR = "application/x-tar"
_PIECE = 64 << 10
_GO_DIRECTORY = 1 << 31
"""os.ModeDir of Go."""


def register(routes: Routes) -> None:
    """Add what is here; before the other paths of images."""
    for method, path, answer in (
        ("HEAD", "/containers/{id}/archive", look),
        ("GET", "/containers/{id}/archive", copied_out),
        ("PUT", "/containers/{id}/archive", copied_in),
        ("GET", "/containers/{id}/export", export),
        ("POST", "/commit", commit),
        ("GET", "/images/get", save_several),
        ("GET", "/images/{name}/get", save),
        ("POST", "/images/load", load),
    ):
        routes.add(method, path, answer)


def _path(exchange: Exchange) -> str:
    path = exchange.query.get("path", "")
    if not path:
        raise HttpError(400, "missing path")
    return path if path.startswith("/") else "/" + path


async def _told(engine: Engine, exchange: Exchange, name: str) -> tuple[str, str]:
    """The header that tells what is at the path."""
    found = expect(dict, await engine._worker.call("archives.look", name, _path(exchange)))
    if exchange.path.startswith("/libpod/"):  # podman's clients look there for where it is
        found |= {"linkTarget": found["linkTarget"] or _path(exchange),
                  "isDir": bool(found["mode"] & _GO_DIRECTORY)}  # fmt: skip
    text = base64.b64encode(json.dumps(found).encode()).decode()
    return "X-Docker-Container-Path-Stat", text


async def look(engine: Engine, exchange: Exchange, name: str) -> None:
    """ContainerArchiveInfo."""
    await exchange.data(200, b"", "", await _told(engine, exchange, name))


async def copied_out(engine: Engine, exchange: Exchange, name: str) -> None:
    """ContainerArchive."""
    told = await _told(engine, exchange, name)
    await sent(engine, exchange, "archives.copy_out", name, _path(exchange), field=told)


async def export(engine: Engine, exchange: Exchange, name: str) -> None:
    """ContainerExport."""
    container = await engine.containers.get(name)
    await sent(engine, exchange, "archives.export", container.id)


async def save(engine: Engine, exchange: Exchange, name: str) -> None:
    """ImageGet."""
    await engine.images.get(name)
    await sent(engine, exchange, "archives.save", (name,), platform(exchange))


async def save_several(engine: Engine, exchange: Exchange, _: str) -> None:
    """ImageGetAll."""
    names = tuple(value for key, value in exchange.queries if key == "names")
    if not names:
        raise HttpError(400, "no image is named")
    for name in names:
        await engine.images.get(name)
    await sent(engine, exchange, "archives.save", names, platform(exchange))


async def sent(
    engine: Engine, exchange: Exchange, call: str, *arguments: object,
    field: tuple[str, str] | None = None,
) -> None:  # fmt: skip
    """Answer with what a call writes to its last argument; its error before the first byte has a
    status, a later one ends the answer in the middle."""
    reader, theirs = await _io.output_pipe()
    begun = False
    try:
        async with engine._worker.stream(call, *arguments, theirs) as working:
            try:
                await anext(working)  # it has the descriptor
            finally:
                theirs.close()
            while data := await reader.read(_PIECE):
                if not begun:
                    await exchange.begin(_TAR, *([field] if field else []))
                    begun = True
                await exchange.piece(data)
            async for _ in working:
                pass  # or the error is raised
        if not begun:
            await exchange.begin(_TAR, *([field] if field else []))
        await exchange.end()
    finally:
        await _io.close_reader(reader)


async def copied_in(engine: Engine, exchange: Exchange, name: str) -> None:
    """PutContainerArchive."""
    container = await engine.containers.get(name)
    await received(
        engine, exchange, "archives.copy_in", container.id, _path(exchange),
        overwrite=not exchange.flag("noOverwriteDirNonDir"), archive=exchange.flag("copyUIDGID"),
    )  # fmt: skip
    await exchange.answer(200)


async def received(
    engine: Engine,
    exchange: Exchange,
    call: str,
    *arguments: object,
    on_event: OnEvent = None,
    **keywords: bool,
) -> list[object]:
    """Pass the body on to a call's descriptor; what it yields then."""
    writer, theirs = await _io.input_pipe()
    found: list[object] = []
    async with engine._worker.stream(
        call, *arguments, theirs, on_event=on_event, **keywords
    ) as working:
        try:
            await anext(working)  # it has the descriptor
        finally:
            theirs.close()
        passing = asyncio.ensure_future(_passed(exchange, writer))
        try:
            async for item in working:
                found.append(item)
            await passing
        finally:
            passing.cancel()
            await asyncio.gather(passing, return_exceptions=True)
            await writer.close()
    return found


async def _passed(exchange: Exchange, writer: _io.Writer) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionError):  # who reads has seen enough
        async for piece in exchange.pieces():
            await writer.write(piece)
    await writer.close()


async def load(engine: Engine, exchange: Exchange, _: str) -> None:
    """ImageLoad."""
    found = await received(engine, exchange, "archives.load")
    await exchange.begin("application/json")
    for item in found:
        image = expect(LoadedImage, item)
        for name in image.names:
            await exchange.lines({"stream": f"Loaded image: {parse(name).familiar}\n"})
        if not image.names:
            await exchange.lines({"stream": f"Loaded image ID: sha256:{image.id}\n"})
    await exchange.end()


async def commit(engine: Engine, exchange: Exchange, _: str) -> None:
    """ImageCommit."""
    await exchange.answer(201, {"Id": f"sha256:{await committed(engine, exchange)}"})


async def committed(engine: Engine, exchange: Exchange) -> str:
    """The id of the image that a request for a commit made.  (What its body says of the image's
    config, clients say as `changes`, too.)"""
    Fields(await exchange.document())
    container = await engine.containers.get(exchange.query.get("container", ""))
    repository, tag = exchange.query.get("repo", ""), exchange.query.get("tag", "")
    return await container.commit(
        f"{repository}:{tag}" if tag else repository, author=exchange.query.get("author", ""),
        message=exchange.query.get("comment", ""),
        changes=[line for key, value in exchange.queries if key == "changes"
                 for line in value.split("\n") if line],
        pause=None if exchange.flag("pause", True) else False,
    )  # fmt: skip
