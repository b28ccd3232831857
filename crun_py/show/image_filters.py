"""Which images a filter of `images` or `image prune` means."""

from __future__ import annotations

from crun_py import clock
from crun_py.errors import InvalidArgument
from crun_py.filters import label_matches
from crun_py.oci.reference import Reference, other_spelling, parse
from crun_py.oci.store.listed import ManifestList

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from crun_py.oci.store.image import Image
    from crun_py.oci.store.images import ImageStore

    Users = Callable[[str], list[str]]

FILTERS = (
    "dangling reference label label! before since after until id containers manifest "
    "intermediate readonly"
).split()
PRUNE = "dangling until label label!".split()


def prepare(
    store: ImageStore, wanted: dict[str, list[str]], in_use: Users
) -> Callable[[Image | ManifestList], bool]:
    """A test for images and manifest lists from filters by key, whose values are checked now.

    in_use: what uses an image id.  Raises InvalidArgument, NotFound (an image that a filter
    names).
    """
    values = _values(store, wanted)
    return lambda image: _passes(image, values, in_use)


def reference_matches(ref: Reference, wanted: str) -> bool:
    """Whether a name is what `wanted` (a reference, or a pattern with * ? [) means."""
    if any(c in wanted for c in "*?["):
        import fnmatch

        forms = (ref.familiar_name, f"{ref.familiar_name}:{ref.tag}", ref.name, str(ref))
        return any(fnmatch.fnmatchcase(text, wanted) for text in forms)
    other = parse(wanted)
    named = ":" in wanted.rpartition("/")[2] or "@" in wanted
    alias = other_spelling(other)
    return ref.name in (other.name, alias and alias.name) and (
        not named or (ref.tag, ref.digest) == (other.tag, other.digest)
    )


def boolean(key: str, text: str) -> bool:
    """The value of a filter that is true or false.  Raises InvalidArgument."""
    if text.lower() not in ("true", "false", "1", "0"):
        raise InvalidArgument(f"filter {key}={text}: not true or false")
    return text.lower() in ("true", "1")


def labels_of(image: Image | ManifestList) -> dict[str, str]:
    """The labels of an image; a list has none."""
    return (image.config.get("config") or {}).get("Labels") or {}


def _values(store: ImageStore, wanted: dict[str, list[str]]) -> dict[str, list[Any]]:
    """The values of filters checked once: truth values, and times as nanoseconds."""
    prepared: dict[str, list[Any]] = {}
    for key, values in wanted.items():
        if key == "intermediate":
            prepared[key] = [(boolean(key, value), _childless(store)) for value in values[-1:]]
        elif key in ("dangling", "containers", "manifest", "readonly"):
            prepared[key] = [boolean(key, value) for value in values[-1:]]
        elif key == "until":
            prepared[key] = [clock.parse_point(value) for value in values]
        elif key in ("before", "since", "after"):
            prepared[key] = [clock.known_ns(store.find(value).created) for value in values]
        else:
            prepared[key] = [*values]
    return prepared


def _childless(store: ImageStore) -> set[str]:
    """Ids of the images that no other is built on."""
    found = store.list()
    return {
        image.id
        for image in found
        if not any(
            other.id != image.id and other.chain[: len(image.chain)] == image.chain
            for other in found
        )
    }


def _passes(image: Image | ManifestList, wanted: dict[str, list[Any]], in_use: Users) -> bool:
    """Whether `image` is one of those that prepared filters want."""
    for key, values in wanted.items():
        if key == "dangling":
            good = (not image.names) == values[0]
        elif key == "containers":
            good = bool(in_use(image.id)) == values[0]
        elif key == "readonly":
            good = not values[0]  # there is no further store that is only read
        elif key == "intermediate":
            good = (not image.names and image.id in values[0][1]) == values[0][0]
        elif key == "manifest":
            good = isinstance(image, ManifestList) == values[0]
        elif key == "label":
            good = all(label_matches(labels_of(image), v) for v in values)
        elif key == "label!":
            good = not any(label_matches(labels_of(image), v) for v in values)
        elif key == "id":
            good = any(image.id.startswith(v.removeprefix("sha256:")) for v in values)
        elif key == "reference":
            good = any(reference_matches(parse(n), v) for n in image.names for v in values)
        elif key in ("before", "until"):
            good = any(clock.known_ns(image.created) < v for v in values)
        else:
            good = any(clock.known_ns(image.created) > v for v in values)
        if not good:
            return False
    return True
