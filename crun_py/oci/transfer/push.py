"""Pushing: an image of the store to a registry, or to files.

What the registry lacks is sent, several blobs at a time, and the manifest last, so that
whoever pulls meanwhile gets the old image or the new one.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Iterator

from crun_py import events
from crun_py.errors import CrunpyError, InvalidArgument, NotFound
from crun_py.model.registry import Progress
from crun_py.oci.causes import named
from crun_py.oci.manifest import image_format
from crun_py.oci.reference import Reference, parse
from crun_py.oci.registry import upload
from crun_py.oci.registry.access import Access
from crun_py.oci.registry.client import Registry, Unauthorized
from crun_py.oci.registry.flow import Work
from crun_py.oci.store import gc
from crun_py.oci.store.image import Image
from crun_py.oci.store.images import ImageStore
from crun_py.oci.transfer import content, save, transport
from crun_py.oci.transfer.content import Content
from crun_py.oci.transfer.intake import Told
from crun_py.paths import Paths

Report = Callable[[str, str, int, int], None]
_PARALLEL = 4
_MOUNTS = 3


class Change:
    """What a push may change: compression kind and level, format of the manifest.

    anew: layers that are compressed as kind are compressed once more; only_plain: only
    those that are not compressed get kind.
    """

    __slots__ = ("anew", "form", "kind", "level", "only_plain")

    def __init__(
        self,
        kind: str = "",
        level: int | None = None,
        form: str = "",
        *,
        anew: bool = False,
        only_plain: bool = False,
    ) -> None:
        """Raises InvalidArgument for what is not known."""
        content.check(kind, level)
        self.kind, self.level, self.form = kind, level, image_format(form)
        self.anew, self.only_plain = anew, only_plain


def push(
    paths: Paths,
    image: Image,
    destination: str,
    *,
    access: Access | None = None,
    change: Change | None = None,
    progress: Told | None = None,
) -> tuple[str, int]:
    """Bring `image` to `destination`, a reference or TRANSPORT:PATH; (digest, size in bytes) of
    its manifest there.

    progress: called with Events, from several threads but never twice at once; their phases
    are "preparing", "compressing", "exists", "mounted REPOSITORY",
    "uploading", "done".  Raises RegistryError, InvalidArgument, CrunpyError with the
    destination in the message.
    """
    access, change = access or Access(), change or Change()
    report = reporter(progress)
    # nobody deletes what is being read
    with gc.pulling(paths):
        try:
            made = _content(paths, image, change, transport.split(destination), report)
        except CrunpyError as e:
            raise named(None, f"pushing {destination}", e) from e
        try:
            push_content(paths, made, image.names, destination, access, report)
        finally:
            made.close()
    gc.collect_if_wanted(paths)
    events.image(paths, "push", image.id, destination)
    return made.digest, len(made.manifest)


def push_content(
    paths: Paths, made: Content, names: list[str], destination: str, access: Access, report: Report
) -> None:
    """Bring `made` to `destination`; names: what it is called in files unless that says it.

    Raises as push().
    """
    where = transport.split(destination)
    try:
        if isinstance(where, transport.Place):
            to_files(made, [where.name] if where.name else names, where)
        else:
            to_registry(paths, made, parse(where), access, report)
    except CrunpyError as e:
        raise named(None, f"pushing {destination}", e) from e


def reporter(progress: Told | None) -> Report:
    """A function for phase, digest, current and total bytes, which calls `progress`."""
    one_at_a_time = threading.Lock()

    def report(phase: str, digest: str, current: int, total: int) -> None:
        if progress:
            with one_at_a_time:
                progress(Progress(phase=phase, digest=digest, current=current, total=total))

    return report


def _content(
    paths: Paths, image: Image, change: Change, where: transport.Place | str, report: Report
) -> Content:
    """The bytes to send: those of the store unless something else is asked for, or the
    manifest was written here and a registry would get uncompressed layers."""
    if change.kind or change.form:
        return content.rewritten(
            paths, image.digest, kind=change.kind, level=change.level, form=change.form,
            anew=change.anew, only_plain=change.only_plain, report=report,
        )  # fmt: skip
    if image.made and isinstance(where, str):
        return content.rewritten(
            paths, image.digest, kind="gzip", level=change.level, only_plain=True, report=report
        )
    return content.of_image(paths, image.digest)


def to_files(made: Content, names: list[str], place: transport.Place) -> None:
    """Write to an archive or directory, under `names`."""
    form = {"oci": "oci-dir", "dir": "docker-dir"}.get(place.transport, place.transport)
    if form == "docker-archive":
        names = [str(parse(name)) for name in names]
    save.save([save.Saved(made, names)], form, place.path)


def to_registry(
    paths: Paths,
    made: Content,
    reference: Reference,
    access: Access,
    report: Report,
) -> None:
    """Send what the registry lacks of `made`, then its manifest under `reference`."""
    if reference.digest and reference.digest != made.digest:
        raise InvalidArgument(
            f"the digest in the name is not that of the image, {made.digest[:19]}",
            hint="push to a tag",
        )
    endpoint = access.destination(reference)
    near = _neighbours(paths, endpoint.registry, endpoint.repository)
    wanted = {digest for digest, _ in made.layers} | set(made.configs)
    sources = [r for digest, found in near.items() if digest in wanted for r in found]
    also = [*dict.fromkeys(sources)][:_MOUNTS]
    try:
        with access.open(endpoint, write=True, also=also) as registry:
            _to_registry(registry, made, reference, near, report)
    except Unauthorized:
        if not also:
            raise
        # some token servers refuse everything when one repository is not ours to read
        with access.open(endpoint, write=True) as registry:
            _to_registry(registry, made, reference, {}, report)


def _to_registry(
    registry: Registry,
    made: Content,
    reference: Reference,
    near: dict[str, list[str]],
    report: Report,
) -> None:
    if upload.has_manifest(registry, made.digest):
        for digest, size in made.layers:
            report("exists", digest, size, size)
    else:
        _send_blobs(registry, made, near, report)
        for data, media_type in made.members:
            digest = "sha256:" + hashlib.sha256(data).hexdigest()
            upload.put_manifest(registry, digest, data, media_type)
    upload.put_manifest(registry, reference.tag or made.digest, made.manifest, made.media_type)


def _send_blobs(
    registry: Registry, made: Content, near: dict[str, list[str]], report: Report
) -> None:
    """Layers and configs, several at a time; the first error stops all."""
    work = Work()
    queue = [*made.layers, *((digest, len(data)) for digest, data in made.configs.items())]
    for digest, size in made.layers:
        report("preparing", digest, 0, size)

    def sending() -> None:
        while True:
            work.check()
            with work.changed:
                if not queue:
                    return
                digest, size = queue.pop(0)
            _send(registry, made, digest, size, near.get(digest, [])[:_MOUNTS], work, report)

    for n in range(min(_PARALLEL, len(queue))):
        work.start(f"push {n}", sending)
    work.join()
    if work.error is not None:
        raise work.error


def _send(
    registry: Registry,
    made: Content,
    digest: str,
    size: int,
    repositories: list[str],
    work: Work,
    report: Report,
) -> None:
    if digest in made.configs:
        if not upload.has(registry, digest):
            data = made.configs[digest]
            upload.send(registry, digest, size, lambda at: iter([data[at:]]), lambda _: None)
        return
    if upload.has(registry, digest):
        report("exists", digest, size, size)
        return
    if taken := upload.mount(registry, digest, repositories):
        report("mounted " + taken, digest, size, size)
        return

    def pieces(offset: int) -> Iterator[bytes]:
        for data in made.pieces(digest, offset):
            work.check()
            yield data

    upload.send(registry, digest, size, pieces, lambda n: report("uploading", digest, n, size))
    report("done", digest, size, size)


def _neighbours(paths: Paths, registry: str, repository: str) -> dict[str, list[str]]:
    """By digest of a blob, the other repositories of `registry` that will have it: images of
    this store have such names."""
    found: dict[str, list[str]] = {}
    for image in ImageStore(paths).list():
        names = [parse(name) for name in image.names]
        there = [r.repository for r in names if r.registry == registry]
        for name in dict.fromkeys(there):
            if name == repository:
                continue
            # an image that has lost a part is no reason to fail here
            with contextlib.suppress(NotFound):
                for digest, _ in content.of_image(paths, image.digest).layers:
                    found.setdefault(digest, []).append(name)
    return found
