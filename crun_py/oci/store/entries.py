"""The names in the descriptors of the store's index.json."""

from __future__ import annotations

from crun_py.errors import CrunpyError
from crun_py.oci.reference import parse
from crun_py.oci.store.image import CONFIG, OURS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.image import Descriptor as Entry

    Entries = list[Entry]

REF_NAME = "org.opencontainers.image.ref.name"
CONTAINERD_NAME = "io.containerd.image.name"


def name_of(entry: Entry) -> str:
    """The full reference of a descriptor, "" when it has none that is valid."""
    annotations = entry.get("annotations") or {}
    name = annotations.get(REF_NAME) or ""
    try:
        # other tools write a tag alone, and the name to containerd's annotation
        full = name if "/" in name else annotations.get(CONTAINERD_NAME) or name
        return str(parse(full)) if full else ""
    except CrunpyError:
        return ""


def called(entries: Entries, name: str) -> Entries:
    """All entries of the image that has exactly this name; none where no image has it, or
    another tool's entries are among them."""
    about = [entry.get("annotations") or {} for entry in entries]
    wanted = {a.get(CONFIG) for a in about if a.get(REF_NAME) == name}
    if len(wanted) != 1 or None in wanted or any(CONFIG not in a for a in about):
        return []
    return [e for e, a in zip(entries, about, strict=True) if a[CONFIG] in wanted]


def maybe_with_id(entries: Entries, prefix: str) -> Entries:
    """The entries of which our annotations do not say that the image's id begins otherwise."""
    start = "sha256:" + prefix
    about = [(entry, (entry.get("annotations") or {}).get(CONFIG)) for entry in entries]
    return [e for e, c in about if not isinstance(c, str) or c.startswith(start)]


def named(entry: Entry, name: str) -> Entry:
    """`entry` for the image `name`, "" for none, without what other tools noted."""
    kept = {k: v for k, v in (entry.get("annotations") or {}).items() if k in OURS}
    if name:
        kept[REF_NAME] = kept[CONTAINERD_NAME] = name
    return {**entry, "annotations": kept}


def without_name(entries: Entries, name: str) -> Entries:
    """`entries` where nobody has `name`; whoever had no other keeps a nameless one."""
    kept = [e for e in entries if name_of(e) != name]
    present = {e.get("digest") for e in kept}
    for entry in entries:
        if name_of(entry) == name and entry.get("digest") not in present:
            kept.append(named(entry, ""))
            present.add(entry.get("digest"))
    return kept
