"""The local images: an OCI image layout that other tools can read as well.

`index.json` has one descriptor per image and name.  Beside the name it holds, as
annotations of our own, what `run` and `images` want to know, so that they need not read
manifest after manifest; what is missing there (an image another tool put in) is read from
the blobs.  A descriptor whose manifest blob is gone is no image any more: on a full disk
that is how one is deleted, as it takes no new bytes.
"""

from __future__ import annotations

import errno
import os

from crun_py import events, jsonfile
from crun_py.errors import Conflict, CrunpyError, NotFound
from crun_py.oci import blobs
from crun_py.oci.chain import chain_ids, diff_path
from crun_py.oci.reference import (
    Reference,
    is_id_prefix,
    is_short,
    parse,
    parse_digest,
)
from crun_py.paths import Paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Entry = dict[str, Any]
    Entries = list[Entry]
    Names = list[str]
    Users = Callable[[str], list[str]]

REF_NAME = "org.opencontainers.image.ref.name"
CONTAINERD_NAME = "io.containerd.image.name"
_CONFIG = "io.crunpy.config"
_CHAIN = "io.crunpy.chain"
_CREATED = "io.crunpy.created"
_SIZE = "io.crunpy.size"
_SOURCE = "io.crunpy.source"
_MADE = "io.crunpy.made"
_OURS = (_CONFIG, _CHAIN, _CREATED, _SIZE, _SOURCE, _MADE)
_DOCUMENT_LIMIT = 4 << 20
_RESERVE_BYTES = 64 << 10


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
    """

    __slots__ = (
        "_by_name",
        "_config",
        "_paths",
        "chain",
        "created",
        "digest",
        "id",
        "made",
        "media_type",
        "names",
        "size",
        "source",
    )

    def __init__(self, paths: Paths, entry: Entry, facts: dict[str, str]) -> None:
        self._paths = paths
        self._config: dict[str, Any] | None = None
        self._by_name: dict[str, tuple[Entry, dict[str, str]]] = {}
        self.names: list[str] = []
        self._manifest_is(entry, facts)
        self.id = parse_digest(facts[_CONFIG])[7:]
        self.chain = [parse_digest("sha256:" + digits) for digits in facts[_CHAIN].split()]
        self.created = facts.get(_CREATED, "")
        self.size = int(facts.get(_SIZE) or 0)

    def _manifest_is(self, entry: Entry, facts: dict[str, str]) -> None:
        self.digest: str = entry["digest"]
        self.media_type: str = entry.get("mediaType", "")
        self.source = facts.get(_SOURCE, "")
        self.made = bool(facts.get(_MADE))

    def named(self, name: str, entry: Entry, facts: dict[str, str]) -> None:
        """The image has `name` too, by the descriptor `entry`."""
        self.names.append(name)
        self._by_name[name] = entry, facts

    def under(self, name: str) -> Image:
        """This image with the manifest that it has under `name`, one of its names."""
        self._manifest_is(*self._by_name[name])
        return self

    def _registry_digest(self, name: str) -> str:
        entry, facts = self._by_name[name]
        return facts.get(_SOURCE) or str(entry["digest"])

    @property
    def config(self) -> dict[str, Any]:
        """The whole image config (image-spec, config.md), read when first asked for."""
        if self._config is None:
            self._config = _document(self._paths, "sha256:" + self.id)
        return self._config

    @property
    def layers(self) -> list[str]:
        return [diff_path(self._paths, chain_id) for chain_id in self.chain]

    @property
    def layer_sizes(self) -> list[int]:
        """Bytes of file content of each layer, base first."""
        return [layer_size(self._paths, chain_id) for chain_id in self.chain]

    @property
    def repo_digests(self) -> list[str]:
        return sorted({f"{parse(n).name}@{self._registry_digest(n)}" for n in self.names})

    @property
    def familiar_digests(self) -> list[str]:
        """The digests as docker shows them, `nginx@sha256:…`."""
        return sorted({f"{parse(n).familiar_name}@{self._registry_digest(n)}" for n in self.names})

    @property
    def familiar_names(self) -> list[str]:
        """The names as docker shows them, `nginx:latest`."""
        return [parse(name).familiar for name in self.names]


class ImageStore:
    """The images below `paths`.  Cheap to make: nothing is read or created by that."""

    __slots__ = ("paths",)

    def __init__(self, paths: Paths) -> None:
        self.paths = paths

    # ---- reading ----

    def list(self) -> list[Image]:
        """All images, in the order they came to be in the store.  Raises CorruptState."""
        images: dict[str, Image] = {}
        for entry in self._entries():
            found = self._image(entry)
            if found is None:
                continue
            image, facts = found
            known = images.setdefault(image.id, image)
            if name := _name_of(entry):
                known.named(name, entry, facts)
        return [*images.values()]

    def lookup(self, text: str) -> Image | None:
        """The image that `text` (reference, short name, id or unique start of one) means.

        None when there is none; raises InvalidArgument (not a reference, or an ambiguous
        id) or CorruptState.
        """
        found = self._match(text)
        if not found:
            return None
        image, name = found
        return image.under(name) if name else image

    def find(self, text: str) -> Image:
        """As lookup, but raises NotFound when there is none."""
        image = self.lookup(text)
        if image is None:
            raise NotFound(f"no such image: {text}", hint="crunpy pull fetches it")
        return image

    def _match(self, text: str) -> tuple[Image, str] | None:
        """The image, and which of its names `text` was ("": it was an id)."""
        images = self.list()
        by_id = text.removeprefix("sha256:")
        if by_id != text or len(text) == 64:
            return _by_id(images, by_id) if is_id_prefix(by_id) else None
        try:
            reference = parse(text)
        except CrunpyError:
            if is_id_prefix(text):
                return _by_id(images, text)
            raise
        for image in images:
            for name in image.names:
                if name == str(reference) or _has_digest(image, name, reference):
                    return image, name
        if is_short(text) and (found := _on_any_registry(images, text)):
            return found
        return _by_id(images, text) if is_id_prefix(text) else None

    # ---- writing ----

    def add(
        self,
        manifest: bytes,
        media_type: str,
        names: Names,
        *,
        source: str = "",
        made: bool = False,
    ) -> Image:
        """Take in an image whose config and layers are in the store, under `names`.

        A name that another image has moves to this one.  source: digest by which the
        registry knows it, where that is an index.  made: the manifest was written here, not
        by whoever made the image, so a push may compress its layers.  The caller has made
        blobs and layers durable.  Raises NotFound when a part is missing, CrunpyError.
        """
        digest = blobs.put(self.paths, manifest)
        entry: Entry = {"mediaType": media_type, "digest": digest, "size": len(manifest)}
        facts = self._facts(entry)
        if source and source != digest:
            facts[_SOURCE] = source
        if made:
            facts[_MADE] = "1"
        entry["annotations"] = facts
        with self._lock():
            entries = self._entries()
            old = [e for e in entries if e.get("digest") == digest]
            for name in names or [n for e in old if (n := _name_of(e))] or [""]:
                entries = _without_name(entries, name) if name else entries
                entries = [e for e in entries if e.get("digest") != digest or _name_of(e)]
                entries.append(_named(entry, name))
            self._write(entries)
        return self.find("sha256:" + facts[_CONFIG][7:])

    def tag(self, source: str, target: str) -> Image:
        """Give the image `source` the further name `target`, taken from another if need be.

        Raises NotFound, InvalidArgument, CrunpyError.
        """
        name = parse(target)
        if name.digest:
            raise CrunpyError(f"tagging {source}: {target} has a digest, which is no tag")
        with self._lock():
            image = self.find(source)
            entries = self._entries()
            mine = next(e for e in entries if e.get("digest") == image.digest)
            entries = _without_name(entries, str(name))
            entries = [e for e in entries if e.get("digest") != image.digest or _name_of(e)]
            self._write([*entries, _named(mine, str(name))])
        events.image(self.paths, "tag", image.id, name.familiar)
        return self.find("sha256:" + image.id)

    def lists(self) -> dict[str, tuple[str, str]]:
        """(digest, media type) of each manifest list, by its full reference."""
        found = {}
        for entry in self._entries():
            name = _name_of(entry)
            if name and _is_list(entry) and blobs.has(self.paths, entry["digest"]):
                found[name] = (entry["digest"], entry["mediaType"])
        return found

    def put_list(self, name: str, data: bytes, media_type: str) -> str:
        """Make the manifest list `data` known as `name`, a full reference; its digest."""
        digest = blobs.put(self.paths, data)
        entry: Entry = {"mediaType": media_type, "digest": digest, "size": len(data)}
        with self._lock():
            entries = self._entries()
            kept = [e for e in _without_name(entries, name) if _name_of(e) or not _is_list(e)]
            self._write([*kept, _named(entry, name)])
        return digest

    def remove_list(self, name: str) -> None:
        """Remove the manifest list `name`, a full reference, and what only it referred to."""
        with self._lock():
            self._write([e for e in self._entries() if not (_is_list(e) and _name_of(e) == name)])
            from crun_py.oci import gc

            gc.collect(self.paths)

    def untag(self, text: str) -> str:
        """Take the name `text` from its image, which stays; returns the full name."""
        with self._lock():
            found = self._match(text)
            if not found or not found[1]:
                raise NotFound(f"no such image: {text}")
            self._write(_without_name(self._entries(), found[1]))
        events.image(self.paths, "untag", found[0].id, parse(found[1]).familiar)
        return found[1]

    def remove(
        self,
        what: str | Image,
        *,
        force: bool = False,
        in_use: Users = lambda image_id: [],
    ) -> Names:
        """Remove a name, and with its last name the image; docker's lines for that.

        what: a reference takes one name, an id (or Image) all; an image with several names
        is removed by id only with `force`.  in_use: what uses an image id,
        like `container ID`.
        An image that a container uses is refused; with `force` it loses its names and
        stays.  Raises NotFound, Conflict, CrunpyError.
        """
        with self._lock():
            text = what if isinstance(what, str) else "sha256:" + what.id
            found = self._match(text)
            if found is None:
                raise NotFound(f"no such image: {text}")
            image, name = found
            gone = [name] if name else image.names
            lines = [f"Untagged: {parse(n).familiar}" for n in gone]
            if len(gone) < len(image.names):
                self._write(self._without_one(image, name))
                self._tell("untag", image, gone)
                from crun_py.oci import gc

                gc.collect(self.paths)
                return lines
            users = in_use(image.id)
            if not force:
                _refuse(text, image, users, by_id=not name)
            entries = self._entries()
            for n in gone:
                entries = _without_name(entries, n)
            self._tell("untag", image, gone)
            if users:
                self._write(entries)
                return lines
            mine = {e["digest"] for e in entries if self._id_of(e) == image.id}
            self._delete(mine, [e for e in entries if e.get("digest") not in mine])
            self._tell("delete", image, [""])
            lines.append(f"Deleted: sha256:{image.id}")
            from crun_py.oci import gc

            return lines + [f"Deleted: {chain_id}" for chain_id in gc.collect(self.paths)]

    def _without_one(self, image: Image, name: str) -> Entries:
        """The entries without `name`, one of several of `image`: a manifest that only it had is
        wanted no more."""
        entries = self._entries()
        mine = {e["digest"] for e in entries if self._id_of(e) == image.id}
        return [
            e for e in _without_name(entries, name) if _name_of(e) or e.get("digest") not in mine
        ]

    def _tell(self, action: str, image: Image, names: Names) -> None:
        for name in names:
            events.image(self.paths, action, image.id, parse(name).familiar if name else "")

    # ---- index.json ----

    def _lock(self) -> jsonfile.Lock:
        blobs.prepare(self.paths)
        return jsonfile.Lock(self.paths.images + "/.lock")

    def _entries(self) -> Entries:
        return read_index(self.paths)

    def _write(self, entries: Entries) -> None:
        """Replace index.json; a full disk gives up the reserve for it."""
        path = self.paths.images + "/index.json"
        value = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": entries,
        }
        try:
            jsonfile.write(path, value)
        except CrunpyError as e:
            reserve = self.paths.images + "/.reserve"
            if e.errno not in (errno.ENOSPC, errno.EDQUOT) or not os.path.exists(reserve):
                raise
            os.unlink(reserve)
            jsonfile.write(path, value)

    def _delete(self, digests: set[str], entries: Entries) -> None:
        """Write `entries`, which lack the images `digests`, even where no byte is free."""
        try:
            self._write(entries)
        except CrunpyError as e:
            if e.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            for digest in digests:
                os.unlink(blobs.blob_path(self.paths, digest))
            from crun_py.oci import gc

            gc.collect(self.paths)
            self._write(entries)

    def reserve(self) -> None:
        """Keep some bytes with which a name can be removed when the disk is full."""
        path = self.paths.images + "/.reserve"
        if os.path.exists(path):
            return
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.write(fd, bytes(_RESERVE_BYTES))
        finally:
            os.close(fd)

    # ---- one descriptor ----

    def _image(self, entry: Entry) -> tuple[Image, dict[str, str]] | None:
        """The image of a descriptor, and what our annotations say of it; None for what is not
        an image, or was deleted."""
        try:
            if not blobs.has(self.paths, entry["digest"]):
                return None
            annotations = entry.get("annotations") or {}
            facts = annotations if _CHAIN in annotations else self._facts(entry)
            return Image(self.paths, entry, facts), facts
        except (CrunpyError, KeyError, TypeError, ValueError, AttributeError):
            # what another tool put here (an index, an artifact) is none of our images
            return None

    def _id_of(self, entry: Entry) -> str:
        found = self._image(entry)
        return found[0].id if found else ""

    def _facts(self, entry: Entry) -> dict[str, str]:
        config_digest = _document(self.paths, entry["digest"])["config"]["digest"]
        config = _document(self.paths, config_digest)
        chain = chain_ids([parse_digest(d) for d in config["rootfs"]["diff_ids"]])
        created = config.get("created")
        return {
            _CONFIG: config_digest,
            _CHAIN: " ".join(chain_id[7:] for chain_id in chain),
            _CREATED: created if isinstance(created, str) else "",
            _SIZE: str(sum(layer_size(self.paths, chain_id) for chain_id in chain)),
        }


def read_index(paths: Paths) -> list[Entry]:
    """The descriptors of index.json; none when there is no store yet."""
    try:
        manifests = jsonfile.read(paths.images + "/index.json").get("manifests")
    except FileNotFoundError:
        return []
    return [e for e in manifests or [] if isinstance(e, dict)]


def layer_size(paths: Paths, chain_id: str) -> int:
    """Bytes of file content of layer `chain_id`; 0 when it is not unpacked."""
    try:
        return int(jsonfile.read(diff_path(paths, chain_id)[:-5] + "/layer.json")["size"])
    except FileNotFoundError:
        return 0


def _document(paths: Paths, digest: str) -> dict[str, Any]:
    value = jsonfile.loads(blobs.read(paths, digest, _DOCUMENT_LIMIT))
    if not isinstance(value, dict):
        raise CrunpyError(f"reading blob {digest}: not a JSON object")
    return value


def _name_of(entry: Entry) -> str:
    """The full reference of a descriptor, "" when it has none that is valid."""
    annotations = entry.get("annotations") or {}
    name = annotations.get(REF_NAME) or ""
    try:
        # other tools write a tag alone, and the name to containerd's annotation
        full = name if "/" in name else annotations.get(CONTAINERD_NAME) or name
        return str(parse(full)) if full else ""
    except CrunpyError:
        return ""


def _named(entry: Entry, name: str) -> Entry:
    kept = {k: v for k, v in (entry.get("annotations") or {}).items() if k in _OURS}
    if name:
        kept[REF_NAME] = kept[CONTAINERD_NAME] = name
    return {**entry, "annotations": kept}


def _is_list(entry: Entry) -> bool:
    from crun_py.oci.manifest import INDEXES  # not for those who only look an image up

    return entry.get("mediaType") in INDEXES


def _without_name(entries: list[Entry], name: str) -> list[Entry]:
    """`entries` where nobody has `name`; whoever had no other keeps a nameless one."""
    kept = [e for e in entries if _name_of(e) != name]
    present = {e.get("digest") for e in kept}
    for entry in entries:
        if _name_of(entry) == name and entry.get("digest") not in present:
            kept.append(_named(entry, ""))
            present.add(entry.get("digest"))
    return kept


def _has_digest(image: Image, name: str, wanted: Reference) -> bool:
    """Whether `wanted` is by digest, and the image has it under `name`."""
    if not wanted.digest or parse(name).name != wanted.name:
        return False
    under = image.under(name)
    return wanted.digest in (under.digest, under.source)


def _on_any_registry(images: list[Image], text: str) -> tuple[Image, str] | None:
    """`text` without a registry, when exactly one name on another registry ends so."""
    tagged = text if ":" in text or "@" in text else text + ":latest"
    found = [
        (image, name)
        for image in images
        for name in image.names
        if name.partition("/")[2] == tagged
    ]
    return found[0] if len(found) == 1 else None


def _by_id(images: list[Image], prefix: str) -> tuple[Image, str] | None:
    found = [image for image in images if image.id.startswith(prefix)]
    if len(found) > 1:
        raise Conflict(f"no such image: {prefix}: it is the start of {len(found)} image ids")
    return (found[0], "") if found else None


def _is_one_name(names: list[str]) -> bool:
    """Whether `names` are no more than a tag and a digest of one repository."""
    found = [parse(name) for name in names]
    tags = sum(bool(r.tag) for r in found)
    return len({r.name for r in found}) < 2 and tags < 2


def _refuse(text: str, image: Image, users: list[str], *, by_id: bool) -> None:
    if by_id and not _is_one_name(image.names):
        raise Conflict(
            f"removing image {text}: it has several names: {', '.join(image.familiar_names)}",
            hint="remove the names one by one, or all of them with -f",
        )
    if users:
        raise Conflict(
            f"removing image {text}: {users[0]} uses it",
            hint="remove the container first, crunpy rm"
            if users[0].startswith("container ")
            else "crunpy image unmount",
        )
