"""Documents some of whose names begin with a small letter, and are structs in Go all the same."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Struct(dict[str, "Any"]):
    """For templates: an absent field is an error, capitals may differ."""
