"""commit, export and import: between containers, archives and images."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from crun_py import events, signals
from crun_py.archive.pack import Packer
from crun_py.clock import now
from crun_py.container import control, inside
from crun_py.errors import CrunpyError, InvalidArgument, NotFound
from crun_py.oci.manifest import host_platform, image_format, split_platform
from crun_py.oci.reference import parse
from crun_py.oci.store.image import Image
from crun_py.oci.store.images import ImageStore
from crun_py.oci.store.inflate import opened
from crun_py.oci.transfer import made
from crun_py.options import instructions
from crun_py.record import without_empty
from crun_py.tree import DIRECTORY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO, Literal

    from crun_py.documents.image import History, ImageAbout, ImageConfig
    from crun_py.paths import Paths
    from crun_py.state import Container

_PIECE_BYTES = 1 << 20
_SIGTERM = 15
_PLATFORM: tuple[Literal["architecture", "os", "variant"], ...] = ("architecture", "os", "variant")


class About:
    """What the user says of an image that is made.

    name: "" or a reference; changes: Dockerfile instructions; form: "oci" or "docker".
    """

    __slots__ = ("author", "changes", "form", "message", "name")

    def __init__(
        self, *, name: str, author: str, message: str, changes: list[str], form: str
    ) -> None:
        self.name, self.author, self.message = name, author, message
        self.changes, self.form = changes, image_format(form) or "oci"
        instructions.check(changes)
        if name and parse(name).digest:
            raise InvalidArgument(f"image name {name}: a new image is named by a tag, not a digest")

    @property
    def names(self) -> list[str]:
        return [str(parse(self.name))] if self.name else []


# ---- commit ----


def commit(container: Container, about: About, *, pause: bool | None, squash: bool) -> Image:
    """An image of `container` as it is now; its volumes are not in it.

    pause: stop its processes meanwhile; None: where the host can do that.  squash: one layer
    with everything.  Runs after `inside.become_root`.
    """
    paths = container.paths
    base = ImageStore(paths).lookup("sha256:" + container.record["image_id"])
    if base is None:
        raise NotFound(
            f"committing container {container.name}: its image is not in the store any more",
            hint="crunpy export keeps its files",
        )
    config = _config(container, base, about)
    fill = _all_files if squash else _own_files
    with control.frozen(container, pause):
        image = made.add(
            paths,
            config,
            lambda write: fill(container, write),
            about.names,
            base=None if squash else base,
            form=about.form,
            doing=f"committing container {container.name}",
        )
    events.container(container, "commit", comment=about.message)
    return image


def _own_files(container: Container, write: Callable[[bytes], None]) -> None:
    """The container's layer: what it changed."""
    owner = inside.ids(container).inside
    with inside.changes(container) as changes:
        packer = Packer(write, xattrs=True, whiteouts=True, wanted=changes.own, owner=owner)
        top = os.open(changes.upper, DIRECTORY)
        try:
            packer.children(top, "")
        finally:
            os.close(top)
        packer.finish()


def _all_files(container: Container, write: Callable[[bytes], None]) -> None:
    """Everything below the container's root but what the engine made to mount on."""
    owner = inside.ids(container).inside
    with inside.changes(container) as changes:
        packer = Packer(write, xattrs=True, wanted=changes.own_or_below, owner=owner)
        _pack_root(container, packer)


def _pack_root(container: Container, packer: Packer) -> None:
    """All that is below the container's root, and the end of the archive."""
    with inside.root_of(container, alone=True) as root:
        top = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root)
        try:
            packer.children(top, "")
        finally:
            os.close(top)
    packer.finish()


def _config(container: Container, base: Image, about: About) -> ImageAbout:
    """The image's config with what the container was made with, and the changes."""
    record = container.record
    own, network = record["config"], record["network"]
    before = base.config.get("config") or {}
    ports = {f"{p['container_port']}/{p['protocol']}" for p in network["ports"]}
    # of what everybody has nothing is said where the image does not
    usual_place = own["workdir"] == "/" and not before.get("WorkingDir")
    usual_signal = own["stop_signal"] == _SIGTERM and not before.get("StopSignal")
    new: ImageConfig = {
        "User": own["user"],
        "Env": own["env_chosen"],
        "Entrypoint": own["entrypoint"] or None,
        "Cmd": own["cmd"] or None,
        "WorkingDir": None if usual_place else own["workdir"],
        "Labels": own["labels"],
        "ExposedPorts": {port: {} for port in sorted({*own["exposed"], *ports})},
        "Volumes": {path: {} for path in own["volumes"]},
        "StopSignal": None if usual_signal else signals.name(own["stop_signal"]),
    }
    merged: ImageConfig = {**before, **new}
    config = without_empty(merged)
    instructions.apply(config, about.changes)
    result: ImageAbout = {"config": config}
    for key in _PLATFORM:
        if key in base.config:
            result[key] = base.config[key]
    step: History = {"created": now(), "created_by": " ".join(record["args"])}
    if about.author:
        result["author"] = step["author"] = about.author
    if about.message:
        step["comment"] = about.message
        if about.form == "docker":
            result["comment"] = about.message
    result["created"] = step["created"]
    result["history"] = [*(base.config.get("history") or []), step]
    return result


# ---- export ----


def export(container: Container, sink: BinaryIO) -> None:
    """The container's files, without volumes, as an archive; after `inside.become_root`."""
    owner = inside.ids(container).inside
    _pack_root(container, Packer(sink.write, xattrs=True, owner=owner))
    sink.flush()
    events.container(container, "export")


# ---- import ----


def import_(
    paths: Paths, source: str, platform: str, about: About, stream: BinaryIO | None
) -> Image:
    """An image of the archive `source`: a file, an http(s) URL or "-" for `stream`."""
    operating_system, architecture, variant = split_platform(platform or host_platform())
    config: ImageConfig = {}
    instructions.apply(config, about.changes)
    created = now()
    document: ImageAbout = {
        "architecture": architecture,
        "os": operating_system,
        "created": created,
        "config": config,
        "history": [{"created": created, "comment": about.message or f"Imported from {source}"}],
    }
    if variant:
        document["variant"] = variant
    doing = f"importing {source}"
    with _opened(source, stream, doing) as read:

        def fill(write: Callable[[bytes], None]) -> None:
            for piece in opened(read, doing):
                write(piece)

        image = made.add(paths, document, fill, about.names, form=about.form, doing=doing)
    events.emit(paths, "image", "import", f"sha256:{image.id}", {"name": about.name})
    return image


@contextmanager
def _opened(source: str, stream: BinaryIO | None, doing: str) -> Iterator[Callable[[int], bytes]]:
    if source == "-":
        if stream is None:
            raise InvalidArgument(f"{doing}: there is no stream")
        yield stream.read
    elif source.startswith(("http://", "https://")):
        from crun_py.oci.registry.connect import download

        with download(source, doing) as read:
            yield read
    else:
        try:
            fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as e:
            raise CrunpyError.from_os(doing, e) from e
        with os.fdopen(fd, "rb") as file:
            yield file.read
