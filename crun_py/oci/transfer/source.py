"""Images that are files: an OCI layout, a docker archive, a `dir:` directory.

A source answers like a registry (`manifest`, `small_blob`, `blob`), so the way into the
store is the same, with the same checks of digest and size.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from typing import Protocol

from crun_py import jsonfile
from crun_py.errors import CrunpyError, ImageError
from crun_py.oci.manifest import (
    DOCUMENT_LIMIT,
    OCI_CONFIG,
    OCI_LAYER,
    OCI_MANIFEST,
)
from crun_py.oci.reference import parse, parse_digest
from crun_py.oci.store.entries import CONTAINERD_NAME, REF_NAME
from crun_py.oci.store.inflate import kind_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import FileIO

    from crun_py.documents.image import Descriptor, Manifest

_PIECE_BYTES = 256 << 10
_IMAGE_LIMIT = 10_000


class Files(Protocol):
    """Where a source's files are: `tarball.Archive` or `DirectoryFiles`."""

    def __contains__(self, name: str) -> bool: ...
    def size(self, name: str) -> int: ...
    def read(self, name: str, limit: int) -> bytes: ...
    def pieces(self, name: str) -> Iterator[bytes]: ...


class DirectoryFiles:
    """The files of a directory."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __contains__(self, name: str) -> bool:
        return os.path.isfile(f"{self._path}/{name}")

    def size(self, name: str) -> int:
        return os.stat(f"{self._path}/{name}").st_size

    def read(self, name: str, limit: int) -> bytes:
        with self._open(name) as f:
            data = f.read(limit + 1)
        if len(data) > limit:
            raise ImageError(f"reading {self._path}/{name}: larger than {limit} bytes")
        return data

    def pieces(self, name: str) -> Iterator[bytes]:
        with self._open(name) as f:
            while data := f.read(_PIECE_BYTES):
                yield data

    def _open(self, name: str) -> FileIO:
        try:
            return open(f"{self._path}/{name}", "rb", buffering=0)
        except OSError as e:
            raise ImageError(
                f"reading {self._path}/{name}: {os.strerror(e.errno or 0).lower()}"
            ) from e


class Found:
    """An image of a source.

    digest: of its manifest or index; names: full references; tag: what the source calls it,
    which may be no more than a tag; made: its manifest was written here, as the source has
    none.
    """

    __slots__ = ("digest", "made", "names", "tag")

    def __init__(self, digest: str, names: list[str], tag: str = "", *, made: bool = False) -> None:
        self.digest, self.names, self.tag, self.made = digest, names, tag, made


class Source:
    """Images in files.  label: what errors call it."""

    def __init__(self, files: Files, label: str) -> None:
        self._files = files
        self.label = label

    def images(self) -> list[Found]:
        """The images in it.  Raises ImageError."""
        raise NotImplementedError

    def manifest(self, reference: str) -> tuple[bytes, str]:
        """(bytes, "") of the manifest or index with that digest."""
        return self.small_blob(reference, DOCUMENT_LIMIT), ""

    def small_blob(self, digest: str, limit: int) -> bytes:
        """The content of a small blob, unverified."""
        return self._files.read(self._name(digest), limit)

    def blob(self, digest: str, size: int) -> Iterator[bytes]:
        """The pieces of a blob, unverified, at most `size` bytes."""
        name = self._name(digest)
        if self._files.size(name) != size:
            raise ImageError(
                f"reading {self.label}: blob {digest[:19]} has {self._files.size(name)} bytes, "
                f"not {size}"
            )
        return self._files.pieces(name)

    def _name(self, digest: str) -> str:
        raise NotImplementedError

    def _document(self, name: str) -> object:
        try:
            found: object = jsonfile.loads(self._files.read(name, DOCUMENT_LIMIT))
            return found
        except ValueError as e:
            raise ImageError(f"reading {self.label}: {name} is not valid JSON") from e


class Layout(Source):
    """An OCI image layout (image-spec, image-layout.md)."""

    def images(self) -> list[Found]:
        index = self._document("index.json")
        entries = index.get("manifests") if isinstance(index, dict) else None
        if not isinstance(entries, list) or len(entries) > _IMAGE_LIMIT:
            raise ImageError(f"reading {self.label}: index.json is not an index")
        found: dict[str, Found] = {}
        for entry in entries:
            if not isinstance(entry, dict):
                raise ImageError(f"reading {self.label}: index.json is not an index")
            digest = _sha256(entry.get("digest"), self.label)
            notes = entry.get("annotations")
            notes = notes if isinstance(notes, dict) else {}
            image = found.setdefault(digest, Found(digest, [], str(notes.get(REF_NAME) or "")))
            if name := _name_in(notes):
                image.names.append(name)
        return [*found.values()]

    def _name(self, digest: str) -> str:
        return "blobs/" + parse_digest(digest).replace(":", "/")


class Dir(Source):
    """The directory of `dir:` (containers-transports(5)): one image, blobs by hex digits."""

    def images(self) -> list[Found]:
        self._manifest = self._files.read("manifest.json", DOCUMENT_LIMIT)
        self._digest = "sha256:" + hashlib.sha256(self._manifest).hexdigest()
        return [Found(self._digest, [])]

    def manifest(self, reference: str) -> tuple[bytes, str]:
        if reference == self._digest:
            return self._manifest, ""
        return self._files.read(reference[7:] + ".manifest.json", DOCUMENT_LIMIT), ""

    def _name(self, digest: str) -> str:
        return parse_digest(digest)[7:]


class Docker(Source):
    """What `docker save` writes: manifest.json names config, layers and tags of each image.

    Manifests as registries have them are made here.  A layer that is not compressed has its
    diff id for digest; what the bytes are is checked when they are unpacked.
    """

    def __init__(self, files: Files, label: str) -> None:
        super().__init__(files, label)
        self._made: dict[str, bytes] = {}
        self._names: dict[str, str] = {}

    def images(self) -> list[Found]:
        entries = self._document("manifest.json")
        if not isinstance(entries, list) or not 0 < len(entries) < _IMAGE_LIMIT:
            raise ImageError(f"reading {self.label}: manifest.json lists no images")
        return [self._image(entry) for entry in entries]

    def _image(self, entry: object) -> Found:
        bad = ImageError(f"reading {self.label}: manifest.json is not that of a docker archive")
        if not isinstance(entry, dict):
            raise bad
        config, layers = entry.get("Config"), entry.get("Layers") or []
        tags = entry.get("RepoTags") or []
        texts = [*layers, *tags] if isinstance(layers, list) and isinstance(tags, list) else [None]
        if not isinstance(config, str) or not all(isinstance(text, str) for text in texts):
            raise bad
        data = self._files.read(_inside(config, self.label), DOCUMENT_LIMIT)
        try:
            diff_ids = jsonfile.loads(data)["rootfs"]["diff_ids"]
        except (ValueError, KeyError, TypeError) as e:
            raise ImageError(f"reading {self.label}: {config} is not an image config") from e
        if not isinstance(diff_ids, list) or len(diff_ids) != len(layers):
            raise ImageError(f"reading {self.label}: {len(layers)} layers for other diff_ids")
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        self._names[digest] = _inside(config, self.label)
        manifest: Manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": OCI_CONFIG, "digest": digest, "size": len(data)},
            "layers": [
                self._layer(_inside(name, self.label), _sha256(diff_id, self.label))
                for name, diff_id in zip(layers, diff_ids, strict=True)
            ],
        }
        made = jsonfile.dumps(manifest).encode()
        digest = "sha256:" + hashlib.sha256(made).hexdigest()
        self._made[digest] = made
        return Found(digest, [str(parse(tag)) for tag in tags], made=True)

    def _layer(self, name: str, diff_id: str) -> Descriptor:
        start = next(self._files.pieces(name), b"")[:8]
        kind = kind_of(start)
        digest = diff_id
        if kind:
            found = hashlib.sha256()
            for data in self._files.pieces(name):
                found.update(data)
            digest = "sha256:" + found.hexdigest()
        self._names[digest] = name
        return {
            "mediaType": OCI_LAYER + (f"+{kind}" if kind else ""),
            "digest": digest,
            "size": self._files.size(name),
        }

    def manifest(self, reference: str) -> tuple[bytes, str]:
        return self._made[reference], ""

    def _name(self, digest: str) -> str:
        return self._names[digest]


def _inside(name: str, label: str) -> str:
    """A member's name as the archive lists it.  Raises ImageError for one that leaves it."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in name:
        raise ImageError(f"reading {label}: {name[:200]!r} leads out of it")
    return "/".join(parts)


def _sha256(text: object, label: str) -> str:
    try:
        digest = parse_digest(text if isinstance(text, str) else "")
    except CrunpyError as e:
        raise ImageError(f"reading {label}: {e.message}") from e
    if not digest.startswith("sha256:"):
        raise ImageError(f"reading {label}: digest {digest[:16]!r}: only sha256 is supported")
    return digest


def _name_in(notes: dict[str, object]) -> str:
    """The full reference that annotations give an image, "" for none that is valid."""
    name = notes.get(CONTAINERD_NAME) or notes.get(REF_NAME)
    if not isinstance(name, str) or not (":" in name or "/" in name):
        return ""
    try:
        return str(parse(name))
    except CrunpyError:
        return ""
