"""Why a container could not be started the last time, for `inspect`: failure.json."""

from __future__ import annotations

import os

from crun_py import jsonfile
from crun_py.errors import CommandError, CorruptState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.state import Container


def _file(container: Container) -> str:
    return container.directory + "/failure.json"


def note(container: Container, error: CommandError) -> None:
    """Its command could not be executed.  A container that is gone, or a full disk, forgets it."""
    found = {"version": 1, "error": error.message, "exit_code": error.exit_code}
    try:
        jsonfile.write(_file(container), found, durable=False)
    except OSError:
        return


def forget(container: Container) -> None:
    """It has been started."""
    try:
        os.unlink(_file(container))
    except FileNotFoundError:
        return


def read(container: Container) -> tuple[str, int]:
    """The error and its exit code; ("", 0) when the last start went well."""
    try:
        found = jsonfile.read(_file(container))
        return str(found["error"]), int(found["exit_code"])
    except (FileNotFoundError, CorruptState, KeyError, TypeError, ValueError):
        return "", 0
