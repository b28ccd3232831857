"""What the engine knows of its caller's environment: where files are, and what programs get.

Only the entries, the command line and the worker, read os.environ; they hand it in here.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_variables: dict[str, str] = {}
SERVICES = ("DOCKER_HOST", "CONTAINER_HOST", "DOCKER_CONTEXT", "CONTAINER_CONNECTION")
"""Variables that name a service which is to carry commands out, two addresses and two names."""


def has(variables: Mapping[str, str]) -> None:
    """These are the caller's variables from now on."""
    _variables.clear()
    _variables.update(variables)


def variables() -> dict[str, str]:
    """All of them, for a program that the engine starts."""
    return dict(_variables)


def variable(name: str) -> str:
    """The value of one, "" where it is not set."""
    return _variables.get(name, "")


def home(path: str = "") -> str:
    """A path below the caller's home directory."""
    own = variable("HOME")
    if not own:
        import pwd

        try:
            own = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:
            own = "/"
    return f"{own.rstrip('/')}/{path}" if path else own


def config_home() -> str:
    """Where the caller's configuration is (XDG Base Directory Specification)."""
    return variable("XDG_CONFIG_HOME") or home(".config")


def data_home() -> str:
    """Where the caller's data is."""
    return variable("XDG_DATA_HOME") or home(".local/share")
