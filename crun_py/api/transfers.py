"""Images to and from registries, with their progress: /images/create, /images/NAME/push,
/distribution."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING

from crun_py.api import archives
from crun_py.api.http import Exchange, HttpError
from crun_py.api.lines import Line, Lines
from crun_py.api.system import platform
from crun_py.library.values import expect
from crun_py.model.image import Pushed
from crun_py.model.registry import Progress, RegistryAccess
from crun_py.oci.reference import parse

if TYPE_CHECKING:
    from crun_py.aio import Engine
    from crun_py.api.routes import Routes

_EVERY_S = 0.1
"""How often a layer's bytes are told."""
_PULLING = {
    "exists": "Already exists", "downloading": "Downloading", "extracting": "Extracting",
    "done": "Pull complete",
}  # fmt: skip
_PUSHING = {
    "preparing": "Preparing", "exists": "Layer already exists", "uploading": "Pushing",
    "done": "Pushed",
}  # fmt: skip
_GROWS = ("Downloading", "Extracting", "Pushing")


def register(routes: Routes) -> None:
    """Add what is here; before the other paths of images."""
    routes.add("POST", "/images/create", created)
    routes.add("POST", "/images/{name}/push", push)
    routes.add("GET", "/distribution/{name}/json", distribution)


class _Told:
    """Makes docker's lines of the progress of layers."""

    def __init__(self, lines: Lines, words: dict[str, str], first: Line | None = None) -> None:
        """first: goes before the first of them."""
        self._lines, self._words, self._first = lines, words, first
        self._last: dict[str, tuple[str, float]] = {}

    def __call__(self, event: object) -> None:
        """A listener for events of the engine."""
        if not isinstance(event, Progress) or not event.digest:
            return
        self.begin()
        status, _, repository = event.phase.partition(" ")
        status = f"Mounted from {repository}" if repository else self._words.get(status, "")
        before, told = self._last.get(event.digest, ("", 0.0))
        now = time.monotonic()
        if not status or (status == before and now - told < _EVERY_S):
            return
        short = event.digest[7:19]
        if not before and self._words is _PULLING and status != "Already exists":
            self._lines.put({"status": "Pulling fs layer", "progressDetail": {}, "id": short})
        self._last[event.digest] = (status, now)
        detail: Line = {"current": event.current, "total": event.total} if status in _GROWS else {}
        self._lines.put({"status": status, "progressDetail": detail, "id": short})

    def begin(self) -> None:
        """Tell the first line if that has not been done."""
        if self._first:
            self._lines.put(self._first)
            self._first = None


def _named(name: str, word: str) -> str:
    """A name and the tag or digest that a query says apart."""
    if not word:
        return name
    return f"{name}@{word}" if word.startswith("sha256:") else f"{name}:{word}"


async def created(engine: Engine, exchange: Exchange, _: str) -> None:
    """ImageCreate: from a registry, or an archive (fromSrc)."""
    source = exchange.query.get("fromSrc", "")
    if source:
        await _imported(engine, exchange, source)
        return
    if not exchange.query.get("fromImage"):
        raise HttpError(400, "neither fromImage nor fromSrc is given")
    whole = _named(exchange.query["fromImage"], exchange.query.get("tag", ""))
    reference = parse(whole)
    lines = Lines(exchange)
    told = _Told(lines, _PULLING, {
        "status": f"Pulling from {reference.familiar_name}",
        "id": reference.tag or reference.digest or "latest",
    })  # fmt: skip
    known = await _digests(engine, whole)
    async with lines.telling():
        done = await engine.images.pull(
            whole, platform=exchange.query.get("platform", ""), registry=registry_access(exchange),
            on_event=told,
        )  # fmt: skip
        told.begin()
        lines.put({"status": f"Digest: {done.digest}"})
        words = "Image is up to date" if done.digest in known else "Downloaded newer image"
        lines.put({"status": f"Status: {words} for {reference.familiar}"})


async def _digests(engine: Engine, name: str) -> list[str]:
    """What the store has under a name already."""
    return [(await engine.images.get(name)).digest] if await engine.images.exists(name) else []


async def _imported(engine: Engine, exchange: Exchange, source: str) -> None:
    name = _named(exchange.query.get("repo", ""), exchange.query.get("tag", ""))
    changes = tuple(value for key, value in exchange.queries if key == "changes")
    message = exchange.query.get("message", "")
    platform = exchange.query.get("platform", "")
    lines = Lines(exchange)
    async with lines.telling():
        if source == "-":
            *_, made = await archives.received(
                engine, exchange, "archives.import_image", name, message, changes, platform
            )
        elif source.startswith(("http://", "https://")):
            made = await engine.images.import_(
                source, name, message=message, changes=changes, platform=platform
            )
        else:
            raise HttpError(400, f"fromSrc {source!r}: neither - nor a URL")
        lines.put({"status": f"sha256:{made}"})


async def push(engine: Engine, exchange: Exchange, name: str) -> None:
    """ImagePush: one tag, or all of a repository without `tag`."""
    word = exchange.query.get("tag", "")
    names = (
        [_named(name, word)] if word else
        expect(tuple, await engine._worker.call("exchange.tags_of", name))
    )  # fmt: skip
    access, wanted = registry_access(exchange), platform(exchange)
    lines = Lines(exchange)
    for one in names:
        await engine.images.get(one)  # a missing one has a status of its own
    async with lines.telling():
        for one in names:
            reference = parse(one)
            told = _Told(lines, _PUSHING, {
                "status": f"The push refers to repository [{reference.name}]"
            })  # fmt: skip
            told.begin()
            done = expect(
                Pushed, await engine._worker.call(
                    "exchange.push", str(one), reach=access, platform=wanted, on_event=told
                )
            )  # fmt: skip
            tag = reference.tag or "latest"
            lines.put({"status": f"{tag}: digest: {done.digest} size: {done.size_bytes}"})
            lines.put({"progressDetail": {}, "aux": {
                "Tag": tag, "Digest": done.digest, "Size": done.size_bytes,
            }})  # fmt: skip


async def distribution(engine: Engine, exchange: Exchange, name: str) -> None:
    """DistributionInspect."""
    found = await engine._worker.call(
        "documents.distribution", name, reach=registry_access(exchange)
    )
    await exchange.answer(200, found)


def registry_access(exchange: Exchange) -> RegistryAccess:
    """The credentials of X-Registry-Auth (base64url of JSON).  Raises HttpError."""
    text = exchange.headers.get("x-registry-auth", "")
    if not text:
        return RegistryAccess()
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        name, password = found.get("username") or "", found.get("password") or ""
        token = found.get("identitytoken") or ""
    except (ValueError, AttributeError):
        raise HttpError(400, "X-Registry-Auth is not base64 of a JSON object") from None
    if token and isinstance(token, str):
        name, password = "<token>", token  # docker's user name for such a password
    if not isinstance(name, str) or not isinstance(password, str) or not name:
        return RegistryAccess()
    return RegistryAccess(credentials=f"{name}:{password}")
