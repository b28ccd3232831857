"""index.json made anew of the blobs, where it was damaged: by whom it was written so (another tool,
a disk) is not known."""

from __future__ import annotations

import os

from crun_py import clock
from crun_py.errors import CrunpyError
from crun_py.oci.reference import parse
from crun_py.oci.store.entries import named
from crun_py.oci.store.image import CONFIG, CREATED, facts_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from crun_py.documents.image import Descriptor
    from crun_py.paths import Paths

_MOST_BYTES = 4 << 20
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"


def descriptors(paths: Paths, names: Mapping[str, str]) -> list[Descriptor]:
    """Those of all manifests and lists among the blobs.

    names: full references by ids of images, of who knows any; the other images have none.
    """
    found: list[Descriptor] = []
    left = dict(names)
    for digest, size, value in _documents(paths):
        own = value.get("mediaType")
        entry: Descriptor = {"digest": digest, "size": size}
        if "config" in value and "layers" in value:
            entry["mediaType"] = own if isinstance(own, str) else _MANIFEST
            try:
                facts = facts_of(paths, entry)
            except CrunpyError:
                continue  # a part of it lacks: it is no image
            entry["annotations"] = facts
            name = left.pop(facts[CONFIG].removeprefix("sha256:"), "")
            found.append(named(entry, name))
        elif isinstance(value.get("manifests"), list):
            entry["mediaType"] = own if isinstance(own, str) else _INDEX
            entry["annotations"] = {CREATED: clock.now()}
            found.append(entry)
    return found


def _documents(paths: Paths) -> Iterator[tuple[str, int, dict[str, object]]]:
    """Digest, size and content of the blobs that are small JSON objects."""
    from crun_py import jsonfile

    directory = paths.images + "/blobs/sha256"
    for name in sorted(os.listdir(directory)):
        path = f"{directory}/{name}"
        size = os.stat(path).st_size
        if len(name) != 64 or size > _MOST_BYTES:
            continue
        with open(path, "rb") as f:
            data = f.read()
        try:
            value = jsonfile.loads(data) if data[:1] == b"{" else None
        except ValueError:
            continue
        if isinstance(value, dict):
            yield "sha256:" + name, size, value


def full_name(text: str) -> str:
    """The full reference that a container's record has as its image's name, "" for none."""
    try:
        return str(parse(text))
    except CrunpyError:
        return ""
