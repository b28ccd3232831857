"""The targets of tools/fuzz in Python, briefly: what they begin with, and changed inputs."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import pytest
from engine import CHECKOUT
from hypothesis import HealthCheck, given, settings

sys.path.insert(0, str(CHECKOUT / "tools" / "fuzz"))
import inputs

EXAMPLES = {
    "references": 600, "dockerfiles": 300, "templates": 150, "archives": 120, "registry": 300,
    "layers": 120, "requests": 250,
}  # fmt: skip

SQUARE = "²".encode()  # a digit to str.isdigit(), not to int()
FOUND = [
    ("references", b"docker.io/localhost/x"),
    ("references", b"docker.io/a.b/c"),
    ("references", b"docker.io/library/" + b"0123456789abcdef" * 4),
    ("dockerfiles", b"FROM b\nRUN x \\\n\n"),
    ("templates", b'{{"\\Ue0001F60"}}'),
    ("templates", b'{{"\\ud800"}}'),
    ("registry", b"\x00429\nRetry-After: " + SQUARE + b"\n\n"),
    ("registry", b"\x00503\nRetry-After: 1 Jan " + b"9" * 30 + b" 00:00:00 GMT\n\n"),
    ("registry", b"\x02202\nLocation: /u\n\n\n%%\n503\n\n\n%%\n204\nRange: 0-" + SQUARE + b"\n\n"),
    ("registry", b"\x02202\nLocation: /u\n\n\n%%\n503\n\n\n%%\n204\nRange: 0-99\n\n\n%%\n202\n\n"),
    (
        "requests",
        b"POST /v5.0.0/libpod/containers/create HTTP/1.1\r\nHost: d\r\n"
        b"Content-Length: 76\r\n\r\n"
        + b'{"image": "b", "portmappings": [{"container_port": 80, "host_port": 1e999}]}',
    ),
    ("registry", b'\x01200\n\n{"tags": 1e999}'),
    ("registry", b"\x04200\n\n" + b'{"results": [{"name": "a", "star_count": 1e999}]}'),
]


def target(name: str) -> Any:
    return importlib.import_module(f"targets.{name}")


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_it_begins_with(name: str) -> None:
    for data in target(name).seeds():
        target(name).one(data)


@pytest.mark.parametrize(("name", "data"), FOUND)
def test_found_before(name: str, data: bytes) -> None:
    target(name).one(data)


@pytest.mark.parametrize("name", EXAMPLES)
def test_changed_inputs(name: str) -> None:
    found = target(name)
    changed = inputs.edited(found.seeds(), found.TOKENS, found.MOST)

    @settings(
        max_examples=EXAMPLES[name], deadline=None, database=None, derandomize=True,
        suppress_health_check=[*HealthCheck],
    )  # fmt: skip
    @given(data=changed)
    def check(data: bytes) -> None:
        found.one(data)

    check()
