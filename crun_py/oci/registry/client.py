"""The registry protocol (distribution-spec) over httpx.

A `Registry` learns from its first 401 how to log in.  Credentials go to the registry, and
to a token server only where it is the registry's own; they never follow a redirect to
another origin.  What breaks off is resumed, what is busy is asked again, and all that
finally fails is one RegistryError naming registry and cause.
"""

from __future__ import annotations

import errno
import os
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from urllib.parse import urljoin, urlsplit

import httpx

from crun_py import jsonfile
from crun_py.errors import NotInRegistry, RegistryError
from crun_py.oci.manifest import ACCEPT, DOCUMENT_LIMIT
from crun_py.oci.registry import challenge
from crun_py.oci.registry.auth import Credentials
from crun_py.oci.registry.connect import cause_of, guard, tls_context
from crun_py.oci.registry.patience import Patience
from crun_py.oci.registry.registries import Endpoint, host_only, is_loopback

REDIRECT_LIMIT = 10
_ERROR_LIMIT = 1 << 20
_PAGE_LIMIT = 1000
_RETRIED = (408, 429, 500, 502, 503, 504)
Query = list[tuple[str, str | int | float | bool | None]]
_DROPPED = (
    httpx.ReadError,
    httpx.WriteError,
    httpx.RemoteProtocolError,
    httpx.ReadTimeout,
    httpx.WriteTimeout,
    httpx.PoolTimeout,
)


_UNREACHED = (httpx.TransportError, httpx.InvalidURL, ssl.SSLError, OSError, UnicodeError)


class Unauthorized(RegistryError):
    """The registry, or its token server, wants other credentials or some at all."""


class Dropped(RegistryError):
    """The connection broke while something was being sent that cannot be sent twice."""


class Answer:
    """What the registry said: status, headers (any case), the small body, and the URL asked."""

    __slots__ = ("body", "headers", "status", "url")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes, url: str) -> None:
        self.status, self.headers, self.body, self.url = status, headers, body, url


class Registry:
    """One repository at one endpoint.  Blobs may be fetched and sent by several threads at once."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        credentials: Credentials | None = None,
        tls_verify: bool | None = None,
        cert_dir: str | None = None,
        patience: Patience | None = None,
        write: bool = False,
        also: Sequence[str] = (),
    ) -> None:
        """tls_verify: None: verified, except where the endpoint is insecure or loopback.

        cert_dir: a directory of certificates instead of the usual ones.  write: things will
        be pushed; also: further repositories of the registry from which blobs are taken.
        """
        self.endpoint = endpoint
        self.patience = patience or Patience()
        self._credentials = credentials
        self._token = ""
        self._login = threading.Lock()
        own = "pull,push" if write else "pull"
        self._scopes = [f"repository:{endpoint.repository}:{own}"] if endpoint.repository else []
        self._scopes += [f"repository:{repository}:pull" for repository in also]
        self._loopback = is_loopback(endpoint.host)
        self._insecure = tls_verify is False or (
            tls_verify is None and (endpoint.insecure or self._loopback)
        )
        self._scheme = "https"
        timeout = httpx.Timeout(self.patience.read_s, connect=self.patience.connect_s)
        self._client = httpx.Client(
            timeout=timeout,
            verify=tls_context(endpoint.host, cert_dir, verify=not self._insecure),
            # docker never goes through a proxy to this machine itself
            trust_env=not self._loopback,
            headers={"accept-encoding": "identity", "user-agent": "crunpy"},
            limits=httpx.Limits(max_connections=16),
        )
        guard(self._client, host_only(endpoint.host))
        self._probe = self._insecure

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def manifest(self, reference: str) -> tuple[bytes, str]:
        """(bytes, Content-Type) of the manifest or index with tag or digest `reference`.

        The digest is the caller's to check.  Raises RegistryError.
        """
        answer = self.ask(
            "GET", f"manifests/{reference}", headers={"accept": ACCEPT}, limit=DOCUMENT_LIMIT
        )
        return answer.body, str(answer.headers.get("content-type", ""))

    def ping(self) -> None:
        """Ask whether the registry is there and lets us in (distribution-spec, end-1).

        Raises Unauthorized or another RegistryError.
        """
        self.ask("GET", "")

    def date(self) -> str:
        """What the registry's clock says (RFC 9110, "Date"), "" when it does not tell; also when it
        does not let us in.  Raises RegistryError when it does not answer."""
        while True:
            try:
                response = self._exchange("GET", self._url(""), {}, "", b"")
            except _UNREACHED as e:
                if self._fall_back_to_http(e):
                    continue
                raise self._error(cause_of(e), _hint(e)) from e
            with closing(response):
                return str(response.headers.get("date", ""))

    def tags(self) -> list[str]:
        """All tags of the repository (distribution-spec, "Listing Tags").

        Raises RegistryError.
        """
        return self.listing("tags/list", "tags")

    def listing(self, target: str, key: str) -> list[str]:
        """The texts in list `key` of the JSON at `target` and its further pages."""
        found: list[str] = []
        for _ in range(_PAGE_LIMIT):
            answer = self.ask("GET", target, limit=DOCUMENT_LIMIT)
            try:
                value = jsonfile.loads(answer.body)[key] or []
                if not isinstance(value, list):
                    raise TypeError(f"{value} is no list")
            except (ValueError, KeyError, TypeError) as e:
                raise self._error(f"it sent something else than a list of {key}") from e
            found += [text for text in value if isinstance(text, str)]
            link = answer.headers.get("link", "")
            if 'rel="next"' not in link:
                break
            target = self.absolute(answer.url, link.partition("<")[2].partition(">")[0])
        return found

    def small_blob(self, digest: str, limit: int) -> bytes:
        """The content of a blob of at most `limit` bytes, unverified."""
        return self.ask("GET", f"blobs/{digest}", limit=limit).body

    def ask(
        self,
        method: str,
        target: str,
        *,
        headers: dict[str, str] | None = None,
        content: bytes = b"",
        accepted: tuple[int, ...] = (200,),
        limit: int = _ERROR_LIMIT,
    ) -> Answer:
        """A small request, tried again while that may help, and its answer.

        target: path below the repository, "" for the API's root, /PATH for another one of the
        host, or a URL that the registry gave.  Raises RegistryError for a status that is not
        in `accepted`.
        """
        response = self._request(method, target, headers or {}, content, accepted)
        with closing(response):
            body = self._body(response, limit) if method != "HEAD" else b""
            return Answer(response.status_code, response.headers, body, str(response.url))

    def send(
        self, method: str, url: str, headers: dict[str, str], pieces: Iterable[bytes]
    ) -> Answer:
        """Send the bytes of `pieces` once.  Raises Dropped when the connection breaks or the
        registry is busy, RegistryError when it refuses."""
        try:
            response = self._exchange(method, url, headers, self._token, pieces)
        except _UNREACHED as e:
            kind = Dropped if isinstance(e, _DROPPED) else RegistryError
            raise kind(self._error(cause_of(e)).message, hint=_hint(e)) from e
        with closing(response):
            if response.status_code in _RETRIED or response.status_code == 401:
                # a token that has expired meanwhile is renewed by the next small request
                raise Dropped(self._refusal(response).message)
            if response.status_code not in (200, 201, 202, 204):
                raise self._refusal(response)
            return Answer(response.status_code, response.headers, b"", str(response.url))

    def blob(self, digest: str, size: int) -> Iterator[bytes]:
        """The bytes of a blob in pieces, unverified, at most `size` of them.

        A connection that breaks is resumed where it broke.  Raises RegistryError.
        """
        done = 0
        failures = 0
        while done < size:
            before = done
            headers = {"range": f"bytes={done}-"} if done else {}
            try:
                response = self._request("GET", f"blobs/{digest}", headers, b"", (200, 206))
                with closing(response):
                    skip = self._resumed_at(response, done)
                    for data in self._pieces(response):
                        if skip >= len(data):
                            skip -= len(data)
                            continue
                        data = data[skip:] if skip else data
                        skip = 0
                        if done + len(data) > size:
                            raise self._error(f"blob {digest[:19]} is longer than {size} bytes")
                        done += len(data)
                        yield data
                if done >= size:
                    return
                cause = f"the connection ended after {done} of {size} bytes"
            except _DROPPED as e:
                cause = f"the connection broke after {done} of {size} bytes: {cause_of(e)}"
            failures = 1 if done - before >= 1 << 20 else failures + 1
            if failures >= self.patience.tries:
                raise self._error(cause)
            self.patience.sleep(self.patience.backoff_s(failures - 1))

    # ---- requests ----

    def _request(
        self,
        method: str,
        target: str,
        headers: dict[str, str],
        content: bytes,
        accepted: tuple[int, ...],
    ) -> httpx.Response:
        """A streaming response of an accepted status, tried again while that may help."""
        attempt = 0
        while True:
            try:
                response = self._authorized(method, self._url(target), headers, content)
            except _UNREACHED as e:
                if self._fall_back_to_http(e):
                    continue
                attempt += 1
                if not isinstance(e, _DROPPED) or attempt >= self.patience.tries:
                    raise self._error(cause_of(e), _hint(e)) from e
                self.patience.sleep(self.patience.backoff_s(attempt - 1))
                continue
            self._probe = False
            if response.status_code in accepted:
                return response
            attempt += 1
            with closing(response):
                if response.status_code not in _RETRIED or attempt >= self.patience.tries:
                    raise self._refusal(response)
                wait = response.headers.get("retry-after", "")
            self.patience.sleep(self.patience.backoff_s(attempt - 1, wait))

    def _url(self, target: str) -> str:
        root = f"{self._scheme}://{self.endpoint.host}/v2/"
        if target.startswith(("http:", "https:")):
            return target
        if target.startswith("/"):
            return f"{self._scheme}://{self.endpoint.host}{target}"
        return f"{root}{self.endpoint.repository}/{target}" if target else root

    def absolute(self, base: str, location: str) -> str:
        """The URL of a Location header of the answer to `base`.  Raises RegistryError for one
        that leads where nothing may be sent."""
        if not location:
            raise self._error("it did not say where to send the blob")
        target = self._joined(base, location)
        if _origin(target) != _origin(base):
            self._check_redirect(base, target)
        return target

    def _joined(self, base: str, location: str) -> str:
        try:
            target = urljoin(base, location)
            _origin(target)
        except ValueError as e:
            raise self._error(f"it leads to {location[:200]!r}, which is no URL") from e
        return target

    def _fall_back_to_http(self, error: Exception) -> bool:
        """An insecure registry that does not speak TLS is asked by plain http from now on."""
        if not self._probe or self._scheme == "http":
            return False
        refused = isinstance(error, httpx.ConnectError | httpx.RemoteProtocolError | ssl.SSLError)
        if refused:
            self._scheme = "http"
        return refused

    def _authorized(
        self, method: str, url: str, headers: dict[str, str], content: bytes
    ) -> httpx.Response:
        token = self._token
        response = self._exchange(method, url, headers, token, content)
        if response.status_code != 401:
            return response
        token = self._log_in(response.headers.get_list("www-authenticate"), token)
        if not token:
            return response
        response.close()
        return self._exchange(method, url, headers, token, content)

    def _exchange(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        token: str,
        content: bytes | Iterable[bytes],
    ) -> httpx.Response:
        """One request, with redirects of what only reads; the token is for the registry's own
        origin alone (CVE-2020-15157)."""
        own = _origin(self._url(""))
        for _ in range(REDIRECT_LIMIT + 1):
            sent = {**headers, "authorization": token} if token and _origin(url) == own else headers
            request = self._client.build_request(method, url, headers=sent, content=content or None)
            response = self._client.send(request, stream=True, follow_redirects=False)
            redirected = response.status_code in (301, 302, 303, 307, 308)
            if not redirected or method not in ("GET", "HEAD"):
                return response
            with closing(response):
                target = self._joined(url, response.headers.get("location", ""))
            self._check_redirect(url, target)
            url = target
        raise self._error(f"more than {REDIRECT_LIMIT} redirects")

    def _check_redirect(self, url: str, target: str) -> None:
        parts = urlsplit(target)
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise self._error(f"it redirects to {parts.scheme or 'nowhere'!r}, which is not http")
        if parts.scheme == "http" and urlsplit(url).scheme == "https" and not self._insecure:
            raise self._error("it redirects from https to http")
        if challenge.is_internal(parts.hostname):
            raise self._error(f"it redirects to {parts.hostname}, an address of this network only")

    # ---- logging in ----

    def _log_in(self, asked: list[str], used: str) -> str:
        """The Authorization value for what a 401 asks; "" when there is nothing to try."""
        with self._login:
            if self._token != used:  # another thread was faster
                return self._token
            scheme, fields = challenge.parse(asked)
            value = ""
            if scheme == "basic" and self._credentials and not used:
                value = self._credentials.basic()
            elif scheme == "bearer":
                value = self._fetch_token(fields)
            self._token = value
            return value

    def _fetch_token(self, fields: dict[str, str]) -> str:
        realm = fields.get("realm", "")
        try:
            challenge.check_realm(realm, self.endpoint.host, insecure=self._insecure)
        except ValueError as e:
            raise self._error(f"its token server {realm[:200]!r} {e}") from e
        headers = {}
        trusted = challenge.may_see_credentials(realm, self.endpoint.host)
        if self._credentials and trusted and not self._credentials.token:
            headers["authorization"] = self._credentials.basic()
        scopes = [*self._scopes]
        if (asked := fields.get("scope")) and not _covered(asked, scopes):
            scopes.append(asked)
        query: Query = [("scope", scope) for scope in scopes]
        if service := fields.get("service"):
            query.append(("service", service))
        for attempt in range(self.patience.tries):
            try:
                response = self._ask_token(realm, query, headers, trusted)
            except _UNREACHED as e:
                raise self._error(f"its token server {realm}: {cause_of(e)}", _hint(e)) from e
            with closing(response):
                if response.status_code == 200:
                    return self._token_in(response)
                wait = response.headers.get("retry-after", "")
                last = attempt + 1 >= self.patience.tries
                if response.status_code not in _RETRIED or last:
                    break
            self.patience.sleep(self.patience.backoff_s(attempt, wait))
        refused = response.status_code in (401, 403)
        why = "authentication required: " if refused else ""
        why += f"its token server {realm} {'refused' if refused else 'answered'} with status "
        why += str(response.status_code)
        if self._credentials and not trusted:
            why += " (the credentials were not sent: it is not the registry's own)"
        kind = Unauthorized if refused else RegistryError
        raise kind(self._error(why).message, hint=self._login_hint() if refused else "")

    def _ask_token(
        self, realm: str, query: Query, headers: dict[str, str], trusted: bool
    ) -> httpx.Response:
        if self._credentials and self._credentials.token and trusted:
            form = {
                "service": dict(query).get("service", ""),
                "scope": " ".join(str(scope) for key, scope in query if key == "scope"),
                "grant_type": "refresh_token",
                "refresh_token": self._credentials.token,
                "client_id": "crunpy",
            }
            request = self._client.build_request("POST", realm, data=form)
        else:
            request = self._client.build_request("GET", realm, params=query, headers=headers)
        return self._client.send(request, stream=True, follow_redirects=False)

    def _token_in(self, response: httpx.Response) -> str:
        try:
            answer = jsonfile.loads(self._body(response, _ERROR_LIMIT))
            token = answer.get("token") or answer.get("access_token")
        except (ValueError, AttributeError) as e:
            raise self._error("its token server sent something else than a token") from e
        if not isinstance(token, str) or not token.isprintable() or not token.isascii():
            raise self._error("its token server sent something else than a token")
        return "Bearer " + token

    # ---- bodies ----

    def _pieces(self, response: httpx.Response) -> Iterator[bytes]:
        """The raw body; raises RegistryError when it drips slower than patience allows."""
        # as they come: a chunk that is being filled is lost when the connection breaks
        pieces = response.iter_raw()
        waited, carried = 0.0, 0
        while True:
            start = time.monotonic()
            data = next(pieces, None)
            if data is None:
                return
            waited += time.monotonic() - start
            carried += len(data)
            if waited >= self.patience.window_s:
                if carried < self.patience.min_rate * waited:
                    raise self._error(f"it sends only {int(carried / waited)} bytes per second")
                waited, carried = 0.0, 0
            yield data

    def _body(self, response: httpx.Response, limit: int) -> bytes:
        parts: list[bytes] = []
        total = 0
        try:
            for data in self._pieces(response):
                total += len(data)
                if total > limit:
                    raise self._error(f"it sent more than {limit} bytes where few were expected")
                parts.append(data)
        except httpx.TransportError as e:
            raise self._error(cause_of(e), _hint(e)) from e
        return b"".join(parts)

    def _resumed_at(self, response: httpx.Response, done: int) -> int:
        """How many bytes of the body are known already."""
        if response.status_code == 200:  # it ignored the range
            return done
        said = response.headers.get("content-range", "")
        if not said.startswith(f"bytes {done}-"):
            raise self._error(f"it was asked for bytes from {done} on and sent {said[:60]!r}")
        return 0

    # ---- errors ----

    def _error(self, cause: str, hint: str = "") -> RegistryError:
        return RegistryError(f"registry {self.endpoint.registry}: {cause}", hint=hint)

    def _login_hint(self) -> str:
        return f"crunpy login {self.endpoint.registry}"

    def _refusal(self, response: httpx.Response) -> RegistryError:
        status = response.status_code
        said = _message(self._body(response, _ERROR_LIMIT))
        repository = self.endpoint.repository
        for_what = f" for {repository}" if repository else ""
        if status == 401:
            said = "" if said == " (authentication required)" else said
            return Unauthorized(
                self._error(f"authentication required{for_what}{said}").message,
                hint=self._login_hint(),
            )
        if status == 403:
            return self._error(
                f"access to {repository or 'it'} is denied{said}",
                self._login_hint() + f"; {self.endpoint.registry}/{repository} may also not exist",
            )
        if status == 404 and response.request.method == "POST":
            return self._error(f"it has no repository {repository} and makes none{said}")
        if status == 404:
            if not repository:
                return self._error(f"it has nothing like that{said}")
            return NotInRegistry(
                self._error(f"it has no such image or part of it: {repository}{said}").message,
                hint="check name and tag",
            )
        if status == 429:
            return self._error(
                f"too many requests{for_what}{said}", "wait, or log in for a higher limit"
            )
        if status >= 400 and not said:
            said = f" ({httpx.codes.get_reason_phrase(status).lower()})"
        return self._error(f"it answered with status {status}{for_what}{said}")


def _message(body: bytes) -> str:
    """What the registry's error body says (distribution-spec, "Error Codes"), or ""."""
    try:
        first = jsonfile.loads(body)["errors"][0]
        text = str(first.get("message") or first["code"])
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""
    text = "".join(c if c.isprintable() else " " for c in text[:200])
    return f" ({text})"


def _hint(error: BaseException) -> str:
    cause = cause_of(error)
    if "certificate" in cause:
        return "put its CA into /etc/containers/certs.d/HOST/ca.crt, or use --tls-verify=false"
    if "TLS" in cause:
        return "--tls-verify=false allows plain http"
    if cause.endswith(os.strerror(errno.ECONNREFUSED).lower()):
        return "is the registry running, and is the port right?"
    return ""


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, parts.hostname, port


def _covered(asked: str, scopes: list[str]) -> bool:
    """Whether what a challenge asks for is among the scopes that we ask for anyway."""
    what, _, actions = asked.rpartition(":")
    return any(
        scope.rpartition(":")[0] == what
        and set(actions.split(",")) <= set(scope.rpartition(":")[2].split(","))
        for scope in scopes
    )
