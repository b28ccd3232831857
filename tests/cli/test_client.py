"""crun_py.cli.container.client: who stays with a container."""

from __future__ import annotations

import pytest

from crun_py.cli.container import run
from crun_py.cli.container.client import client_of
from crun_py.values import Values


@pytest.mark.parametrize(
    "text,passed", [("false", False), ("0", False), ("f", False), ("FALSE", False), ("F", False),
                    ("true", True), ("1", True), ("T", True), (None, True)],
)  # fmt: skip
def test_signals_are_passed_on_or_not(text: str | None, passed: bool) -> None:
    values = Values(run.OPTIONS)
    if text is not None:
        values.give("sig_proxy", text)
    assert client_of(values, ()).sig_proxy is passed
