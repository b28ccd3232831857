"""Paths of the API for things by their names."""

from __future__ import annotations

from urllib.parse import quote

from crun_py.errors import InvalidArgument


def path(*parts: str) -> str:
    """`path("containers", NAME, "json")` as /containers/NAME/json; the names of images keep their
    slashes.  Raises InvalidArgument for an empty name."""
    if not all(parts):
        raise InvalidArgument(f"{next(p for p in parts if p)}: a name is empty")
    safe = ":@/" if "images" in parts[:2] or parts[0] == "distribution" else ":"
    return "/" + "/".join(quote(part, safe=safe) for part in parts)
