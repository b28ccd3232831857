"""A service that is asked: requests, errors, versions of the API (docs.docker.com, "Docker Engine
API").

    with Remote(endpoint) as remote:
        remote.call("GET", "/containers/json", {"all": True})
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlencode

from crun_py import caller, jsonfile
from crun_py.errors import (
    CommandError,
    Conflict,
    CrunpyError,
    InvalidArgument,
    NotFound,
    Unsupported,
)
from crun_py.fields import Fields
from crun_py.remote.endpoint import described
from crun_py.remote.http import Broken, Channel
from crun_py.remote.link import CONNECT_S
from crun_py.remote.transport import connect
from crun_py.show.version import API_VERSION, MIN_API_VERSION, PODMAN_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType

    from crun_py.remote.endpoint import Endpoint
    from crun_py.remote.http import Body

    Query = Mapping[str, object]
    """Texts, numbers, truths, lists of texts (the name again for each), None for what is not said;
    objects and filters become JSON."""

_ERRORS: dict[int, type[CrunpyError]] = {
    400: InvalidArgument, 404: NotFound, 409: Conflict, 501: Unsupported,
}  # fmt: skip
_LIMIT_BYTES = 256 << 20
"""Of an answer that is one document, or of a line."""
_WORDS = 2000
"""Of a refusal, in messages."""


class Answer:
    """What came of a request: status, headers (in small letters), and the body as it comes."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.status, self.headers = channel.status, channel.headers

    def pieces(self) -> Iterator[bytes]:
        """Raises Broken when the connection ends in the middle."""
        return self.channel.pieces()

    def data(self) -> bytes:
        """All of it."""
        found = bytearray()
        for piece in self.pieces():
            found += piece
            if len(found) > _LIMIT_BYTES:
                raise Broken(f"an answer of more than {_LIMIT_BYTES >> 20} MiB")
        return bytes(found)

    def lines(self) -> Iterator[Fields]:
        """JSON objects, one a line, as they come.  Raises Broken for what is none."""
        rest = b""
        for piece in self.pieces():
            *whole, rest = (rest + piece).split(b"\n")
            if len(rest) > _LIMIT_BYTES:
                raise Broken(f"a line of more than {_LIMIT_BYTES >> 20} MiB")
            yield from (_object(line) for line in whole if line.strip())
        if rest.strip():
            yield _object(rest)


def _object(line: bytes) -> Fields:
    try:
        return Fields(jsonfile.loads(line), "a line of the answer")
    except (ValueError, InvalidArgument) as e:
        raise Broken("an answer that is not JSON") from e


class Remote:
    """A service; to be used in a `with`, or closed."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._idle: list[Channel] = []
        self._open: list[Channel] = []
        self._version = ""
        self.server = ""
        """What it says it is: crunpy/0.1.0 (linux)."""
        self._podman = ""

    def __enter__(self) -> Remote:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    def close(self) -> None:
        """End all connections."""
        for channel in (*self._open, *self._idle):
            channel.close()
        self._open, self._idle = [], []

    # ---- which API ----

    @property
    def version(self) -> str:
        """The newest version of the API that both sides speak.

        Raises CrunpyError when nobody answers, Unsupported when there is none."""
        if not self._version:
            self._version = self._agreed()
        return self._version

    def _agreed(self) -> str:
        channel = self._channel()
        channel.ask("GET", "/_ping", {}, timeout_s=CONNECT_S)
        answer = Answer(channel)
        body = answer.data()
        self._give_back(channel)
        theirs = answer.headers.get("api-version", "")
        if answer.status != 200 or not theirs:
            words = body[:_WORDS].decode(errors="replace").strip() or f"status {answer.status}"
            raise CrunpyError(
                f"asking {described(self.endpoint)}: not a service of Docker's API: {words}"
            )
        self.server = answer.headers.get("server", "")
        self._podman = answer.headers.get("libpod-api-version", "")
        if not self._podman and self.server.startswith("crunpy/"):
            self._podman = PODMAN_VERSION
        if wanted := caller.variable("DOCKER_API_VERSION"):
            return wanted
        if _numbers(theirs) < _numbers(MIN_API_VERSION):
            raise Unsupported(
                f"{described(self.endpoint)}: its API is {theirs}, at least {MIN_API_VERSION} is "
                "needed"
            )
        return min(theirs, API_VERSION, key=_numbers)

    def speaks(self, version: str) -> bool:
        """Whether both sides speak at least this version."""
        return _numbers(self.version) >= _numbers(version)

    @property
    def is_podman(self) -> bool:
        """Whether it has podman's paths, too (/libpod)."""
        return bool(self.version and self._podman)

    def need_podman(self, what: str) -> None:
        """Raises Unsupported where the service has docker's paths alone."""
        if not self.is_podman:
            raise Unsupported(
                f"{what}: {described(self.endpoint)} has Docker's API, which cannot say it"
            )

    def _target(self, path: str, query: Query | None) -> str:
        version = (
            f"v{self._podman_version()}" if path.startswith("/libpod/") else f"v{self.version}"
        )
        asked = urlencode([*_pairs(query or {})])
        return f"/{version}{path}" + (f"?{asked}" if asked else "")

    def _podman_version(self) -> str:
        self.need_podman("this")
        return self._podman

    # ---- requests ----

    def _channel(self) -> Channel:
        while self._idle:
            channel = self._idle.pop()
            if channel.is_idle():
                self._open.append(channel)
                return channel
            channel.close()
        channel = Channel(connect(self.endpoint))
        self._open.append(channel)
        return channel

    def _give_back(self, channel: Channel) -> None:
        """For a request to come, if its answer has been read."""
        self._open.remove(channel)
        if channel.is_idle():
            self._idle.append(channel)
        else:
            channel.close()

    def ask(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request; its answer's body is still to come, on a connection of its own until
        `done`.

        path: without the version, quoted.  body: bytes, pieces of a stream, or what becomes JSON.
        Raises what the service says (NotFound, Conflict, InvalidArgument, Unsupported,
        CrunpyError), Broken.
        """
        fields = {"User-Agent": "crunpy", **(headers or {})}
        data: Body = b""
        if isinstance(body, bytes):
            data = body
        elif isinstance(body, dict):
            data = jsonfile.dumps(body).encode("utf-8", "surrogateescape")
            fields["Content-Type"] = "application/json"
        elif isinstance(body, Iterable):
            data = body
            fields.setdefault("Content-Type", "application/x-tar")
        target = self._target(path, query)
        channel = self._channel()
        channel.ask(method, target, fields, data)
        answer = Answer(channel)
        if answer.status >= 400:
            raise self._refused(answer, method == "HEAD")
        return answer

    def done(self, answer: Answer) -> None:
        """Whoever asked has read the answer, or wants no more of it."""
        if answer.channel in self._open:
            self._give_back(answer.channel)

    def _refused(self, answer: Answer, headless: bool) -> CrunpyError:
        """The error that a refusal says, {"message": …}."""
        data = b"" if headless else answer.data()
        self.done(answer)
        try:
            words = Fields(jsonfile.loads(data)).text("message")
        except (ValueError, InvalidArgument):
            words = ""
        words = words or data[:_WORDS].decode(errors="replace").strip() or f"status {answer.status}"
        return _ERRORS.get(answer.status, CrunpyError)(words)

    def data(
        self, method: str, path: str, query: Query | None = None, body: object = None,
        *, headers: Mapping[str, str] | None = None,
    ) -> bytes:  # fmt: skip
        """A request's whole answer."""
        answer = self.ask(method, path, query, body, headers=headers)
        found = answer.data() if method != "HEAD" else b""
        self.done(answer)
        return found

    def call(
        self, method: str, path: str, query: Query | None = None, body: object = None
    ) -> object:
        """A request's answer as JSON says it, None for an empty one.  Raises Broken for what is
        no JSON."""
        data = self.data(method, path, query, body)
        if not data.strip():
            return None
        try:
            found: object = jsonfile.loads(data)
        except ValueError as e:
            raise Broken(f"asking {described(self.endpoint)}: an answer that is no JSON") from e
        return found

    def get(self, path: str, query: Query | None = None) -> Fields:
        """The object at a path."""
        return Fields(self.call("GET", path, query), "the answer")

    def document(self, path: str, query: Query | None = None) -> dict[str, object]:
        """The same as it is."""
        found = self.call("GET", path, query)
        if not isinstance(found, dict):
            raise Broken(f"asking {described(self.endpoint)}: an answer that is no object")
        return found

    def every(self, path: str, query: Query | None = None) -> list[dict[str, object]]:
        """The objects of the list at a path."""
        found = self.call("GET", path, query)
        if found is None:
            return []
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise Broken(f"asking {described(self.endpoint)}: an answer that is no list of objects")
        return found

    def exists(self, path: str) -> bool:
        """Whether there is an object at a path."""
        try:
            self.data("GET", path)
        except NotFound:
            return False
        return True

    def lines(
        self, method: str, path: str, query: Query | None = None, body: object = None,
        *, headers: Mapping[str, str] | None = None,
    ) -> Iterator[Fields]:  # fmt: skip
        """The objects of an answer as they come, one a line; `error` in one is raised."""
        answer = self.ask(method, path, query, body, headers=headers)
        for line in answer.lines():
            if line.has("error"):
                detail = line.inner("errorDetail")
                error = CrunpyError(detail.text("message") or line.text("error"))
                error.exit_code = detail.number("code") or error.exit_code
                raise error
            yield line
        self.done(answer)

    def take_over(self, path: str, query: Query | None = None, body: object = None) -> Channel:
        """A connection for the streams of a container or command."""
        upgrade = {"Connection": "Upgrade", "Upgrade": "tcp"}
        answer = self.ask("POST", path, query, body if body is not None else b"", headers=upgrade)
        if answer.status not in (101, 200):
            raise Broken(f"asking {described(self.endpoint)}: status {answer.status}")
        return answer.channel


def _numbers(version: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in version.split("."))
    except ValueError:
        return (0,)


def _pairs(query: Query) -> Iterator[tuple[str, str]]:
    for name, value in query.items():
        if value is None:
            continue
        if isinstance(value, bool):
            yield name, "1" if value else "0"
        elif isinstance(value, dict):
            yield name, jsonfile.dumps(value)
        elif isinstance(value, list | tuple):
            for one in value:
                yield name, str(one)
        else:
            yield name, str(value)


def filters(texts: Sequence[str]) -> dict[str, list[str]] | None:
    """KEY=VALUE as the API has filters; None for none.  Raises InvalidArgument."""
    found: dict[str, list[str]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise InvalidArgument(f"filter {text!r}: not KEY=VALUE")
        found.setdefault(key, []).append(value)
    return found or None


_NOT_FOUND = ("executable file not found", "no such file or directory", "command not found")
_NOT_EXECUTABLE = ("permission denied", "is a directory", "exec format error")


def command_error(error: CrunpyError) -> CrunpyError:
    """What a start that failed means, with the exit status that docker's command line gives it."""
    words = error.message.lower()
    if any(word in words for word in _NOT_FOUND) and not isinstance(error, NotFound):
        return CommandError(error.message, 127, hint=error.hint)
    if any(word in words for word in _NOT_EXECUTABLE):
        return CommandError(error.message, 126, hint=error.hint)
    return error
