"""An image of the store, and what index.json remembers of it as annotations of our own."""

from __future__ import annotations

from crun_py import clock, jsonfile
from crun_py.errors import CorruptState
from crun_py.oci.chain import chain_ids, diff_path
from crun_py.oci.reference import parse, parse_digest
from crun_py.oci.store import blobs
from crun_py.paths import Paths
from crun_py.shapes import IMAGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.documents.image import Descriptor as Entry
    from crun_py.documents.image import ImageDocument, Manifest
    from crun_py.oci.reference import Reference

CONFIG = "io.crunpy.config"
CHAIN = "io.crunpy.chain"
CREATED = "io.crunpy.created"
SIZE = "io.crunpy.size"
SOURCE = "io.crunpy.source"
MADE = "io.crunpy.made"
UNDIGESTED = "io.crunpy.undigested"  # the name's repository says no digest of the image
OURS = (CONFIG, CHAIN, CREATED, SIZE, SOURCE, MADE)
_MANIFEST = {"config": {"digest": str}}
_ANNOTATED = {"annotations?": (None, {str: str})}


class Image:
    """An image of the store.

    id:           hex digits of the config's digest, docker's image id
    digest:       of the manifest; media_type is the manifest's.  One config may have several
                  manifests, whose layers are compressed differently: it is that of the name
                  by which the image was looked up
    names:        full references, `docker.io/library/nginx:latest`; empty: dangling
    repo_digests: `docker.io/library/nginx@sha256:…` as the registry knows it
    layers:       trees of the unpacked layers, base first; chain: their chain ids
    created:      RFC 3339 text or ""
    size:         bytes of file content of all layers
    made:         its manifest was written here, and may be written anew for a registry
    kept:         it is in index.json for itself; otherwise a manifest list alone has it
    """

    __slots__ = (
        "_by_name",
        "_config",
        "_paths",
        "chain",
        "created",
        "digest",
        "id",
        "kept",
        "made",
        "media_type",
        "names",
        "size",
        "source",
    )

    def __init__(self, paths: Paths, entry: Entry, facts: dict[str, str]) -> None:
        self._paths = paths
        self._config: ImageDocument | None = None
        self._by_name: dict[str, tuple[Entry, dict[str, str]]] = {}
        self.names: list[str] = []
        self.kept = True
        self._manifest_is(entry, facts)
        self.id = parse_digest(facts[CONFIG])[7:]
        self.chain = [parse_digest("sha256:" + digits) for digits in facts[CHAIN].split()]
        self.created = clock.valid(facts.get(CREATED, ""))
        self.size = int(facts.get(SIZE) or 0)

    def _manifest_is(self, entry: Entry, facts: dict[str, str]) -> None:
        self.digest = entry["digest"]
        self.media_type = entry.get("mediaType", "")
        self.source = facts.get(SOURCE, "")
        self.made = bool(facts.get(MADE))

    def named(self, name: str, entry: Entry, facts: dict[str, str]) -> None:
        """The image has `name` too, by the descriptor `entry`."""
        self.names.append(name)
        self._by_name[name] = entry, facts

    def known_as(self, own: Image) -> None:
        """The image has the names of `own`, the same image as index.json has it."""
        self.names, self._by_name, self.kept = own.names, own._by_name, True

    def under(self, name: str) -> Image:
        """This image with the manifest that it has under `name`, one of its names."""
        self._manifest_is(*self._by_name[name])
        return self

    def _registry_digest(self, name: str) -> str:
        entry, facts = self._by_name[name]
        return facts.get(SOURCE) or entry["digest"]

    @property
    def config(self) -> ImageDocument:
        """The whole image config (image-spec, config.md), read when first asked for."""
        if self._config is None:
            self._config = blobs.document(self._paths, "sha256:" + self.id, IMAGE)
        return self._config

    @property
    def annotations(self) -> dict[str, str]:
        """Those of the manifest."""
        found: Manifest = blobs.document(self._paths, self.digest, _ANNOTATED)
        return found.get("annotations") or {}

    @property
    def layers(self) -> list[str]:
        return [diff_path(self._paths, chain_id) for chain_id in self.chain]

    @property
    def layer_sizes(self) -> list[int]:
        """Bytes of file content of each layer, base first."""
        return [layer_size(self._paths, chain_id) for chain_id in self.chain]

    @property
    def repo_digests(self) -> list[str]:
        return self._digests(lambda reference: reference.name)

    @property
    def familiar_digests(self) -> list[str]:
        """The digests as docker shows them, `nginx@sha256:…`."""
        return self._digests(lambda reference: reference.familiar_name)

    def _digests(self, spell: Callable[[Reference], str]) -> list[str]:
        names = [n for n in self.names if not self._by_name[n][1].get(UNDIGESTED)]
        return sorted({f"{spell(parse(n))}@{self._registry_digest(n)}" for n in names})

    @property
    def familiar_names(self) -> list[str]:
        """The names as docker shows them, `nginx:latest`."""
        return [parse(name).familiar for name in self.names]


def facts_of(paths: Paths, entry: Entry) -> dict[str, str]:
    """Those annotations of the image of a descriptor, read from its blobs.  Raises CrunpyError,
    KeyError, TypeError or ValueError for what is not an image."""
    manifest: Manifest = blobs.document(paths, entry["digest"], _MANIFEST)
    config_digest = manifest["config"]["digest"]
    config: ImageDocument = blobs.document(paths, config_digest, IMAGE)
    chain = chain_ids([parse_digest(d) for d in config["rootfs"]["diff_ids"]])
    created = config.get("created")
    return {
        CONFIG: config_digest,
        CHAIN: " ".join(chain_id[7:] for chain_id in chain),
        CREATED: created if isinstance(created, str) else "",
        SIZE: str(sum(layer_size(paths, chain_id) for chain_id in chain)),
    }


def layer_size(paths: Paths, chain_id: str) -> int:
    """Bytes of file content of layer `chain_id`; 0 when it is not unpacked, or not known."""
    try:
        found = jsonfile.read(diff_path(paths, chain_id)[:-5] + "/layer.json", {"size": int})
        return int(found["size"])
    except (FileNotFoundError, CorruptState):
        return 0
