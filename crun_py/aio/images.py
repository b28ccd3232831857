"""The images of an engine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from crun_py.build.request import Built
from crun_py.errors import InvalidArgument
from crun_py.library import build_options, options, values
from crun_py.library.build_options import BuildOptions
from crun_py.library.create_options import Filters, Pathname
from crun_py.library.values import OnEvent, expect
from crun_py.model.files import FileChange
from crun_py.model.image import (
    HistoryStep,
    ImageSummary,
    LoadedImage,
    PrunedImages,
    Pushed,
    RemovedPart,
)
from crun_py.model.pruned import Pruned
from crun_py.model.registry import PullRequest, PushChange, RegistryAccess, SearchResult
from crun_py.worker.channel_async import AsyncWorker


class Images:
    """`engine.images`: pulls, builds and finds them.

    A name is what users write, nginx or quay.io/a/b:tag, or an id.
    """

    def __init__(self, worker: AsyncWorker) -> None:
        self._worker = worker

    async def pull(
        self,
        name: str,
        *,
        platform: str = "",
        policy: str = "always",
        registry: RegistryAccess | None = None,
        on_event: OnEvent = None,
    ) -> ImageSummary:
        """Fetch an image.

        policy: always, missing, newer or never.  registry: how it is reached.  on_event: is given
        Progress records, of each layer several.
        Raises RegistryError, ImageError, NotFound (policy never).
        """
        wanted = PullRequest(policy=policy, platform=platform, access=registry or RegistryAccess())
        found = await self._worker.call("pull.pull", name, wanted, on_event=on_event)
        return expect(ImageSummary, found)

    async def push(
        self,
        name: str,
        destination: str = "",
        *,
        change: PushChange | None = None,
        registry: RegistryAccess | None = None,
        platform: str = "",
        on_event: OnEvent = None,
    ) -> Pushed:
        """Bring an image to `destination`, by default the registry of its name.

        change: compression and format there; platform: of a manifest list the image for that
        alone.  Raises RegistryError, NotFound, ImageError.
        """
        done = await self._worker.call(
            "exchange.push", name, destination, change=change, reach=registry, platform=platform,
            on_event=on_event,
        )  # fmt: skip
        return expect(Pushed, done)

    async def build(
        self, directory: Pathname, *, on_event: OnEvent = None, **given: Unpack[BuildOptions]
    ) -> ImageSummary:
        """Build an image from a directory with a Dockerfile, a tar archive, a URL or a git
        repository; of several platforms, the list with the first of `tags`.

        given: BuildOptions.  on_event: is given build Events: steps as they begin, what they
        print.  Raises BuildError, which has the lines around the step that failed.
        """
        job = build_options.job(directory, given)
        if len(job.requests) > 1 and not job.names:
            raise InvalidArgument("building for several platforms: the list needs a name in tags")
        done = expect(Built, await self._worker.call("build.build", job, on_event=on_event))
        return await self.get(done.names[0] if len(job.requests) > 1 else done.id)

    async def build_files(
        self,
        directory: Pathname,
        destination: Pathname,
        *,
        kind: str = "local",
        compression: str = "",
        on_event: OnEvent = None,
        **given: Unpack[BuildOptions],
    ) -> None:
        """Build, and write the result to `destination` instead of the store.

        kind: local (a directory with its files), tar (an archive of them), oci or docker (an
        archive of the image, its layers with `compression` gzip, zstd or none).
        An image stays in the store if it is given `tags`.  Raises as `build`.
        """
        outputs = (build_options.output(kind, destination, compression=compression),)
        job = build_options.job(directory, given, outputs)
        expect(Built, await self._worker.call("build.build", job, on_event=on_event))

    async def list(self, filters: Filters = ()) -> tuple[ImageSummary, ...]:
        """All, newest first; filters: KEY=VALUE as of `images --filter`."""
        found = await self._worker.call("images.summaries", options.filters(filters))
        return tuple(values.every(ImageSummary, found))

    async def get(self, name: str) -> ImageSummary:
        """What is known of one.  Raises NotFound."""
        return expect(ImageSummary, await self._worker.call("images.summary", name))

    async def exists(self, name: str) -> bool:
        """Whether there is one."""
        return expect(bool, await self._worker.call("images.exists", name))

    async def tag(self, name: str, new: str) -> None:
        """Give one a further name, which another loses."""
        await self._worker.call("images.tag", name, new)

    async def untag(self, name: str, *names: str) -> None:
        """Take names from one, all without `names`; the image stays."""
        await self._worker.call("images.untag", name, names)

    async def remove(
        self,
        name: str,
        *,
        force: bool = False,
        platforms: str | Iterable[str] = (),
        dry_run: bool = False,
    ) -> tuple[RemovedPart, ...]:
        """Take a name from one, and with the last name remove it; what is gone.

        force: also with several names, and with stopped containers that use it; platforms: of a
        manifest list the images for these alone; dry_run: nothing is removed, the answer is what
        would be.  Raises NotFound, Conflict when something uses it, Unsupported for a dry run of
        platforms.
        """
        gone = await self._worker.call(
            "image_removal.remove", name, force=force, dry_run=dry_run,
            platforms=options.texts(platforms, "platforms"),
        )  # fmt: skip
        return tuple(values.every(RemovedPart, gone))

    async def prune(
        self, filters: Filters = (), *, all: bool = False, dry_run: bool = False
    ) -> PrunedImages:
        """Remove the dangling ones, or all that no container uses.

        dry_run: nothing is removed, the answer is what would be.
        """
        done = await self._worker.call(
            "image_removal.prune", options.filters(filters), everything=all, dry_run=dry_run
        )
        return expect(PrunedImages, done)

    async def prune_build_cache(
        self, filters: Filters = (), *, keep_bytes: int = 0, dry_run: bool = False
    ) -> Pruned:
        """Remove what builds keep for the builds to come, the oldest first, until no more than
        `keep_bytes` are left.

        filters: until=24h, what was not wanted for so long; type=layer or mount.  dry_run: nothing
        is removed, the answer is what would be.
        """
        done = await self._worker.call(
            "build.prune_cache", options.filters(filters), keep_bytes=keep_bytes, dry_run=dry_run
        )
        return expect(Pruned, done)

    async def save(
        self,
        names: str | Iterable[str],
        target: Pathname,
        *,
        format: str = "docker-archive",
        platform: str = "",
    ) -> None:
        """Write images to a file; format: docker-archive, oci-archive, oci-dir or docker-dir;
        platform: of manifest lists the images for that, this host's unless given."""
        wanted = options.texts(names, "names")
        await self._worker.call(
            "exchange.save", wanted, options.absolute(target), format=format, platform=platform
        )

    async def load(
        self, source: Pathname, *, platform: str | None = None, on_event: OnEvent = None
    ) -> tuple[LoadedImage, ...]:
        """Take in the images of an archive or directory, of whatever form."""
        found = []
        async with self._worker.stream(
            "exchange.load", options.absolute(source), platform=platform, on_event=on_event
        ) as items:
            async for item in items:
                found.append(expect(LoadedImage, item))
        return tuple(found)

    async def import_(
        self,
        source: Pathname,
        name: str = "",
        *,
        message: str = "",
        changes: Iterable[str] = (),
        platform: str = "",
    ) -> str:
        """Make an image of a tar archive of files; its id.  changes: Dockerfile instructions."""
        made = await self._worker.call(
            "exchange.import_image", options.absolute(source), name, message=message,
            changes=options.texts(changes, "changes"), platform=platform,
        )  # fmt: skip
        return expect(str, made)

    async def search(
        self,
        term: str,
        *,
        limit: int = 25,
        filters: Filters = (),
        registry: RegistryAccess | None = None,
    ) -> tuple[SearchResult, ...]:
        """Repositories whose name or description has `term`, [REGISTRY/]TEXT."""
        found = await self._worker.call(
            "registries.search", term, limit=limit, filters=options.filters(filters), reach=registry
        )
        return tuple(values.every(SearchResult, found))

    async def tags(
        self, repository: str, *, limit: int = 25, registry: RegistryAccess | None = None
    ) -> tuple[str, ...]:
        """The first tags that a registry has of a repository.  Raises RegistryError."""
        found = await self._worker.call("registries.tags", repository, limit=limit, reach=registry)
        return tuple(str(tag) for _, tag in values.every(tuple, found))

    async def history(self, name: str) -> tuple[HistoryStep, ...]:
        """The steps by which one was made, newest first.  Raises NotFound."""
        found = await self._worker.call("history.history", name)
        return tuple(values.every(HistoryStep, found))

    async def mount(self, name: str) -> str:
        """Show the files of one, read-only, at a path of the host, which is returned.

        Raises NotFound, Unsupported for a plain user."""
        return expect(str, await self._worker.call("images.mount", name))

    async def unmount(self, name: str) -> None:
        """Undo `mount`.  Raises InvalidArgument when it is not mounted."""
        await self._worker.call("images.unmount", name)

    async def changes(self, name: str, base: str = "") -> tuple[FileChange, ...]:
        """What one changed since `base`, or in its top layer."""
        return tuple(
            values.every(FileChange, await self._worker.call("images.changes", name, base))
        )
