"""Steps that other machines' builds made: --cache-from and --cache-to.

Each step that makes a layer is an image of its own there, REPOSITORY:KEY (or `oci:DIRECTORY:KEY`),
whose manifest says in an annotation what the layer is.  podman-build(1), --cache-to.
"""

from __future__ import annotations

import os

from crun_py import jsonfile
from crun_py.build.cache import Step
from crun_py.build.layer import Layer
from crun_py.build.mounts import fields
from crun_py.errors import CrunpyError, InvalidArgument, NotFound
from crun_py.oci.store.images import ImageStore
from crun_py.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.build.draft import Draft
    from crun_py.documents.image import History
    from crun_py.oci.registry.access import Access
    from crun_py.oci.store.image import Image
    from crun_py.paths import Paths

_LAYER = "io.crunpy.build.layer"
_FIELDS = ("chain_id", "diff_id", "size", "content")


def place(text: str) -> str:
    """What --cache-from and --cache-to name, without the key: a repository, or `oci:DIRECTORY`.

    Raises InvalidArgument.
    """
    if "=" not in text:
        return text.rstrip("/")
    given = dict(field.partition("=")[::2] for field in fields(text))
    kind = given.get("type", "registry")
    if kind == "registry" and given.get("ref"):
        name = given["ref"]
        last = name.rpartition("/")[2]
        return name[: len(name) - len(last)] + last.partition(":")[0]
    where = given.get("dest") or given.get("src")
    if kind == "local" and where:
        return f"oci:{where}"
    raise InvalidArgument(
        f"cache {text!r}: not known",
        hint="REPOSITORY, type=registry,ref=NAME or type=local,dest=DIR",
    )


@record
class Found:
    """A step that another machine made, and the history of the image up to it."""

    step: Step
    history: tuple[History, ...]


class Remote:
    """sources, sinks: see `place`."""

    def __init__(self, paths: Paths, sources: list[str], sinks: list[str], access: Access) -> None:
        self._paths, self.sources, self.sinks = paths, sources, sinks
        self._access = access
        self._kept: list[tuple[str, Draft]] = []
        self._hits = 0
        self._error = ""

    def find(self, key: str, chain: list[str]) -> Found | None:
        """What the step `key` came to elsewhere, fetched with its layer; None: nobody has it."""
        from crun_py.oci.transfer import pull

        for source in self.sources:
            before = self._known()
            try:
                image = pull.pull(self._paths, f"{source}:{key}", access=self._access)
            except CrunpyError as e:
                place = source.removeprefix("oci:")
                if place != source and not os.path.isdir(place):
                    self._error = f"there is no directory {place}"
                elif not (isinstance(e, NotFound) and place != source):
                    self._error = e.message  # else it is a directory that has other steps
                continue  # a registry that lacks it or cannot be reached is no reason to fail
            try:
                about = jsonfile.loads(image.annotations[_LAYER])
                layer = Layer(**{field: about[field] for field in _FIELDS})
                history = image.config["history"] or []
                created = str(history[-1]["created"])
            except (LookupError, TypeError, ValueError):
                continue
            finally:
                self._forget(image, before)
            if image.chain == [*chain, layer.chain_id]:
                step = Step(created, layer)
                self._hits += 1
                return Found(step=step, history=tuple(history))
        return None

    @property
    def disappointment(self) -> str:
        """Why no step at all was found, "" if one was or none was looked for."""
        return "" if self._hits else self._error

    def keep(self, key: str, draft: Draft, layer: Layer) -> None:
        """The step `key` made `layer`, with which `draft` ends; sent by `send`."""
        if self.sinks:
            saved = draft.copy()
            saved.annotations = {_LAYER: jsonfile.dumps({f: getattr(layer, f) for f in _FIELDS})}
            self._kept.append((key, saved))

    def send(self) -> None:
        """Send what was kept.  Raises RegistryError, CrunpyError."""
        from crun_py.oci.transfer import push

        for key, draft in self._kept:
            for sink in self.sinks:
                before = self._known()
                local = f"localhost/crunpy-cache:{key}"
                draft.save([local])
                # by its name: the same image may have a manifest without the annotation, too
                image = ImageStore(self._paths).find(local)
                try:
                    push.push(self._paths, image, f"{sink}:{key}", access=self._access)
                finally:
                    self._forget(image, before)
        self._kept = []

    def _known(self) -> set[str]:
        """Names and ids of the images of the store."""
        found = ImageStore(self._paths).list()
        return {image.id for image in found} | {name for image in found for name in image.names}

    def _forget(self, image: Image, before: set[str]) -> None:
        """The image was for the way only; its layers stay for as long as the cache wants them."""
        store = ImageStore(self._paths)
        for name in image.names:
            if name not in before:
                store.remove(name)
        if not image.names and image.id not in before:
            store.remove(image)
