"""index.json made anew of the blobs, where it was damaged: by whom it was written so (another tool,
a disk) is not known."""

from __future__ import annotations

import os

from crun_py import clock
from crun_py.errors import CrunpyError
from crun_py.oci import manifest
from crun_py.oci.reference import parse
from crun_py.oci.store.entries import named
from crun_py.oci.store.image import CONFIG, CREATED, facts_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from crun_py.documents.image import Descriptor
    from crun_py.paths import Paths

_MOST_BYTES = 4 << 20


def descriptors(paths: Paths, names: Mapping[str, str]) -> list[Descriptor]:
    """Those of all manifests and lists among the blobs.

    names: full references by ids of images, of who knows any; the other images have none.
    """
    found: list[Descriptor] = []
    left = dict(names)
    for digest, data in _documents(paths):
        try:
            document = manifest.parse(data)
            entry: Descriptor = {"digest": digest, "size": len(data)}
            entry["mediaType"] = document.media_type
            if isinstance(document, manifest.Index):
                entry["annotations"] = {CREATED: clock.now()}
                found.append(entry)
                continue
            facts = facts_of(paths, entry)
        except CrunpyError:
            continue  # it is neither, or a part of it lacks: it is no image
        entry["annotations"] = facts
        found.append(named(entry, left.pop(facts[CONFIG].removeprefix("sha256:"), "")))
    return found


def _documents(paths: Paths) -> Iterator[tuple[str, bytes]]:
    """Digest and content of the blobs that may be small JSON objects."""
    directory = paths.images + "/blobs/sha256"
    for name in sorted(os.listdir(directory)):
        path = f"{directory}/{name}"
        if len(name) != 64 or os.stat(path).st_size > _MOST_BYTES:
            continue
        with open(path, "rb") as f:
            data = f.read()
        if data[:1] == b"{":
            yield "sha256:" + name, data


def full_name(text: str) -> str:
    """The full reference that a container's record has as its image's name, "" for none."""
    try:
        return str(parse(text))
    except CrunpyError:
        return ""
