"""Image references, digests, tags and platforms (oci/reference, oci/manifest)."""

from __future__ import annotations

from collections.abc import Iterator

from crun_py.errors import CrunpyError
from crun_py.oci import manifest, reference

MOST = 1024
_TEXTS = """
nginx nginx:1.25 library/nginx docker.io/library/nginx:latest quay.io/a/b:tag index.docker.io/x
localhost/x localhost:5000/a/b@sha256:{hex}
[::1]:5000/a a.b:80/c_d__e/f-g.h:T_1.2-3 {hex} x@sha512:{hex}{hex}
docker.io/localhost/x docker.io/a.b/c docker.io/{hex} docker.io/library/{hex}:t
UPPER/x UPPER.example/x http://a/b
linux/arm64/v8 arm linux/386 docker://x oci:/dir:tag sha256:{hex}
"""
TOKENS = [
    *"docker.io/ library/ localhost/ : @ / // .. . - _ __ --- :latest @sha256: :5000/".split(),
    "[::1]",
    *("linux/", "arm64", "/v8", "A", "0" * 64, "\0", "é", "a" * 128, "x/" * 120),
    "\u0663",  # an Arabic digit is one to Python
]


def seeds() -> Iterator[bytes]:
    for text in _TEXTS.replace("{hex}", "0123456789abcdef" * 4).split():
        yield text.encode()


def one(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    for read in (reference.parse_digest, manifest.split_platform, manifest.image_format):
        try:
            read(text)
        except CrunpyError as e:
            assert "\n" not in e.line()
    reference.has_transport(text), reference.is_short(text), reference.is_id_prefix(text)
    try:
        found = reference.parse(text)
    except CrunpyError as e:
        assert "\n" not in e.line() and len(e.line()) < 8000
        return
    _check(found)
    try:
        other = reference.other_spelling(found)
    except CrunpyError:
        return  # it may be too long
    if other:
        _check(other)


def _check(found: reference.Reference) -> None:
    assert found.tag or found.digest
    assert "/" not in found.tag + found.digest + found.registry
    assert len(found.name) <= reference.NAME_LIMIT
    assert str(found).isascii() and str(found).isprintable() and " " not in str(found)
    parts = found.name.split("/")
    assert not {"", ".", ".."} & {*parts, found.tag or "x"}, "none is a path of its own"
    assert reference.parse(str(found)) == found
    assert reference.parse(found.familiar) == found, "what is shown means the same"
    assert reference.parse(found.name).name == found.name
