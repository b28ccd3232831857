"""The manifest lists of an engine."""

from __future__ import annotations

from collections.abc import Iterable

from crun_py.library import options
from crun_py.library.values import OnEvent, expect
from crun_py.model.image import Pushed
from crun_py.model.registry import EntryChange, PushChange, RegistryAccess
from crun_py.worker.channel_async import AsyncWorker


class Manifests:
    """`engine.manifests`: one name for the images of several platforms.

    A list is pulled, tagged and removed as an image is, too.
    """

    def __init__(self, worker: AsyncWorker) -> None:
        self._worker = worker

    async def create(
        self,
        name: str,
        images: Iterable[str] = (),
        *,
        amend: bool = False,
        all: bool = False,
        registry: RegistryAccess | None = None,
    ) -> str:
        """Make a list of images, of the store or else of their registries; its digest.

        amend: add them to the one that is there.  all: of one that is a list itself all images.
        Raises Conflict for a name that is taken, NotFound, RegistryError.
        """
        made = await self._worker.call(
            "manifests.create",
            name,
            options.texts(images, "images"),
            amend=amend,
            everything=all,
            reach=registry,
        )
        return expect(str, made)

    async def add(
        self,
        name: str,
        image: str,
        *,
        entry: EntryChange | None = None,
        all: bool = False,
        registry: RegistryAccess | None = None,
    ) -> str:
        """Add an image; the list's digest.  entry: what the list says of it beside what it says.

        Raises NotFound, RegistryError.
        """
        made = await self._worker.call(
            "manifests.add", name, image, entry, everything=all, reach=registry
        )
        return expect(str, made)

    async def annotate(self, name: str, image: str, entry: EntryChange) -> str:
        """Change what a list says of an image, a name or a digest; the list's digest."""
        return expect(str, await self._worker.call("manifests.annotate", name, image, entry))

    async def remove_entry(self, name: str, image: str) -> str:
        """Take an image, a name or a digest, from a list; the list's digest.  Raises NotFound."""
        return expect(str, await self._worker.call("manifests.remove_entry", name, image))

    async def remove(self, name: str) -> None:
        """Remove a list; its images stay.  Raises NotFound."""
        await self._worker.call("manifests.remove", name)

    async def exists(self, name: str) -> bool:
        """Whether there is one."""
        return expect(bool, await self._worker.call("manifests.exists", name))

    async def inspect(
        self, name: str, *, registry: RegistryAccess | None = None
    ) -> dict[str, object]:
        """The manifest list as the OCI specification writes it, of the store or a registry.

        Raises NotFound, RegistryError.
        """
        return expect(dict, await self._worker.call("manifests.inspect", name, reach=registry))

    async def push(
        self,
        name: str,
        destination: str = "",
        *,
        all: bool = True,
        change: PushChange | None = None,
        purge: bool = False,
        registry: RegistryAccess | None = None,
        on_event: OnEvent = None,
    ) -> Pushed:
        """Bring a list to `destination`, by default the registry of its name.

        all: its images too.  purge: it is removed here then.  Raises RegistryError, NotFound.
        """
        done = await self._worker.call(
            "manifests.push", name, destination, everything=all, change=change, purge=purge,
            reach=registry, on_event=on_event,
        )  # fmt: skip
        return expect(Pushed, done)
