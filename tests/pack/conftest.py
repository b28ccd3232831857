"""What the tests of packages share."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engine import CHECKOUT, REACHABLE

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools/pack"))

from onefile import onefile
from onefile_host import Host


@pytest.fixture(scope="module")
def crunpy() -> Path:
    """The file, where everybody can read it."""
    return REACHABLE / onefile("x86_64").relative_to(CHECKOUT)


@pytest.fixture
def make_host(crunpy: Path, user_name: str) -> Iterator[Callable[[str], Host]]:
    directory = Path(tempfile.mkdtemp(prefix="crunpy-onefile-", dir="/run"))
    yield lambda who: Host(directory, user_name if who == "user" else "", crunpy)
    shutil.rmtree(directory)


@pytest.fixture(params=["root", "user"])
def host(request: pytest.FixtureRequest, make_host: Callable[[str], Host]) -> Host:
    return make_host(request.param)


@pytest.fixture
def user_host(make_host: Callable[[str], Host]) -> Host:
    return make_host("user")
