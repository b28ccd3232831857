"""Manifest lists of the store: made, changed, looked at and pushed (`crunpy manifest`).

A list is an OCI image index whose name is in index.json like an image's.  What it lists is
in the store as blobs: images of this store, or fetched when they are added.
"""

from __future__ import annotations

from crun_py import jsonfile
from crun_py.errors import Conflict, CrunpyError, InvalidArgument, NotFound
from crun_py.oci.causes import named
from crun_py.oci.manifest import (
    DOCKER_LIST,
    DOCUMENT_LIMIT,
    OCI_INDEX,
    Index,
    Manifest,
    choose,
    host_platform,
    parse,
    stated_platform,
)
from crun_py.oci.reference import has_transport
from crun_py.oci.reference import parse as parse_reference
from crun_py.oci.registry.access import Access
from crun_py.oci.store import blobs, gc
from crun_py.oci.store.images import ImageStore
from crun_py.oci.store.listed import ManifestList
from crun_py.oci.transfer import content, push, remote, transport
from crun_py.oci.transfer.intake import Job, Told, keep
from crun_py.paths import Paths
from crun_py.record import without_empty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.image import Descriptor as Entry
    from crun_py.documents.image import Index as IndexDocument
    from crun_py.documents.image import Platform


class Changes:
    """What `add` and `annotate` say of an entry beside what its image says.

    platform: values by the names of an index's platform object; annotations: KEY=VALUE.
    """

    def __init__(self, platform: Platform, annotations: list[str]) -> None:
        """Raises InvalidArgument for an annotation without =."""
        self.platform = without_empty(platform)
        self.annotations: dict[str, str] = {}
        for text in annotations:
            key, sep, value = text.partition("=")
            if not sep or not key:
                raise InvalidArgument(f"annotation {text!r}: not KEY=VALUE")
            self.annotations[key] = value

    def apply(self, entry: Entry) -> Entry:
        platform: Platform = {**(entry.get("platform") or {}), **self.platform}
        changed: Entry = {**entry, "platform": platform}
        if self.annotations:
            changed["annotations"] = {**(entry.get("annotations") or {}), **self.annotations}
        return changed


NO_CHANGES = Changes({}, [])


class Lists:
    """The manifest lists of the store below `paths`."""

    def __init__(self, paths: Paths, access: Access | None = None) -> None:
        self._paths = paths
        self._store = ImageStore(paths)
        self._access = access

    def find(self, text: str) -> tuple[ManifestList, str]:
        """The list that `text` (a name or an id) means, and its full name.  Raises NotFound."""
        found, name = self._store.match(text)
        if not isinstance(found, ManifestList) or not found.names:
            raise NotFound(f"no such manifest list: {text}", hint="crunpy manifest create")
        return found, name or found.names[0]

    def exists(self, text: str) -> bool:
        """Whether `text` means a list."""
        return isinstance(self._store.lookup_any(text), ManifestList)

    def create(self, text: str, *, amend: bool = False) -> str:
        """An empty list called `text`; its digest.  Raises Conflict for a name that is taken,
        unless `amend` and it is a list."""
        reference = parse_reference(text)
        if reference.digest:
            raise InvalidArgument(f"creating manifest list {text}: a digest is no name")
        name = str(reference)
        known = self._store.lookup_any(name)
        if isinstance(known, ManifestList):
            if not amend:
                raise Conflict(
                    f"creating manifest list {text}: there is one", hint="--amend adds to it"
                )
            return known.digest
        if known is not None:
            raise Conflict(f"creating manifest list {text}: an image has that name")
        return self._put(name, {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []})

    def add(
        self,
        text: str,
        image: str,
        changes: Changes = NO_CHANGES,
        *,
        everything: bool = False,
        progress: Told | None = None,
    ) -> str:
        """Add `image` (of the store, else of a registry or archive) to the list; its digest.

        everything: of a list all entries, not only this platform's.
        """
        image = image.removeprefix("containers-storage:")  # podman's word for the store
        found, name = self.find(text)
        job = Job(self._paths, host_platform(), progress, None, any_platform=True)
        try:
            with gc.pulling(self._paths):
                entries = self._entries_for(job, image, everything)
                value = self._value(found)
                digests = {entry["digest"] for entry in entries}
                old = [e for e in value["manifests"] if e["digest"] not in digests]
                value["manifests"] = [*old, *(changes.apply(entry) for entry in entries)]
                return self._put(name, value)
        except CrunpyError as e:
            raise named(self._paths, f"adding {image} to {text}", e) from e

    def annotate(self, text: str, image: str, changes: Changes) -> str:
        """Change what the list says of `image` (a name, or a digest in the list)."""
        found, name = self.find(text)
        value = self._value(found)
        digest = self._digest_in(value, image, text)
        value["manifests"] = [
            changes.apply(entry) if entry["digest"] == digest else entry
            for entry in value["manifests"]
        ]
        return self._put(name, value)

    def remove_entry(self, text: str, image: str) -> str:
        """Take `image` (a name, or a digest in the list) from the list; the list's digest."""
        found, name = self.find(text)
        value = self._value(found)
        digest = self._digest_in(value, image, text)
        value["manifests"] = [e for e in value["manifests"] if e["digest"] != digest]
        return self._put(name, value)

    def remove(self, text: str) -> str:
        """Remove the list's name, and with its last one the list; its digest."""
        found, name = self.find(text)
        self._store.remove_list(found, name)
        return found.digest

    def inspect(self, text: str) -> dict[str, object]:
        """The JSON value of the list, or of what a registry or archive has as `text`."""
        if not has_transport(text) and self.exists(text):
            return dict(self._value(self.find(text)[0]))
        try:
            with remote.opened(self._paths, text, self._open_access()) as (source, reference, _):
                data, content_type = source.manifest(reference)
                parse(data, content_type=content_type)
                value: dict[str, object] = jsonfile.loads(data)
                return value
        except CrunpyError as e:
            raise named(None, f"inspecting {text}", e) from e

    def push(
        self,
        text: str,
        destination: str,
        *,
        everything: bool = True,
        change: push.Change | None = None,
        progress: Told | None = None,
    ) -> tuple[str, int]:
        """Send the list, and with `everything` its images, to `destination`; (digest, bytes) of
        the list there.

        change: of the images' layers, and of the list's format.
        """
        change = change or push.Change()
        if change.kind and not everything:
            raise InvalidArgument(f"pushing {text}: compression without --all changes nothing")
        found, name = self.find(text)
        report = push.reporter(progress)
        with gc.pulling(self._paths):
            made = (
                content.rewritten_list(
                    self._paths,
                    found.digest,
                    kind=change.kind,
                    level=change.level,
                    only_plain=change.only_plain,
                    anew=change.anew,
                    report=report,
                )
                if change.kind
                else content.of_list(self._paths, found.digest, members=everything)
            )
            try:
                if change.form:
                    made = self._as(made, {"oci": OCI_INDEX, "docker": DOCKER_LIST}[change.form])
                where, access = destination, self._open_access()
                push.push_content(self._paths, made, [name], where, access, report)
            finally:
                made.close()
        return made.digest, len(made.manifest)

    # ---- details ----

    def _as(self, made: content.Content, media_type: str) -> content.Content:
        data = jsonfile.dumps({**jsonfile.loads(made.manifest), "mediaType": media_type}).encode()
        changed = content.Content(self._paths, data, media_type)
        changed.configs, changed.members = made.configs, made.members
        changed.layers = made.layers
        made.hand_over(changed)
        return changed

    def _open_access(self) -> Access:
        self._access = self._access or Access()
        return self._access

    def _value(self, found: ManifestList) -> IndexDocument:
        shape = {"manifests": [{"digest": str}]}
        value: IndexDocument = blobs.document(self._paths, found.digest, shape)
        return value

    def _put(self, name: str, value: IndexDocument) -> str:
        blobs.prepare(self._paths)
        media_type = value.get("mediaType", OCI_INDEX)
        return self._store.put_list(name, jsonfile.dumps(value).encode(), media_type)

    def _digest_in(self, value: IndexDocument, image: str, text: str) -> str:
        digests = [entry["digest"] for entry in value["manifests"]]
        found = None if image in digests else self._store.lookup(image)
        digest = found.digest if found else image
        if digest not in digests:
            raise NotFound(f"no such image in manifest list {text}: {image}")
        return digest

    def _entries_for(self, job: Job, image: str, everything: bool) -> list[Entry]:
        """The entries that an index gets for `image`, whose blobs are in the store then."""
        where = transport.split(image)
        if isinstance(where, str) and not has_transport(image):
            found = self._store.lookup_any(where)
            if isinstance(found, ManifestList):
                entries = self._value(found)["manifests"]
                wanted = [] if everything else [self._store.member(found).digest]
                return [e for e in entries if everything or e["digest"] in wanted]
            if found is not None:
                return [self._entry(found.digest)]
        with remote.opened(self._paths, image, self._open_access()) as (source, reference, _):
            data, content_type = source.manifest(reference)
            whole = parse(data, content_type=content_type)
            if isinstance(whole, Manifest):
                return [self._entry(keep(job, source, reference)[0])]
            wanted = self._wanted(whole, job.platform, everything)
            return [self._entry(keep(job, source, digest)[0]) for digest in wanted]

    @staticmethod
    def _wanted(index: Index, platform: str, everything: bool) -> list[str]:
        if not everything:
            return [choose(index, platform).digest]
        return [m.digest for m in index.manifests if m.platform.get("architecture") != "unknown"]

    def _entry(self, digest: str) -> Entry:
        data = blobs.read(self._paths, digest, DOCUMENT_LIMIT)
        manifest = parse(data)
        assert isinstance(manifest, Manifest)
        config = blobs.document(self._paths, manifest.config.digest, {str: object})
        return {
            "mediaType": manifest.media_type,
            "digest": digest,
            "size": len(data),
            "platform": stated_platform(config),
        }
