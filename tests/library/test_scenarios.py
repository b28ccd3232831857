"""The scenarios, with both faces of the library, as root and as a plain user."""

from __future__ import annotations

from pathlib import Path

import pytest
from programs import Programs

HERE = Path(__file__).resolve().parent
MODULES = sorted(p.stem for p in (HERE / "scenarios").glob("*.py") if p.stem != "__init__")


@pytest.mark.parametrize("how", ["plain", "async"])
@pytest.mark.parametrize("module", MODULES)
def test_scenarios(programs: Programs, module: str, how: str) -> None:
    engine = programs.engine
    busybox = engine.inspect("busybox")["Id"].removeprefix("sha256:")
    for image in {*engine.ok("images", "-aq", "--no-trunc").split()} - {
        busybox,
        "sha256:" + busybox,
    }:
        engine.ok("rmi", "-f", image)  # of tests before us
    done = programs.run(HERE / "run_scenarios.py", how, module)
    assert "Traceback" not in done.err, done.err
