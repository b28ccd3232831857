"""Manifest lists among the descriptors of index.json: what they are called, what they hold,
and which of their images is for a platform."""

from __future__ import annotations

from crun_py import jsonfile
from crun_py.errors import CrunpyError, ImageError
from crun_py.oci.manifest import (
    DOCUMENT_LIMIT,
    INDEXES,
    Index,
    choose,
    host_platform,
    images_in,
    parse,
    platform_text,
)
from crun_py.oci.reference import parse as parse_reference
from crun_py.oci.store import blobs
from crun_py.paths import Paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.image import Descriptor as Entry
    from crun_py.documents.image import ImageAbout
    from crun_py.oci.manifest import Descriptor

_DEPTH = 3


class ManifestList:
    """A manifest list of the store, with the fields of an `Image` that listings show.

    id: hex digits of digest; names: full references, none: dangling; created: when it got its
    content, RFC 3339 text or ""; size: bytes of the list itself.
    """

    source = ""
    made = False

    def __init__(self, entry: Entry, created: str) -> None:
        self.digest = entry["digest"]
        self.id = self.digest[7:]
        self.media_type = entry.get("mediaType", "")
        self.size = int(entry.get("size") or 0)
        self.created = created
        self.names: list[str] = []
        self.config: ImageAbout = {}

    def under(self, name: str) -> ManifestList:
        """As `Image.under`: whatever its name, it is the same."""
        return self

    @property
    def title(self) -> str:
        """What messages call it."""
        return f"manifest list {(self.familiar_names or [self.id[:12]])[0]}"

    @property
    def familiar_names(self) -> list[str]:
        """The names as docker shows them."""
        return [parse_reference(name).familiar for name in self.names]

    @property
    def familiar_digests(self) -> list[str]:
        """The digests as docker shows them."""
        names = {parse_reference(name).familiar_name for name in self.names}
        return sorted(f"{name}@{self.digest}" for name in names)


def is_list(entry: Entry) -> bool:
    """Whether a descriptor is that of a manifest list."""
    return entry.get("mediaType") in INDEXES


def chosen(paths: Paths, found: ManifestList, platform: str) -> Entry:
    """The descriptor of the image for `platform` ("": this host's) that the list has.

    Raises ImageError, which names the list and the platforms that there are.
    """
    digest = found.digest
    try:
        for _ in range(_DEPTH):
            descriptor = choose(_index(paths, digest), platform or host_platform())
            entry = _entry(descriptor)
            if not is_list(entry):
                return entry
            digest = descriptor.digest
    except ImageError as e:
        raise ImageError(f"{found.title}: {e.message}", hint=e.hint) from e
    raise ImageError(f"{found.title}: lists within lists within lists")


def members(paths: Paths, found: ManifestList) -> list[tuple[str, Entry]]:
    """(platform or "", descriptor) of each image that the list names, those in lists within too,
    but no attestations."""
    descriptors: list[tuple[str, Entry]] = []
    ahead = [found.digest]
    seen: set[str] = set()
    while ahead:
        for descriptor in images_in(_index(paths, ahead.pop(0))):
            if descriptor.digest in seen:
                continue
            seen.add(descriptor.digest)
            if descriptor.media_type not in INDEXES:
                descriptors.append((platform_text(descriptor.platform), _entry(descriptor)))
            elif blobs.has(paths, descriptor.digest):
                ahead.append(descriptor.digest)
    return descriptors


def holds(paths: Paths, found: ManifestList) -> set[str]:
    """Digests of everything that the list lists, at any depth."""
    held: set[str] = set()
    ahead = [found.digest]
    while ahead:
        for descriptor in _index(paths, ahead.pop()).manifests:
            if descriptor.digest in held or not blobs.has(paths, descriptor.digest):
                continue
            held.add(descriptor.digest)
            if descriptor.media_type in INDEXES:
                ahead.append(descriptor.digest)
    return held


def image_ids(paths: Paths, found: ManifestList) -> set[str]:
    """Ids of the images that the list has and the store holds."""
    ids = set()
    for digest in holds(paths, found):
        try:
            value = jsonfile.loads(blobs.read(paths, digest, DOCUMENT_LIMIT))
            ids.add(value["config"]["digest"].rpartition(":")[2])
        except (CrunpyError, ValueError, KeyError, TypeError, AttributeError):
            continue  # a list within, or something that is no image
    return ids


def _entry(descriptor: Descriptor) -> Entry:
    return {
        "digest": descriptor.digest,
        "mediaType": descriptor.media_type,
        "size": descriptor.size,
    }


def _index(paths: Paths, digest: str) -> Index:
    found = parse(blobs.read(paths, digest, DOCUMENT_LIMIT))
    if not isinstance(found, Index):
        raise ImageError(f"reading {digest[:19]}: not a manifest list")
    return found
