"""The command with a service behind it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from far import Far


@pytest.fixture
def far(served: Any) -> Far:
    """The engine's command with the engine's service behind it."""
    return Far(served.engine, f"unix://{served.path}")


@pytest.fixture
def place(far: Far) -> Path:
    """A directory that the engine's user may read and write."""
    made = far.engine.home / "place"
    made.mkdir()
    os.chmod(made, 0o777)
    return made
