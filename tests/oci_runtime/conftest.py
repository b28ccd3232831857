"""Bundles and runtimes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from bundles import OURS, Bundle, Runtime


@pytest.fixture
def bundle(base: Path, request: pytest.FixtureRequest) -> Iterator[Bundle]:
    import shutil

    path = base / f"bundle{abs(hash(request.node.nodeid)) % 10**9}"
    path.mkdir()
    yield Bundle(path)
    shutil.rmtree(path)


def _runtime(program: str | Path, path: Path) -> Iterator[Runtime]:
    made = Runtime(program, path / "oci")
    yield made
    made.clean()


@pytest.fixture
def oci(tmp_path: Path) -> Iterator[Runtime]:
    """Ours."""
    yield from _runtime(OURS, tmp_path)


@pytest.fixture(params=["crunpy-oci", "runc"])
def any_oci(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Runtime]:
    """Ours, and runc: what is true of both is what callers are used to."""
    yield from _runtime(OURS if request.param == "crunpy-oci" else "runc", tmp_path)
