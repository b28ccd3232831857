"""Connecting what has changed since it was looked at."""

from __future__ import annotations

import os
import pwd
import subprocess
from typing import Any

import pytest

from crun_py.errors import Conflict, NotFound
from crun_py.net import reconnect


class _Named:
    name = "c"


def test_one_that_was_started_again(user_name: str) -> None:
    """Where a plain user's command is in the user namespace of a container's last start, the
    kernel lets it into that alone."""
    container: Any = _Named()
    os.seteuid(pwd.getpwnam(user_name).pw_uid)
    try:
        with pytest.raises(Conflict, match="it was started again meanwhile"):
            reconnect._running(container, os.getppid())
    finally:
        os.seteuid(0)


def test_one_that_has_ended() -> None:
    container: Any = _Named()
    with subprocess.Popen(["true"]) as process:
        process.wait()
        with pytest.raises(NotFound, match="it has just ended"):
            reconnect._running(container, process.pid)
