"""Saving: images of the store as archives or directories that other tools read.

    docker-archive  what `docker save` writes since version 25: an OCI layout with a
                    manifest.json beside it, for those who know only that
    oci-archive     an OCI layout in a tar
    oci-dir         an OCI layout in a directory; what was there stays
    docker-dir      one image, blobs by name, for skopeo and podman (`dir:`)

Manifests and blobs are written as they are, so digests stay what they were, unless another
compression is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from crun_py import jsonfile, outfile
from crun_py.errors import CrunpyError, InvalidArgument
from crun_py.oci.manifest import OCI_INDEX
from crun_py.oci.reference import parse
from crun_py.oci.store.entries import CONTAINERD_NAME, REF_NAME
from crun_py.oci.store.images import ImageStore
from crun_py.oci.store.tarball import TarOut
from crun_py.oci.transfer import content
from crun_py.oci.transfer.content import Content
from crun_py.paths import Paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.image import Descriptor

ARCHIVES = ("docker-archive", "oci-archive")
FORMATS = (*ARCHIVES, "oci-dir", "docker-dir")
_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
_DIR_VERSION = b"Directory Transport Version: 1.1\n"


class Saved:
    """An image to be written: what it consists of, and the names that it is given.

    names: full references, or one bare tag that the user chose.
    """

    __slots__ = ("content", "names")

    def __init__(self, content: Content, names: list[str]) -> None:
        self.content, self.names = content, names


@contextmanager
def gathered(
    paths: Paths, texts: list[str], compression: str = "", platform: str = ""
) -> Iterator[list[Saved]]:
    """The images that `texts` mean, each once with the names that were asked for.

    A name without tag means all tags of it, as for docker; an id gives no name.
    compression: "gzip" for layers that have none, "none" to undo theirs, "" for as they
    are.  platform: which one of a manifest list, this host's unless given.  Raises NotFound,
    InvalidArgument, ImageError (an image for another platform).
    """
    found: dict[str, Saved] = {}
    try:
        _gather(paths, texts, compression, platform, found)
        yield [*found.values()]
    finally:
        for image in found.values():
            image.content.close()


def _gather(
    paths: Paths, texts: list[str], compression: str, platform: str, found: dict[str, Saved]
) -> None:
    for text in texts:
        for digest, name in _meant(ImageStore(paths), text, platform):
            if digest not in found:
                found[digest] = Saved(_content(paths, digest, compression), [])
            if name and name not in found[digest].names:
                found[digest].names.append(name)


def _content(paths: Paths, digest: str, compression: str) -> Content:
    if not compression:
        return content.of_image(paths, digest)
    return content.rewritten(
        paths, digest, kind=compression, only_plain=compression != content.PLAIN
    )


def _meant(store: ImageStore, text: str, platform: str) -> list[tuple[str, str]]:
    """(digest of the manifest, full reference or "") of each image that `text` means; of a
    manifest list that is the image for the platform, by the list's name."""
    try:
        wanted = parse(text)
    except InvalidArgument:  # an id
        return [(store.find(text, platform).digest, "")]
    if ":" not in text.rpartition("/")[2] and not wanted.digest:
        every = [n for found in store.everything() for n in found.names]
        tagged = [n for n in every if parse(n).name == wanted.name and parse(n).tag]
        if tagged:
            return [(store.find(name, platform).digest, name) for name in tagged]
    _, name = store.match(text)
    return [(store.find(text, platform).digest, name if wanted.tag else "")]


def save(images: Sequence[Saved], form: str, path: str) -> None:
    """Write `images` in one of FORMATS to the file or directory `path`.

    A file appears when it is whole; a pipe or device is written as it is.  Raises
    InvalidArgument, NotFound (a blob), CrunpyError.
    """
    if form == "oci-dir":
        _to_layout(images, path)
    elif form == "docker-dir":
        if len(images) != 1:
            raise InvalidArgument(f"saving: format {form} holds one image, not {len(images)}")
        _to_dir(images[0], path)
    else:
        with outfile.Replaced(path) as fd:
            to_descriptor(images, form, fd)


def to_descriptor(images: Sequence[Saved], form: str, fd: int) -> None:
    """Write an archive of `form` (one of ARCHIVES) to `fd`."""
    out = TarOut(fd)
    small = {"oci-layout": _LAYOUT, "index.json": _index(images, [])}
    if form == "docker-archive":
        small["manifest.json"] = _docker_manifest(images)
    for name, data in small.items():
        out.file(name, len(data), [data])
    written: set[str] = set()
    for image in images:
        for digest, data in image.content.documents.items():
            if digest not in written:
                out.file(_blob_name(digest), len(data), [data])
                written.add(digest)
        for digest, size in image.content.layers:
            if digest in written:
                continue
            source = image.content.open(digest)
            try:
                out.copy(_blob_name(digest), source, size)
            finally:
                os.close(source)
            written.add(digest)
    out.end()


def _to_layout(images: Sequence[Saved], path: str) -> None:
    there = _entries(path)
    for directory in (path, path + "/blobs", path + "/blobs/sha256"):
        _make_directory(directory)
    for image in images:
        for digest, data in image.content.documents.items():
            _put(f"{path}/{_blob_name(digest)}", data)
        for digest, size in image.content.layers:
            _copy(image.content, digest, size, f"{path}/{_blob_name(digest)}")
    _put(path + "/oci-layout", _LAYOUT)
    _put(path + "/index.json", _index(images, there))


def _entries(path: str) -> list[Descriptor]:
    """Those of the layout in the directory `path`; none where there is no layout yet."""
    try:
        found = jsonfile.read(path + "/index.json")
    except (FileNotFoundError, NotADirectoryError):
        return []
    there = found.get("manifests") or [] if isinstance(found, dict) else None
    if not isinstance(there, list) or not all(isinstance(entry, dict) for entry in there):
        raise InvalidArgument(f"saving to {path}: its index.json is not an index")
    return there


def _to_dir(image: Saved, path: str) -> None:
    _make_directory(path)
    made = image.content
    for digest, data in made.configs.items():
        _put(f"{path}/{digest[7:]}", data)
    for digest, data in made.documents.items():
        if digest not in made.configs and digest != made.digest:
            _put(f"{path}/{digest[7:]}.manifest.json", data)
    for digest, size in made.layers:
        _copy(made, digest, size, f"{path}/{digest[7:]}")
    _put(path + "/version", _DIR_VERSION)
    _put(path + "/manifest.json", made.manifest)


# ---- what describes the images ----


def _index(images: Sequence[Saved], there: list[Descriptor]) -> bytes:
    """index.json of `images` and of the entries that a layout has already."""
    new: list[Descriptor] = []
    for image in images:
        entry: Descriptor = {
            "mediaType": image.content.media_type,
            "digest": image.content.digest,
            "size": len(image.content.manifest),
        }
        if image.content.platform:
            entry["platform"] = image.content.platform
        for name in image.names or [""]:
            named: Descriptor = {**entry, "annotations": _annotations(name)}
            new.append(named if name else entry)
    names = {_ref_name(entry) for entry in new} - {""}
    digests = {entry["digest"] for entry in new}
    kept = []
    for entry in there:
        name = _ref_name(entry)
        if name not in names and (name or entry.get("digest") not in digests):
            kept.append(entry)
    value = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [*kept, *new]}
    return jsonfile.dumps(value).encode()


def _annotations(name: str) -> dict[str, str]:
    """A bare tag is no name that containerd could use."""
    return {REF_NAME: name, **({CONTAINERD_NAME: name} if "/" in name else {})}


def _ref_name(entry: Descriptor) -> str:
    notes = entry.get("annotations") or {}
    return notes.get(REF_NAME) or ""


def _docker_manifest(images: Sequence[Saved]) -> bytes:
    entries = []
    for image in images:
        made = image.content
        if not made.config:
            raise InvalidArgument(
                "saving: a manifest list cannot be in a docker archive", hint="oci-archive"
            )
        tags = [r.familiar for name in image.names if (r := parse(name)).tag]
        entries.append(
            {
                "Config": _blob_name(made.config),
                "RepoTags": tags or None,
                "Layers": [_blob_name(digest) for digest in made.chain],
            }
        )
    return jsonfile.dumps(entries).encode()


def _blob_name(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


# ---- files ----


def _make_directory(path: str) -> None:
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as e:
        raise CrunpyError.from_os(f"writing {path}", e) from e


def _put(path: str, data: bytes) -> None:
    jsonfile.write_bytes(path, data, durable=False, mode=0o644)


def _copy(made: Content, digest: str, size: int, path: str) -> None:
    """A blob as the file `path`, unless it is there."""
    if os.path.exists(path) and os.stat(path).st_size == size:
        return
    source = made.open(digest)
    try:
        with outfile.Replaced(path) as fd:
            done = 0
            while done < size:
                n = os.sendfile(fd, source, done, size - done)
                if not n:
                    raise CrunpyError(f"writing {path}: blob {digest[:19]} ends early")
                done += n
    finally:
        os.close(source)
