"""What a registry answers: statuses, headers and bodies (oci/registry, oci/transfer/search).

An input is answer after answer, separated by a line of `%%`: the status, header lines, an empty
line, the body.  The first byte says what is asked.  No socket is opened.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator

import httpx

from crun_py.errors import CrunpyError
from crun_py.oci import manifest
from crun_py.oci.registry import upload
from crun_py.oci.registry.auth import Credentials
from crun_py.oci.registry.client import Registry
from crun_py.oci.registry.patience import Patience
from crun_py.oci.registry.registries import Endpoint
from crun_py.oci.transfer import search

MOST = 4096
HOST, PASSWORD = "registry.example", "correct horse"
_BASIC = base64.b64encode(f"me:{PASSWORD}".encode()).decode()
_DIGEST = "sha256:" + "0123456789abcdef" * 4
_DESCRIPTOR = {"mediaType": manifest.OCI_CONFIG, "digest": _DIGEST, "size": 7}
_LAYER = {"mediaType": manifest.OCI_LAYER + "+gzip", "digest": _DIGEST, "size": 70}
_MANIFEST = {
    "schemaVersion": 2,
    "mediaType": manifest.OCI_MANIFEST,
    "config": _DESCRIPTOR,
    "layers": [_LAYER],
}
_LISTED = {
    **_DESCRIPTOR,
    "mediaType": manifest.OCI_MANIFEST,
    "platform": {"os": "linux", "architecture": "amd64"},
}
_INDEX = {"schemaVersion": 2, "manifests": [_LISTED, {**_LISTED, "annotations": {"a": "b"}}]}
_CONFIG = {
    "os": "linux", "architecture": "amd64", "created": "2026-01-01T00:00:00Z",
    "rootfs": {"type": "layers", "diff_ids": [_DIGEST]}, "history": [{"created_by": "x"}],
    "config": {
        "Cmd": ["a"], "Env": ["A=b"], "ExposedPorts": {"80/tcp": {}}, "Labels": {"a": "b"},
        "Healthcheck": {"Test": ["CMD", "x"], "Interval": 5}, "Volumes": {"/v": {}}, "User": "1:2",
    },
}  # fmt: skip
_CONTROLS = {*range(32), 127} - {9}
_ASKS = 'WWW-Authenticate: Bearer realm="https://registry.example/token",service="s",scope="repository:a/b:pull"'
_ANSWERS: list[list[tuple[int, str, object]]] = [
    [(200, "Content-Type: " + manifest.OCI_MANIFEST, _MANIFEST), (200, "", _CONFIG)],
    [
        (200, "Content-Type: application/json; charset=utf-8", _INDEX),
        (200, "", _MANIFEST),
        (200, "", _CONFIG),
    ],
    [
        (401, _ASKS, {"errors": [{"code": "X", "message": "no"}]}),
        (200, "", {"token": "t"}),
        (200, "", _MANIFEST),
    ],
    [
        (401, _ASKS.replace("registry", "other"), ""),
        (200, "", {"access_token": "t"}),
        (404, "", ""),
    ],
    [
        (401, 'WWW-Authenticate: basic realm="x"', ""),
        (429, "Retry-After: 7", ""),
        (503, "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT", ""),
    ],
    [
        (200, 'Link: </v2/a/b/tags/list?last=x>; rel="next"', {"tags": ["a", "b"]}),
        (200, "", {"tags": None}),
    ],
    [
        (307, "Location: https://cdn.example/x", ""),
        (302, "Location: //169.254.169.254/", ""),
        (200, "", "x"),
    ],
    [
        (202, "Location: /v2/a/b/blobs/uploads/1?x=y", ""),
        (202, "Location: other\nRange: 0-3", ""),
        (201, "", ""),
    ],
    [
        (202, "Location: https://cdn.example/up", ""),
        (503, "", ""),
        (204, "Range: bytes=0-3", ""),
        (202, "", ""),
        (201, "", ""),
    ],
    [
        (
            200,
            "",
            {"results": [{"name": "a", "star_count": 3, "is_official": True, "description": "d"}]},
        )
    ],
    [(404, "", ""), (200, "", {"repositories": ["a/b"]})],
    [(206, "Content-Range: bytes 3-6/7", "data"), (200, "", "0123456")],
]
TOKENS = [
    *(
        "\n%%\n200\n",
        "\n%%\n401\n",
        "\n%%\n307\n",
        "\n%%\n503\n",
        "\n\n",
        "WWW-Authenticate: ",
        "Bearer ",
        "Basic ",
    ),
    *(
        'realm="',
        "http://",
        "https://",
        "localhost",
        "[::1]:5000",
        "[",
        "%",
        "@",
        "\\",
        ":99999",
        "169.254.169.254",
    ),
    *(
        "Location: ",
        'Link: <x>; rel="next"',
        "Retry-After: ",
        "Range: 0-",
        "Content-Range: bytes ",
        "²",
        "9" * 20,
    ),
    *(
        "null",
        "true",
        "{}",
        "[]",
        "1e999",
        "-1",
        '"x"',
        "[" * 3000,
        manifest.OCI_INDEX,
        manifest.OCI_MANIFEST,
    ),
    *(
        '"schemaVersion": 2',
        '"manifests":',
        '"config":',
        '"layers":',
        '"digest":',
        '"size":',
        '"token":',
        '"urls":',
    ),
    *(
        "Mon, 1 Jan 0001 00:00:00 +99999999999999",
        "\ud800".encode("utf-8", "replace").decode(),
        "é",
        "\0",
        "\r",
    ),
]


def seeds() -> Iterator[bytes]:
    for answers in _ANSWERS:
        for ask in range(len(_ASKED)):
            parts = []
            for status, headers, body in answers:
                text = body if isinstance(body, str) else json.dumps(body)
                parts.append(f"{status}\n{headers}\n\n{text}" if headers else f"{status}\n\n{text}")
            yield bytes([ask]) + "\n%%\n".join(parts).encode()


class _Script:
    """The answers, one by one; at the end nobody answers."""

    def __init__(self, text: bytes) -> None:
        self._answers = text.split(b"\n%%\n")
        self._asked = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        said = request.headers.get("authorization", "") + str(request.url) + repr(request.content)
        if host != HOST:
            assert _BASIC not in said and PASSWORD not in said, (
                "the password goes to the registry alone"
            )
        assert request.url.scheme in ("http", "https")
        if not self._answers or self._asked > 50:
            raise httpx.ConnectError("nobody is there", request=request)
        self._asked += 1
        head, _, body = self._answers.pop(0).partition(b"\n\n")
        status, *lines = head.split(b"\n")
        headers = [line.split(b":", 1) for line in lines if b":" in line]
        number = int(status) if status.isdigit() and len(status) == 3 and status >= b"200" else 200
        # as h11 has them: names of visible characters, values without control characters
        good = [
            (name, value.strip()) for name, value in headers
            if name and name.isascii() and name.replace(b"-", b"").isalnum()
            and not set(value) & _CONTROLS
            and name.lower() not in (b"content-length", b"transfer-encoding")
        ]  # fmt: skip
        return httpx.Response(number, headers=good, stream=httpx.ByteStream(body), request=request)


def _pull(registry: Registry) -> None:
    data, kind = registry.manifest("latest")
    assert len(data) <= manifest.DOCUMENT_LIMIT
    found = manifest.parse(data, content_type=kind)
    if isinstance(found, manifest.Index):
        chosen = manifest.choose(found, "linux/amd64")
        assert chosen in found.manifests and chosen.digest[7:].isalnum()
        found = manifest.parse(registry.manifest(chosen.digest)[0], expected=chosen.media_type)
    if isinstance(found, manifest.Manifest):
        assert all(layer.digest.startswith("sha256:") and layer.size >= 0 for layer in found.layers)
        config = manifest.parse_config(
            registry.small_blob(found.config.digest, 1 << 20), len(found.layers)
        )
        manifest.check_platform(config, "linux/amd64")
        assert len(config["rootfs"]["diff_ids"]) == len(found.layers)


def _blob(registry: Registry) -> None:
    assert sum(map(len, registry.blob(_DIGEST, 7))) == 7


def _tags(registry: Registry) -> None:
    assert all(isinstance(tag, str) for tag in registry.tags())


def _send(registry: Registry) -> None:
    def pieces(offset: int) -> Iterator[bytes]:
        assert 0 <= offset <= 7, "only what there is"
        yield b"content"[offset:]

    upload.send(registry, _DIGEST, 7, pieces, lambda sent: None)


def _search(registry: Registry) -> None:
    for row in search._search(registry, "x"):
        assert row["Name"].isprintable()


def _catalogue(registry: Registry) -> None:
    search._catalogue(registry, "a")


def _put(registry: Registry) -> None:
    upload.put_manifest(registry, "latest", b"{}", manifest.OCI_MANIFEST)


_ASKED: list[Callable[[Registry], None]] = [
    _pull,
    _tags,
    _send,
    _blob,
    _search,
    _catalogue,
    _put,
    Registry.ping,
]
_registry = Registry(
    Endpoint(HOST, "a/b"), credentials=Credentials("me", PASSWORD), write=True,
    patience=Patience(sleep=lambda s: None, tries=3),
)  # fmt: skip
_own = _registry._client


def one(data: bytes) -> None:
    ask, script = _ASKED[(data[0] if data else 0) % len(_ASKED)], _Script(data[1:])
    registry = _registry
    registry._token, registry._scheme, registry._probe = "", "https", False
    registry._client = httpx.Client(
        transport=httpx.MockTransport(script), headers=_own.headers, trust_env=False
    )
    try:
        ask(registry)
    except CrunpyError as e:
        assert "\n" not in e.line() and len(e.line()) < 5000
    finally:
        registry._client.close()
