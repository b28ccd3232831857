"""Errors that come of what the host lacks say that `crunpy doctor` tells more."""

from __future__ import annotations

from crun_py.errors import CrunpyError

_ABOUT_THE_HOST = (
    "entering a user namespace:",
    "making a network without root:",
    "making a user's network:",
    "setting up nftables:",
    "mounting the layers on",
)
"""How the messages begin of which the doctor knows more."""


def line(error: CrunpyError) -> str:
    """The one line that a user sees of an error."""
    overlay = (
        error.message.startswith("starting the container: step") and "(overlay" in error.message
    )
    if not overlay and not error.message.startswith(_ABOUT_THE_HOST):
        return error.line()
    return error.line("`crunpy doctor` tells more")
