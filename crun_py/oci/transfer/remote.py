"""Looking at images that are not in the store: in a registry, in an archive."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from crun_py import jsonfile
from crun_py.errors import CrunpyError, RegistryError
from crun_py.oci.causes import named
from crun_py.oci.chain import digest_of
from crun_py.oci.manifest import DOCUMENT_LIMIT, Index, host_platform, parse_config, stated_platform
from crun_py.oci.manifest import parse as parse_manifest
from crun_py.oci.reference import Reference, parse
from crun_py.oci.registry.access import Access
from crun_py.oci.registry.client import Registry
from crun_py.oci.transfer import transport
from crun_py.oci.transfer.intake import Source, check_config, resolve
from crun_py.paths import Paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.image import ImageDocument, Platform


class Described:
    """What `inspect` says of an image elsewhere, with the names that `store.Image` has."""

    layers: tuple[str, ...] = ()

    def __init__(
        self, digest: str, media_type: str, config: ImageDocument, image_id: str, size: int
    ) -> None:
        self.digest, self.media_type, self.config = digest, media_type, config
        self.id, self.size = image_id, size
        self.familiar_names: list[str] = []
        self.familiar_digests: list[str] = []
        self.annotations: dict[str, str] = {}


@contextmanager
def opened(paths: Paths, text: str, access: Access) -> Iterator[tuple[Source, str, list[str]]]:
    """Where `text` (reference, docker://, oci: …) is: the source, the tag or digest to ask it
    for, and the full references of the image.  Raises RegistryError, ImageError, NotFound."""
    where = transport.split(text)
    if isinstance(where, transport.Place):
        with transport.opened(paths, where) as (source, images):
            yield source, images[0].digest, images[0].names
        return
    registry, reference = _first(where, access)
    with registry:
        yield registry, reference.digest or reference.tag, [str(reference)]


def _first(text: str, access: Access) -> tuple[Registry, Reference]:
    """The first registry or mirror that has `text`, to be closed."""
    error: RegistryError | None = None
    for reference in access.registries.candidates(text):
        for endpoint in access.registries.endpoints(reference):
            registry = access.open(endpoint)
            try:
                registry.manifest(reference.digest or reference.tag)
                return registry, reference
            except RegistryError as e:
                registry.close()
                error = e
    raise error or RegistryError(f"finding {text}: no registry to ask")


def describe(paths: Paths, text: str, access: Access | None = None) -> Described:
    """The image `text` for this platform.  Raises CrunpyError with `text` in the message."""
    try:
        with opened(paths, text, access or Access()) as (source, reference, names):
            data, manifest, digest = resolve(source, reference, host_platform())
            document = source.small_blob(manifest.config.digest, DOCUMENT_LIMIT)
            check_config(document, manifest.config)
            config = parse_config(document, len(manifest.layers))
            size = sum(layer.size for layer in manifest.layers)
            found = Described(digest, manifest.media_type, config, manifest.config.digest[7:], size)
            found.annotations = jsonfile.loads(data).get("annotations") or {}
            parsed = [parse(name) for name in names]
            found.familiar_names = [r.familiar for r in parsed if r.tag]
            found.familiar_digests = [f"{r.familiar_name}@{digest}" for r in parsed]
            return found
    except CrunpyError as e:
        raise named(None, f"inspecting {text}", e) from e


class Distributed:
    """A manifest or list as its registry has it.  platforms: that it is for; size: in bytes."""

    def __init__(self, media_type: str, digest: str, size: int, platforms: list[Platform]) -> None:
        self.media_type, self.digest, self.size = media_type, digest, size
        self.platforms = platforms


def distributed(paths: Paths, text: str, access: Access) -> Distributed:
    """What a registry has as `text`.  Raises CrunpyError with `text` in the message."""
    try:
        with opened(paths, text, access) as (source, reference, _):
            data, content_type = source.manifest(reference)
            found = parse_manifest(data, content_type=content_type)
            if isinstance(found, Index):
                platforms = [entry.platform for entry in found.manifests if entry.platform]
            else:
                document = source.small_blob(found.config.digest, DOCUMENT_LIMIT)
                check_config(document, found.config)
                config = parse_config(document, len(found.layers))
                platforms = [stated_platform(config)]
            return Distributed(found.media_type, digest_of(data), len(data), platforms)
    except CrunpyError as e:
        raise named(None, f"inspecting {text}", e) from e
