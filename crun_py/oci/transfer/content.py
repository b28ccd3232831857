"""What an image consists of when it leaves the store: documents and layer blobs.

Unchanged, the bytes are those that came in, so every digest stays what it was.  `rewritten`
makes other ones, for a registry or archive that is to have another compression or format.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator

from crun_py import jsonfile
from crun_py.errors import CrunpyError, ImageError, InvalidArgument, NotFound
from crun_py.oci.manifest import (
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_MANIFEST,
    DOCUMENT_LIMIT,
    INDEXES,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Manifest,
    compression,
    parse,
    stated_platform,
)
from crun_py.oci.store import blobs
from crun_py.oci.store.inflate import compress, inflate
from crun_py.oci.store.layers import Limits
from crun_py.oci.transfer import repack
from crun_py.paths import Paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.image import Descriptor, Index, Platform
    from crun_py.documents.image import Manifest as ManifestDocument

COMPRESSIONS = ("gzip", "zstd")
PLAIN = "none"
_MANIFESTS = {"oci": OCI_MANIFEST, "docker": DOCKER_MANIFEST}
_PIECE_BYTES = 1 << 20
_LEVELS = {"gzip": (1, 9), "zstd": (1, 22)}


class Content:
    """An image, or a manifest list with its images, as bytes.

    digest, media_type, manifest: of the manifest or index; config: its digest, "" for a
    list; configs: bytes by digest; members: (bytes, media type) of a list's manifests, the
    innermost first; layers: (digest, bytes) once each; chain: digests of the layers, base
    first; platform: for an index's entry.
    """

    def __init__(self, paths: Paths, manifest: bytes, media_type: str) -> None:
        self._paths = paths
        self._files: dict[str, int] = {}
        self.manifest = manifest
        self.media_type = media_type
        self.digest = _sha256(manifest)
        self.config = ""
        self.configs: dict[str, bytes] = {}
        self.members: list[tuple[bytes, str]] = []
        self.layers: list[tuple[str, int]] = []
        self.chain: list[str] = []
        self.platform: Platform = {}

    @property
    def documents(self) -> dict[str, bytes]:
        """Everything but layers, by digest."""
        return {
            **self.configs,
            **{_sha256(data): data for data, _ in self.members},
            self.digest: self.manifest,
        }

    def open(self, digest: str) -> int:
        """A descriptor, to be closed, of the layer blob `digest`.  Raises NotFound."""
        if digest in self._files:
            return os.open(f"/proc/self/fd/{self._files[digest]}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.open(blobs.blob_path(self._paths, digest), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as e:
            raise NotFound(
                f"reading blob {digest[:19]}: it is not in the store",
                hint="crunpy pull fetches the image again, with all its blobs",
            ) from e

    def pieces(self, digest: str, offset: int = 0) -> Iterator[bytes]:
        """The bytes of layer blob `digest` from `offset` on."""
        fd = self.open(digest)
        try:
            while data := os.pread(fd, _PIECE_BYTES, offset):
                offset += len(data)
                yield data
        finally:
            os.close(fd)

    def keep(self, digest: str, fd: int) -> None:
        """Layer blob `digest` is in the file `fd`, which is closed with this content."""
        self._files[digest] = fd

    def hand_over(self, other: Content) -> None:
        """The files of `keep` are `other`'s now, those that it has not."""
        for digest in [*self._files]:
            if digest not in other._files:
                other.keep(digest, self._files.pop(digest))

    def close(self) -> None:
        for fd in self._files.values():
            os.close(fd)
        self._files.clear()


def of_image(paths: Paths, digest: str) -> Content:
    """The content of the image of the store whose manifest is `digest`, unchanged.

    Raises NotFound, ImageError.
    """
    data = blobs.read(paths, digest, DOCUMENT_LIMIT)
    manifest = parse(data)
    if not isinstance(manifest, Manifest):
        raise ImageError(f"reading {digest[:19]}: it is a manifest list")
    repack.complete(paths, manifest)
    content = Content(paths, data, manifest.media_type)
    _fill(content, paths, manifest)
    return content


def of_list(paths: Paths, digest: str, *, members: bool = True) -> Content:
    """The content of the manifest list `digest` of the store, with its images if `members`.

    Raises NotFound, ImageError.
    """
    data = blobs.read(paths, digest, DOCUMENT_LIMIT)
    index = parse(data)
    if isinstance(index, Manifest):
        raise ImageError(f"reading {digest[:19]}: it is no manifest list")
    content = Content(paths, data, index.media_type)
    for entry in index.manifests if members else []:
        _take_in(
            content, (of_list if entry.media_type in INDEXES else of_image)(paths, entry.digest)
        )
    return content


def _take_in(content: Content, inner: Content) -> None:
    """`inner` becomes a member of the list `content`."""
    content.configs |= inner.configs
    content.members += [*inner.members, (inner.manifest, inner.media_type)]
    known = dict(content.layers)
    content.layers += [layer for layer in inner.layers if layer[0] not in known]


def _fill(content: Content, paths: Paths, manifest: Manifest) -> None:
    config = blobs.read(paths, manifest.config.digest, DOCUMENT_LIMIT)
    content.config = manifest.config.digest
    content.configs[manifest.config.digest] = config
    content.layers = [*{layer.digest: layer.size for layer in manifest.layers}.items()]
    content.chain = [layer.digest for layer in manifest.layers]
    content.platform = stated_platform(blobs.document(paths, content.config, {str: object}))


# ---- another compression or format ----


def rewritten(
    paths: Paths,
    digest: str,
    *,
    kind: str = "",
    level: int | None = None,
    only_plain: bool = False,
    anew: bool = False,
    form: str = "",
    report: Callable[[str, str, int, int], None] = lambda *_: None,
) -> Content:
    """The image `digest` with its layers compressed as `kind`, its manifest in format `form`.

    kind: one of COMPRESSIONS, PLAIN for none, or "": as they are; only_plain: only layers
    that have no compression get this one; anew: also those that have this one.  form: one
    of manifest.FORMATS, or "".  Raises InvalidArgument for what does not go together, ImageError,
    NotFound.
    """
    check("" if kind == PLAIN else kind, level)
    value: ManifestDocument = blobs.document(paths, digest, {str: object})
    manifest = parse(jsonfile.dumps(value).encode())
    assert isinstance(manifest, Manifest)
    repack.complete(paths, manifest)
    media_type = _MANIFESTS.get(form, manifest.media_type)
    kinds = [compression(layer.media_type) for layer in manifest.layers]
    asked = "" if kind == PLAIN else kind
    wanted = [asked if kind and not (had and only_plain) else had for had in kinds]
    if "zstd" in wanted and media_type == DOCKER_MANIFEST:
        if form:
            raise InvalidArgument("format docker: it has no zstd layers", hint="--format oci")
        media_type = OCI_MANIFEST
    if wanted == kinds and media_type == manifest.media_type and not (anew and any(wanted)):
        return of_image(paths, digest)  # byte for byte
    made: dict[str, tuple[str, int, int]] = {}
    files: list[int] = []
    try:
        layers: list[Descriptor] = []
        for layer, had, want in zip(manifest.layers, kinds, wanted, strict=True):
            new, size = layer.digest, layer.size
            if had != want or (anew and want):
                if layer.digest not in made:
                    report("compressing", layer.digest, 0, layer.size)
                    fd, found, length = _recompress(paths, layer.digest, had, want, level)
                    files.append(fd)
                    made[layer.digest] = (found, length, fd)
                new, size, _ = made[layer.digest]
            kind_of_layer = layer_type(media_type, want)
            layers.append({"mediaType": kind_of_layer, "digest": new, "size": size})
        config_type = DOCKER_CONFIG if media_type == DOCKER_MANIFEST else OCI_CONFIG
        changed: ManifestDocument = {
            "schemaVersion": value["schemaVersion"],
            "config": {**value["config"], "mediaType": config_type},
            "mediaType": media_type,
            "layers": layers,
        }
        if media_type != DOCKER_MANIFEST:
            changed = {**value, **changed}
        data = jsonfile.dumps(changed).encode()
        again = parse(data)
        assert isinstance(again, Manifest)
        content = Content(paths, data, media_type)
        _fill(content, paths, again)
    except BaseException:
        for fd in files:
            os.close(fd)
        raise
    for found, _, fd in made.values():
        content.keep(found, fd)
    return content


def rewritten_list(
    paths: Paths,
    digest: str,
    *,
    kind: str,
    level: int | None = None,
    only_plain: bool = False,
    anew: bool = False,
    report: Callable[[str, str, int, int], None] = lambda *_: None,
) -> Content:
    """The manifest list `digest` with its images, whose layers are compressed as `kind`; the
    rest, and what is raised, as for rewritten().
    """

    def again(entry: Descriptor) -> Content:
        act = rewritten_list if entry.get("mediaType") in INDEXES else rewritten
        return act(
            paths,
            entry["digest"],
            kind=kind,
            level=level,
            only_plain=only_plain,
            anew=anew,
            report=report,
        )

    value: Index = blobs.document(paths, digest, {"manifests": [{"digest": str}]})
    parts: list[Content] = []
    entries: list[Descriptor] = []
    try:
        for entry in value["manifests"]:
            part = again(entry)
            parts.append(part)
            size = len(part.manifest)
            entries.append(
                {**entry, "mediaType": part.media_type, "digest": part.digest, "size": size}
            )
        data = jsonfile.dumps({**value, "manifests": entries}).encode()
        content = Content(paths, data, value.get("mediaType", OCI_INDEX))
        for part in parts:
            _take_in(content, part)
            part.hand_over(content)
    finally:
        for part in parts:
            part.close()
    return content


def check(kind: str, level: int | None) -> None:
    """Raises InvalidArgument unless compression and level are known."""
    if kind and kind not in COMPRESSIONS:
        raise InvalidArgument(
            f"compression format {kind!r}: not known", hint=", ".join(COMPRESSIONS)
        )
    low, high = _LEVELS[kind or "gzip"]
    if level is not None and not low <= level <= high:
        raise InvalidArgument(
            f"compression level {level}: not between {low} and {high} for {kind or 'gzip'}"
        )


def layer_type(manifest_type: str, kind: str) -> str:
    """The media type of a layer compressed as `kind` in a manifest of `manifest_type`."""
    if manifest_type == DOCKER_MANIFEST:
        return DOCKER_LAYER + (f".{kind}" if kind else "")
    return OCI_LAYER + (f"+{kind}" if kind else "")


def _recompress(
    paths: Paths, digest: str, had: str, want: str, level: int | None
) -> tuple[int, str, int]:
    """(descriptor of a file without a name, digest, bytes) of a blob compressed anew."""
    blobs.prepare(paths)
    flags = os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC
    out = os.open(paths.images + "/.staging", flags, 0o600)
    found, size = hashlib.sha256(), 0
    source = -1
    try:
        source = os.open(blobs.blob_path(paths, digest), os.O_RDONLY | os.O_CLOEXEC)
        plain = inflate(had, lambda: os.read(source, _PIECE_BYTES), Limits())
        for data in compress(want, plain, level):
            found.update(data)
            size += len(data)
            view = memoryview(data)
            while view:
                view = view[os.write(out, view) :]
    except FileNotFoundError as e:
        os.close(out)
        raise NotFound(f"reading blob {digest[:19]}: it is not in the store") from e
    except OSError as e:
        os.close(out)
        raise CrunpyError.from_os("compressing a layer", e) from e
    except BaseException:
        os.close(out)
        raise
    finally:
        if source >= 0:
            os.close(source)
    return out, "sha256:" + found.hexdigest(), size


def _sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()
