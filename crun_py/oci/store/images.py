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

from crun_py import clock, events, jsonfile
from crun_py.errors import Conflict, CrunpyError, NotFound
from crun_py.oci.reference import Reference, is_id_prefix, is_short, other_spelling, parse
from crun_py.oci.store import blobs
from crun_py.oci.store.entries import called, maybe_with_id, name_of, named, without_name
from crun_py.oci.store.image import (
    CHAIN,
    CONFIG,
    CREATED,
    MADE,
    SOURCE,
    UNDIGESTED,
    Image,
    facts_of,
)
from crun_py.paths import Paths
from crun_py.staging import unclaimed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from crun_py.documents.image import Descriptor as Entry
    from crun_py.documents.image import Index
    from crun_py.oci.store.listed import ManifestList

    Entries = list[Entry]
    Images = list[Image]
    Lists = list[ManifestList]
    All = list[Image | ManifestList]
    Names = list[str]
    Rows = list[tuple[str, str, str]]
    Users = Callable[[str], list[str]]

_RESERVE_BYTES = 64 << 10
_LIST_ENDINGS = ("index.v1+json", "list.v2+json")


class ImageStore:
    """The images below `paths`.  Cheap to make: nothing is read or created by that."""

    __slots__ = ("paths",)

    def __init__(self, paths: Paths) -> None:
        self.paths = paths

    # ---- reading ----

    def list(self) -> list[Image]:
        """All images, in the order they came to be in the store.  Raises CorruptState."""
        return self._images(self._entries())

    def _images(self, entries: Entries) -> Images:
        images: dict[str, Image] = {}
        for entry in entries:
            found = self._image(entry)
            if found is None:
                continue
            image, facts = found
            known = images.setdefault(image.id, image)
            if name := name_of(entry):
                known.named(name, entry, facts)
        return [*images.values()]

    def everything(self) -> All:
        """The manifest lists, and then the images."""
        return [*self.lists(), *self.list()]

    def lookup(self, text: str, platform: str = "") -> Image | None:
        """The image that `text` (reference, short name, id or unique start of one) means; of
        a manifest list the one for `platform` (this host's unless given).

        None when there is none; raises InvalidArgument (not a reference, or an ambiguous
        id), ImageError (a list without that platform) or CorruptState.
        """
        found = self.lookup_any(text)
        if found is None or isinstance(found, Image):
            return found
        return self.member(found, platform)

    def has(self, image_id: str) -> bool:
        """Whether there is the image with the id (hex digits) `image_id`."""
        return any(self._id_of(e) == image_id for e in maybe_with_id(self._entries(), image_id))

    def find(self, text: str, platform: str = "") -> Image:
        """As lookup, but raises NotFound when there is none, and ImageError when `platform` is
        given and the image is for another one; what a list says of its images counts."""
        found = self.find_any(text)
        if not isinstance(found, Image):
            return self.member(found, platform)
        if platform:
            from crun_py.oci.manifest import check_platform

            check_platform(found.config, platform)
        return found

    def lookup_any(self, text: str) -> Image | ManifestList | None:
        """The image or manifest list that `text` means.  Raises as lookup."""
        found, name = self.match(text)
        return found.under(name) if found and name else found

    def find_any(self, text: str) -> Image | ManifestList:
        """As lookup_any, but raises NotFound when there is none."""
        found = self.lookup_any(text)
        if found is None:
            raise _unknown(text)
        return found

    def member(self, found: ManifestList, platform: str = "") -> Image:
        """The image of a list for `platform`, by the manifest that the list has.

        It need not be `kept`; what uses its files makes it so (`intake.own`).  Raises
        ImageError, NotFound.
        """
        from crun_py.oci.store import listed

        entry = listed.chosen(self.paths, found, platform)
        image = self.listed(entry)
        if image is None:
            raise NotFound(
                f"no such image: {entry['digest']}, which {found.title} lists for this platform",
                hint="crunpy manifest add fetches it",
            )
        for own in self.list():
            if own.id == image.id:
                image.known_as(own)
        return image

    def listed(self, entry: Entry) -> Image | None:
        """The image of a descriptor that a list has, None when it is not here."""
        try:
            image = Image(self.paths, entry, facts_of(self.paths, entry))
        except (CrunpyError, KeyError, TypeError, ValueError):
            return None
        image.kept = False
        return image

    def match(self, text: str) -> tuple[Image | ManifestList | None, str]:
        """The image or list that `text` means, and which of its names that was ("": an id).

        Raises as lookup.
        """
        by_id = text.removeprefix("sha256:")
        entries = self._entries()
        if by_id != text or len(text) == 64:
            return self._by_id(entries, by_id) if is_id_prefix(by_id) else None, ""
        try:
            reference = parse(text)
        except CrunpyError:
            if is_id_prefix(text):
                return self._by_id(entries, text), ""
            raise
        # the usual case: whatever else is in the store is not looked at
        if found := _by_name(self._images(called(entries, str(reference))), text, reference):
            return found
        images, lists = self._images(entries), self._lists(entries)
        for known in (images, lists):
            if found := _by_name(known, text, reference):
                return found
        if other := other_spelling(reference):
            for known in (images, lists):
                if found := _by_name(known, str(other), other):
                    return found
        return self._by_id(entries, text) if is_id_prefix(text) else None, ""

    def _by_id(self, entries: Entries, prefix: str) -> Image | ManifestList | None:
        images = self._images(maybe_with_id(entries, prefix))
        if len(prefix) == 64:
            for image in images:
                if image.id == prefix:
                    return image
        every: All = [*images, *self._lists(entries)]
        found = [i for i in every if i.id.startswith(prefix)]
        if len(found) > 1:
            raise Conflict(f"no such image: {prefix}: it is the start of {len(found)} image ids")
        return found[0] if found else None

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
        registry knows it, where that is an index.  made: the manifest was written here, so a
        push may compress its layers.  The caller has put the manifest, and made blobs and layers
        durable (blobs.sync).  Raises NotFound when a part is missing, CrunpyError.
        """
        digest = blobs.put(self.paths, manifest)
        entry: Entry = {"mediaType": media_type, "digest": digest, "size": len(manifest)}
        facts = facts_of(self.paths, entry)
        if source and source != digest:
            facts[SOURCE] = source
        if made:
            facts[MADE] = "1"
        entry["annotations"] = facts
        with self._lock():
            entries = self._entries()
            old = [e for e in entries if e.get("digest") == digest]
            if names and all(named(entry, name) in old for name in names):
                return self.find("sha256:" + facts[CONFIG][7:])  # as it was
            for name in names or [n for e in old if (n := name_of(e))] or [""]:
                entries = without_name(entries, name) if name else entries
                entries = [e for e in entries if e.get("digest") != digest or name_of(e)]
                entries.append(named(entry, name))
            self._write(entries)
        return self.find("sha256:" + facts[CONFIG][7:])

    def tag(self, source: str, target: str) -> None:
        """Give the image or list `source` the further name `target`, taken from another if
        need be.  Raises NotFound, InvalidArgument, CrunpyError.
        """
        name = parse(target)
        if name.digest:
            raise CrunpyError(f"tagging {source}: {target} has a digest, which is no tag")
        with self._lock():
            found = self.find_any(source)
            entries = self._entries()
            mine = next(e for e in entries if e.get("digest") == found.digest)
            entries = without_name(entries, str(name))
            entries = [e for e in entries if e.get("digest") != found.digest or name_of(e)]
            self._write([*entries, named(mine, str(name))])
        events.image(self.paths, "tag", found.id, name.familiar)

    def lists(self) -> Lists:
        """The manifest lists, in the order they came to be in the store."""
        return self._lists(self._entries())

    def _lists(self, entries: Entries) -> Lists:
        lists: dict[str, ManifestList] = {}
        for entry in entries:
            # asked by every lookup that finds no image: nothing is imported for no list
            if not str(entry.get("mediaType")).endswith(_LIST_ENDINGS):
                continue
            from crun_py.oci.store import listed

            if not listed.is_list(entry) or not blobs.has(self.paths, entry["digest"]):
                continue
            created = clock.valid((entry.get("annotations") or {}).get(CREATED, ""))
            made = lists.setdefault(entry["digest"], listed.ManifestList(entry, created))
            if name := name_of(entry):
                made.names.append(name)
        return [*lists.values()]

    def put_list(self, name: str, data: bytes, media_type: str) -> str:
        """Make the manifest list `data` known as `name`, a full reference; its digest."""
        digest = blobs.put(self.paths, data, durable=True)
        facts = {CREATED: clock.now()}
        entry: Entry = {"mediaType": media_type, "digest": digest, "size": len(data)}
        entry["annotations"] = facts
        with self._lock():
            # what had the name is an older state of the list
            kept = [e for e in self._entries() if name_of(e) != name]
            self._write([*kept, named(entry, name)])
        return digest

    def remove_list(self, found: ManifestList, name: str = "") -> Names:
        """Take `name` from a list, and with its last name (or without one) remove it and what
        only it held; docker's lines for that."""
        with self._lock():
            gone = [name] if name else found.names
            entries = [
                e
                for e in self._entries()
                if e.get("digest") != found.digest or name_of(e) not in (gone or [""])
            ]
            self._write(entries)
            lines = [f"Untagged: {parse(n).familiar}" for n in gone]
            self._tell("untag", found, gone)
            if len(gone) < len(found.names):
                return lines
            self._tell("delete", found, [""])
            deleted = [f"Deleted: {chain_id}" for chain_id in self._collect()]
            return [*lines, f"Deleted: {found.digest}", *deleted]

    def untag(self, text: str) -> str:
        """Take the name `text` from its image or list, which stays; returns the full name.

        NAME@DIGEST takes no tag of NAME away.  Raises NotFound, CrunpyError.
        """
        with self._lock():
            found, name = self.match(text)
            if not found or not name:
                raise NotFound(f"no such image: {text}")
            entries = self._entries()
            wanted = None if is_id_prefix(text) else parse(text)
            if wanted and wanted.digest and not parse(name).digest:
                name = self._without_digest(entries, wanted)
            else:
                entries = without_name(entries, name)
            self._write(entries)
        events.image(self.paths, "untag", found.id, parse(name).familiar)
        return name

    def _without_digest(self, entries: Entries, wanted: Reference) -> str:
        """Note in `entries` that the tags of a repository say no digest of it any more."""
        for i, entry in enumerate(entries):
            name = name_of(entry)
            annotations = entry.get("annotations") or {}
            same = bool(name) and parse(name).name == wanted.name
            if same and wanted.digest in (entry.get("digest"), annotations.get(SOURCE)):
                entries[i] = {**entry, "annotations": {**annotations, UNDIGESTED: "1"}}
        return str(wanted)

    def remove(
        self,
        what: str | Image,
        *,
        force: bool = False,
        in_use: Users = lambda image_id: [],
        clear: Callable[[str], None] = lambda image_id: None,
    ) -> Names:
        """Remove a name, and with its last name the image; docker's lines for that.

        what: a reference takes one name, an id (or Image) all; an image with several names
        is removed by id only with `force`.  in_use: what uses an image id,
        like `container ID`, which is asked before the last name goes, and while nothing can
        begin to use it; clear: called before that, to remove what may be in the way.
        An image that something uses is refused.  One that a manifest list has is not
        deleted.  Raises NotFound, Conflict, CrunpyError.
        """
        with self._lock():
            text = what if isinstance(what, str) else "sha256:" + what.id
            image, name = self.match(text)
            if not isinstance(image, Image):
                raise NotFound(f"no such image: {text}")
            gone = [name] if name else image.names
            lines = [f"Untagged: {parse(n).familiar}" for n in gone]
            if len(gone) < len(image.names):
                self._write(self._without_one(image, name))
                self._tell("untag", image, gone)
                self._collect()
                return lines
            if not force and not name:
                _refuse_several(text, image)
            holders = self._holders(image)
            if holders and not gone:
                raise Conflict(
                    f"removing image {text}: {holders[0].title} has it",
                    hint="remove the list, crunpy rmi, or its entry, crunpy manifest remove",
                )
            clear(image.id)
            with unclaimed(self.paths):
                _refuse_used(text, in_use(image.id))
                entries = self._entries()
                for n in gone:
                    entries = without_name(entries, n)
                mine = {e["digest"] for e in entries if self._id_of(e) == image.id}
                left = [e for e in entries if e.get("digest") not in mine]
                self._delete(mine if not holders else set(), left)
            self._tell("untag", image, gone)
            if not holders:
                self._tell("delete", image, [""])
                lines.append(f"Deleted: sha256:{image.id}")
            return lines + [f"Deleted: {chain_id}" for chain_id in self._collect()]

    def _holders(self, image: Image) -> Lists:
        """The manifest lists that have the image."""
        lists = self.lists()
        if not lists:
            return []
        from crun_py.oci.store import listed

        return [found for found in lists if image.id in listed.image_ids(self.paths, found)]

    def _without_one(self, image: Image, name: str) -> Entries:
        """The entries without `name`, one of several of `image`: a manifest that only it had is
        wanted no more."""
        entries = self._entries()
        mine = {e["digest"] for e in entries if self._id_of(e) == image.id}
        return [e for e in without_name(entries, name) if name_of(e) or e.get("digest") not in mine]

    def _tell(self, action: str, image: Image | ManifestList, names: Names) -> None:
        for name in names:
            events.image(self.paths, action, image.id, parse(name).familiar if name else "")

    def _collect(self) -> Names:
        """Delete what no image refers to any more; the chain ids of layers."""
        from crun_py.oci.store import gc

        return gc.collect(self.paths)

    def tidy(self) -> Names:
        """The same, with what killed commands left."""
        from crun_py.oci.store import gc

        return gc.tidy(self.paths)

    # ---- index.json ----

    def _lock(self) -> jsonfile.Lock:
        blobs.prepare(self.paths)
        return jsonfile.Lock(self.paths.images + "/.lock")

    def _entries(self) -> Entries:
        return blobs.read_index(self.paths)

    def _write(self, entries: Entries) -> None:
        """Replace index.json; a full disk gives up the reserve for it."""
        path = self.paths.images + "/index.json"
        value: Index = {
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
            self._collect()
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

    def rebuild(self, names: Mapping[str, str]) -> None:
        """Make index.json anew of the blobs; the damaged one stays as index.json.damaged.

        names: as of rebuilt.descriptors."""
        from crun_py.oci.store import rebuilt

        path = self.paths.images + "/index.json"
        with self._lock():
            found = rebuilt.descriptors(self.paths, names)
            os.replace(path, path + ".damaged")
            self._write(found)

    # ---- whether it is whole ----

    def whole(self, damaged: Collection[str]) -> Rows:
        """(name, digest, why) of the images that cannot be used, under the lock of index.json.

        damaged: digests of blobs that are none.  Raises CorruptState."""
        told = ((e, str(e.get("digest", "")), self._lacks(e, damaged)) for e in self._entries())
        return [(name_of(e) or digest, digest, why) for e, digest, why in told if why]

    def _lacks(self, entry: Entry, damaged: Collection[str]) -> str:
        try:
            digest, size = entry["digest"], entry["size"]
            if digest in damaged or not blobs.has(self.paths, digest, size):
                return "its manifest is lost: pull it again"
            value = jsonfile.loads(blobs.read(self.paths, digest, 4 << 20))
            if "manifests" in value:
                return ""  # of its platforms some may be here
            config = value["config"]["digest"]
            if config in damaged or not blobs.has(self.paths, config):
                return "its config is lost: pull it again"
            image = self._image(entry)
            lost = [path for path in image[0].layers if not os.path.isdir(path)] if image else []
            return f"it lacks {len(lost)} layers: pull it again" if lost else ""
        except (CrunpyError, KeyError, TypeError, ValueError, AttributeError):
            return "its descriptor or manifest cannot be read: pull it again"

    def forget(self, digest: str) -> None:
        """Remove the entries of a manifest, without looking who uses it."""
        with self._lock():
            self._write([e for e in self._entries() if e.get("digest") != digest])

    # ---- one descriptor ----

    def _image(self, entry: Entry) -> tuple[Image, dict[str, str]] | None:
        """The image of a descriptor, and what our annotations say of it; None for what is not
        an image, or was deleted."""
        try:
            if not blobs.has(self.paths, entry["digest"]):
                return None
            annotations = entry.get("annotations") or {}
            facts = annotations if CHAIN in annotations else facts_of(self.paths, entry)
            return Image(self.paths, entry, facts), facts
        except (CrunpyError, KeyError, TypeError, ValueError, AttributeError):
            # what another tool put here (an index, an artifact) is none of our images
            return None

    def _id_of(self, entry: Entry) -> str:
        found = self._image(entry)
        return found[0].id if found else ""


def _by_name(
    images: Sequence[Image | ManifestList], text: str, wanted: Reference
) -> tuple[Image | ManifestList, str] | None:
    """Which of `images` has the name `text`, and that name in full."""
    full = str(wanted)
    every = [(image, name) for image in images for name in image.names]
    for image, name in every:
        if name == full:
            return image, name
    for image, name in every if wanted.digest else []:
        if _has_digest(image, name, wanted):
            return image, name
    if not is_short(text):
        return None
    # without a registry, when exactly one name on another registry ends so
    tagged = text if ":" in text or "@" in text else text + ":latest"
    found = [(image, name) for image, name in every if name.partition("/")[2] == tagged]
    return found[0] if len(found) == 1 else None


def _has_digest(image: Image | ManifestList, name: str, wanted: Reference) -> bool:
    """Whether `wanted` is by digest, and the image has it under `name`."""
    if not wanted.digest or parse(name).name != wanted.name:
        return False
    under = image.under(name)
    return wanted.digest in (under.digest, under.source)


def _unknown(text: str) -> NotFound:
    return NotFound(f"no such image: {text}", hint="crunpy pull fetches it")


def _is_one_name(names: list[str]) -> bool:
    """Whether `names` are no more than a tag and a digest of one repository."""
    found = [parse(name) for name in names]
    tags = sum(bool(r.tag) for r in found)
    return len({r.name for r in found}) < 2 and tags < 2


def _refuse_used(text: str, users: list[str]) -> None:
    if users:
        raise Conflict(
            f"removing image {text}: {users[0]} uses it",
            hint="remove the container first, crunpy rm"
            if "container " in users[0]
            else "crunpy image unmount",
        )


def _refuse_several(text: str, image: Image) -> None:
    if not _is_one_name(image.names):
        raise Conflict(
            f"removing image {text}: it has several names: {', '.join(image.familiar_names)}",
            hint="remove the names one by one, or all of them with -f",
        )
