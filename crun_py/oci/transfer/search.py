"""Searching registries: the search of docker.io (v1 API), the catalogue of others (v2 API)."""

from __future__ import annotations

from urllib.parse import quote

from crun_py import jsonfile
from crun_py.errors import CrunpyError, InvalidArgument, RegistryError, printable
from crun_py.oci.reference import DEFAULT_REGISTRY, split_registry
from crun_py.oci.registry.access import Access, registry_of
from crun_py.oci.registry.client import Registry
from crun_py.oci.transfer.pull import all_tags
from crun_py.quantity import is_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crun_py.documents.rows import SearchRow, TagRow

DEFAULT_LIMIT = 25
_MOST = 100
_WIDTH = 45
_ANSWER_LIMIT = 8 << 20
_SEARCH_HOST = "index.docker.io"
_FILTERS = ("stars", "is-official", "is-automated")
_KINDS = ("official", "automated")


class Filter:
    """Which results are wanted: of so many stars, (not) official, (not) automated."""

    def __init__(self, texts: list[str]) -> None:
        """texts: KEY=VALUE.  Raises InvalidArgument."""
        self.stars = 0
        self._flags: dict[str, bool] = {}
        for text in texts:
            key, _, value = text.partition("=")
            if key == "stars" and is_number(value):
                self.stars = int(value)
            elif key in _FILTERS[1:] and value in ("true", "false", "1", "0", ""):
                self._flags[key] = value not in ("false", "0")
            else:
                raise InvalidArgument(
                    f"filter {text!r}: not known",
                    hint="stars=N, is-official=BOOL, is-automated=BOOL",
                )

    def wants(self, row: SearchRow) -> bool:
        return bool(
            row["StarCount"] >= self.stars
            and self._flags.get("is-official", bool(row["IsOfficial"])) == bool(row["IsOfficial"])
            and self._flags.get("is-automated", bool(row["IsAutomated"]))
            == bool(row["IsAutomated"])
        )


def search(
    term: str, access: Access, *, limit: int = DEFAULT_LIMIT, wanted: Filter, whole: bool = False
) -> list[SearchRow]:
    """Rows with docker's fields for what matches `term`, [REGISTRY/]TEXT.

    At most `limit` from each registry that is asked; whole: descriptions are not cut.
    Raises InvalidArgument, RegistryError.
    """
    if not 0 < limit <= _MOST:
        raise InvalidArgument(f"search limit {limit}: not between 1 and {_MOST}")
    registry, text = split_registry(term)
    if not term:
        raise InvalidArgument("searching: no term given")
    registries = [registry] if registry else access.registries.search or [DEFAULT_REGISTRY]
    rows: list[SearchRow] = []
    for name in registries:
        host, _ = registry_of(name)
        try:
            rows += _of_registry(host, text, access, limit, wanted)
        except CrunpyError as e:
            raise type(e)(f"searching {host} for {text!r}: {e.message}", hint=e.hint) from e
    for row in rows:
        row["Description"] = _shown(row["Description"], whole)
    return rows


def tags(term: str, access: Access, limit: int) -> list[TagRow]:
    """A row with Name and Tag for each of the first tags of repository `term`."""
    found = all_tags(term, access)[:limit]
    pairs = [text.rsplit(":", 1) for text in found]
    return [{"Name": name, "Tag": tag} for name, tag in pairs]


def _of_registry(
    host: str, text: str, access: Access, limit: int, wanted: Filter
) -> list[SearchRow]:
    endpoint = access.root(host)
    if endpoint.registry == DEFAULT_REGISTRY:
        endpoint.host = _SEARCH_HOST
    prefix = "" if host == DEFAULT_REGISTRY else host + "/"
    with access.open(endpoint) as registry:
        try:
            found = _search(registry, text)
        except RegistryError:
            if host == DEFAULT_REGISTRY:
                raise
            found = _catalogue(registry, text)
    rows: list[SearchRow] = [{**row, "Index": host, "Name": prefix + row["Name"]} for row in found]
    return [row for row in rows if wanted.wants(row)][:limit]


def _search(registry: Registry, text: str) -> list[SearchRow]:
    """By the v1 API, which most registries never had."""
    answer = registry.ask("GET", f"/v1/search?q={quote(text)}&n={_MOST}", limit=_ANSWER_LIMIT)
    try:
        results = jsonfile.loads(answer.body)["results"]
        return [_row(result) for result in results]
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise RegistryError("it sent something else than search results") from e


def _row(result: dict[str, Any]) -> SearchRow:
    said = result.get("star_count")
    stars = said if isinstance(said, int) else 0
    official, automated = ("[OK]" if result.get(f"is_{k}") else "" for k in _KINDS)
    return {
        "Name": printable(str(result["name"])),
        "Description": str(result.get("description") or ""),
        "StarCount": stars,
        "IsOfficial": official,
        "IsAutomated": automated,
        # podman's names
        "Stars": stars,
        "Official": official,
        "Automated": automated,
        "Tag": "",
    }


def _catalogue(registry: Registry, text: str) -> list[SearchRow]:
    """By the v2 catalogue (docker's registry API); it knows names only."""
    names = registry.listing("/v2/_catalog?n=1000", "repositories")
    return [_row({"name": name}) for name in names if text in name]


def _shown(text: str, whole: bool) -> str:
    text = printable(" ".join(text.split()))
    return text if whole or len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
