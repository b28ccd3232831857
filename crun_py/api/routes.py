"""From a request's method and path to what answers it, and from errors to statuses."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from crun_py.api.http import Disconnected, Exchange, HttpError
from crun_py.errors import (
    CommandError,
    Conflict,
    CrunpyError,
    InvalidArgument,
    NotFound,
    NotInRegistry,
    RegistryError,
    Unsupported,
    internal,
)
from crun_py.show.version import API_VERSION, MIN_API_VERSION

if TYPE_CHECKING:
    from crun_py.aio import Engine

Answer = Callable[["Engine", Exchange, str], Awaitable[None]]
"""engine, request, the name in the path ("" for none)."""

_STATUSES = (
    (NotFound, 404), (Conflict, 409), (InvalidArgument, 400), (Unsupported, 501),
    (CommandError, 400), (NotInRegistry, 404), (RegistryError, 500),
)  # fmt: skip
_VERSION = re.compile(r"/v(\d+)\.(\d+)(/.*)")
_PODMAN = re.compile(r"/v(\d+)\.(\d+)(?:\.\d+)?(?:-\w+)?(/libpod/.*)")


class Routes:
    """A table of method, path and function; {name} stands for what may hold slashes."""

    def __init__(self) -> None:
        self._routes: list[tuple[str, re.Pattern[str], Answer]] = []

    def add(self, method: str, path: str, answer: Answer) -> None:
        """`path`: without the version."""
        pattern = re.escape(path).replace(r"\{name\}", "(.+)").replace(r"\{id\}", "([^/]+)")
        self._routes.append((method, re.compile(pattern), answer))

    def find(self, method: str, path: str) -> tuple[Answer, str]:
        """What answers, and the name in the path.  Raises HttpError."""
        found = [
            (known, answer, match[1] if match.groups() else "")
            for known, pattern, answer in self._routes
            if (match := pattern.fullmatch(path))
        ]
        for wanted in (method, "GET" if method == "HEAD" else ""):
            for known, answer, name in found:
                if known == wanted:
                    return answer, name
        if found:
            raise HttpError(405, f"{method} is not for {path}")
        raise HttpError(404, f"page not found: {method} {path}")


def _unversioned(path: str) -> tuple[str, tuple[int, int]]:
    """The path without its version, and that; 0, 0 for none.  Raises HttpError for one that is not
    served."""
    if podman := _PODMAN.fullmatch(path):
        return podman[3], (int(podman[1]), int(podman[2]))
    found = _VERSION.fullmatch(path)
    if not found:
        return path, (0, 0)
    asked = int(found[1]), int(found[2])
    least, most = (tuple(map(int, v.split("."))) for v in (MIN_API_VERSION, API_VERSION))
    version = f"{found[1]}.{found[2]}"
    if asked > most:
        raise HttpError(
            400, f"client version {version} is too new. Maximum supported API version is "
            f"{API_VERSION}",
        )  # fmt: skip
    if asked < least:
        raise HttpError(
            400, f"client version {version} is too old. Minimum supported API version is "
            f"{MIN_API_VERSION}, please upgrade your client to a newer version",
        )  # fmt: skip
    return found[3], asked


def status_of(error: BaseException) -> int:
    """The HTTP status of an error of the engine."""
    if isinstance(error, HttpError):
        return error.status
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)


async def answer(routes: Routes, engine: Engine, exchange: Exchange) -> None:
    """Answer a request, also when that fails."""
    try:
        exchange.path, exchange.version = _unversioned(exchange.path)
        found, name = routes.find(exchange.method, exchange.path)
        await found(engine, exchange, name)
    except Disconnected:
        raise
    except CrunpyError as e:
        await _fail(exchange, e)
    except Exception as e:
        await _fail(exchange, internal(e))


async def _fail(exchange: Exchange, error: CrunpyError) -> None:
    if exchange.answered:
        raise Disconnected from error  # too late for a status: the answer ends in the middle
    message = error.message + (f" ({error.hint})" if error.hint else "")
    await exchange.answer(status_of(error), {"message": message})
