"""Documents some of whose names begin with a small letter, and are structs in Go all the same."""

from __future__ import annotations


class Struct(dict[str, object]):
    """For templates: an absent field is an error, capitals may differ."""
