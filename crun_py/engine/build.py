"""Images built of Dockerfiles."""

from __future__ import annotations

import contextlib
import os

from crun_py import workspace as workspaces
from crun_py.build.request import BuildEvent, Built
from crun_py.engine import pull, usual
from crun_py.engine.registries import access
from crun_py.errors import BuildError, Conflict, CrunpyError, InvalidArgument, Unsupported
from crun_py.model.pruned import Pruned
from crun_py.record import replaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crun_py.build.context import Context as BuildContext
    from crun_py.build.ignore import Ignore
    from crun_py.build.output import Output
    from crun_py.build.remote import Remote
    from crun_py.build.request import BuildJob, BuildRequest
    from crun_py.build.stages import Stages
    from crun_py.build.syntax import Dockerfile
    from crun_py.engine.context import Context
    from crun_py.model.descriptor import Descriptor
    from crun_py.oci.store.image import Image
    from crun_py.workspace import Workspace

CALLS = ("build", "streamed", "prune_cache")
_STEPS, _MOUNTS = ("layer", "config"), ("mount",)
_TYPES: dict[str, tuple[str, ...]] = {
    "layer": _STEPS, "regular": _STEPS, "mount": _MOUNTS, "exec.cachemount": _MOUNTS,
}  # fmt: skip


class Show:
    """What shows the build for one platform; to be used in a `with`."""

    def __enter__(self) -> Show:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is to be undone."""

    def tell(self, event: BuildEvent) -> None:
        """Show what happened."""

    def failed(self, error: CrunpyError) -> None:
        """Show why there is no image."""

    def built(self, image: Image, request: BuildRequest) -> None:
        """Show the end of a build for this platform alone."""


class _Passed(Show):
    def __init__(self, context: Context) -> None:
        self._context = context

    def tell(self, event: BuildEvent) -> None:
        self._context.report(event)


class Watch:
    """Who looks on at a build; this one passes its events on."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def parsed(self, dockerfile: Dockerfile, stages: Stages, ignore: Ignore) -> int:
        """Tell what is doubtful in the Dockerfile; how much that is."""
        from crun_py.build import check

        return len(check.warnings(dockerfile, stages, ignore=ignore))

    def refused(self, error: CrunpyError) -> None:
        """The Dockerfile is none that can be built."""

    def show(self) -> Show:
        """What shows the build for one platform."""
        return _Passed(self._context)

    def failed(self, error: CrunpyError, request: BuildRequest) -> None:
        """A step has failed, and what it ran on is still there."""


def build(context: Context, job: BuildJob, watch: Watch | None = None) -> Built:
    """Build, name and deliver.  Without `watch`, context.report is given BuildEvents.

    Standard input and output are those of a context or output "-".
    Raises BuildError, InvalidArgument, Unsupported, and the errors of a pull.
    """
    refuse(job)
    if name := context.cgroup_manager:
        requests = (
            replaced(r, container=replaced(r.container, cgroup_manager=name)) for r in job.requests
        )
        job = replaced(job, requests=tuple(requests))
    if not job.requests[0].network:
        mode = usual.network(context)
        job = replaced(job, requests=tuple(replaced(r, network=mode) for r in job.requests))
    here = os.getcwd()  # mounting changes it
    workspace = _begin(context, job)
    try:
        work = _Build(context, job, watch or Watch(context), workspace)
        images = work.images()
        os.chdir(here)
        return work.delivered(images)
    finally:
        _end(context, workspace)


def streamed(context: Context, job: BuildJob, source: Descriptor) -> Iterator[int | Built]:
    """As `build`, of the context in an archive that `source` gives; 0 at once, then what is built.

    In a process of its own: `source` becomes its standard input.
    """
    yield 0
    os.dup2(source.fd, 0)
    source.close()
    yield build(context, replaced(job, directory="-"))


def refuse(job: BuildJob) -> None:
    """Raises InvalidArgument, Unsupported for what cannot be delivered."""
    if any(output.push for output in job.outputs) and not job.names:
        raise InvalidArgument("pushing: the image has no name", hint="-t REGISTRY/NAME:TAG")
    archives = any(o.wants_image_file or o.type == "tar" for o in job.outputs)
    if len(job.requests) > 1 and archives:
        raise Unsupported(
            "--output: an archive of several platforms is not written by build",
            hint="-t NAME, then crunpy manifest push --all NAME oci-archive:FILE",
        )


def examine(context: Context, job: BuildJob, watch: Watch) -> int:
    """Only look for mistakes; how many there are.  Raises DockerfileError."""
    workspace = _begin(context, job)
    try:
        work = _Build(context, job, watch, workspace)
        with contextlib.closing(work.files()) as files:
            return watch.parsed(*work.parse(job.requests[0], files), files.ignore)
    finally:
        _end(context, workspace)


def _begin(context: Context, job: BuildJob) -> Workspace:
    from crun_py.build import build as building

    context.enter_for_many(job.requests[0].network)
    if next(workspaces.abandoned(context.paths), None):  # a start does the rest
        from crun_py.container import lifecycle

        lifecycle.sweep(context.paths, rootless=context.rootless)
    return building.begun(context.paths)


def _end(context: Context, workspace: Workspace) -> None:
    from crun_py.build import build as building

    building.ended(context.paths, workspace)


class _Build:
    def __init__(self, context: Context, job: BuildJob, watch: Watch, workspace: Workspace) -> None:
        self._context, self._job, self._watch, self._workspace = context, job, watch, workspace

    def files(self) -> BuildContext:
        """The context, to be closed."""
        from crun_py.build import context as contexts

        job = self._job
        return contexts.opened(
            job.directory, work=self._workspace.directory("context"),
            environment=job.environment, dockerfile=job.dockerfile,
            ignore_file=job.ignore_file, stdin=0,
        )  # fmt: skip

    def parse(self, request: BuildRequest, files: BuildContext) -> tuple[Dockerfile, Stages]:
        """The Dockerfile, and what the request wants of it."""
        from crun_py.build import build as building

        try:
            dockerfile = building.parse(files.dockerfile, files.dockerfile_name)
            return dockerfile, building.parsed(request, dockerfile, self._job.contexts)
        except CrunpyError as e:
            self._watch.refused(e)
            raise

    def images(self) -> list[Image]:
        """Those of all platforms; none is left when one fails."""
        images: list[Image] = []
        with contextlib.closing(self.files()) as files:
            try:
                for request in self._job.requests:
                    if image := self._built(request, files):
                        images.append(image)
            except BaseException:
                self._forget(images)
                raise
        return images

    def _built(self, request: BuildRequest, files: BuildContext) -> Image | None:
        from crun_py.build import build as building

        dockerfile, stages = self.parse(request, files)
        if dockerfile.error and self._watch.parsed(dockerfile, stages, files.ignore):
            raise BuildError("the Dockerfile's own `# check=error=true` wants no warnings")
        with self._watch.show() as show:
            if stages.unused:
                names = ", ".join(stages.unused)
                text = f"build arguments that no ARG declares: {names}"
                show.tell(BuildEvent(kind="warning", text=text))
            try:
                image = building.build(
                    self._context.paths, request, stages, files, workspace=self._workspace,
                    obtain=self._obtain, tell=show.tell, contexts=self._job.contexts,
                    environment=self._job.environment, remote=self._remote(),
                    rootless=self._context.rootless,
                )  # fmt: skip
            except CrunpyError as e:
                show.failed(e)
                self._watch.failed(e, request)
                raise
            if image and len(self._job.requests) == 1:
                show.built(image, request)
        return image

    def _obtain(self, name: str, platform: str) -> Image:
        return pull.needed(self._context, name, replaced(self._job.pull, platform=platform))

    def _remote(self) -> Remote | None:
        job = self._job
        if job.requests[0].dry_run:
            return None  # what is found there is pulled
        if not job.cache_from and not job.cache_to:
            return None
        from crun_py.build import remote

        sources, sinks = [*map(remote.place, job.cache_from)], [*map(remote.place, job.cache_to)]
        return remote.Remote(self._context.paths, sources, sinks, access(job.pull.access))

    # ---- what becomes of the images ----

    def delivered(self, images: list[Image]) -> Built:
        """Lists and outputs; nothing of a dry run."""
        job = self._job
        if not images:
            return Built(id="", digest="", names=())
        listed = self._list(images)
        for output in job.outputs:
            for request, image in zip(job.requests, images, strict=True):
                self._write(output, image, request)
        if job.outputs and not any(output.type in ("image", "registry") for output in job.outputs):
            self._forget(images)
        image_id = listed or "sha256:" + images[-1].id
        return Built(id=image_id, digest=listed or images[-1].digest, names=job.names)

    def _list(self, images: list[Image]) -> str:
        """Make the images parts of lists; the digest of the list of several platforms, or ""."""
        several = len(images) > 1
        digest = ""
        for name in (*self._job.lists, *(self._job.names if several else ())):
            from crun_py.oci.transfer.lists import Lists

            lists = Lists(self._context.paths, access(self._job.pull.access))
            lists.create(name, amend=True)
            for image in images:
                digest = lists.add(name, "sha256:" + image.id)
        return digest if several else ""

    def _forget(self, images: list[Image]) -> None:
        """What was only wanted as files, or as a part of what failed, is no image here, unless it
        has a name."""
        from crun_py.oci.store.images import ImageStore

        store = ImageStore(self._context.paths)
        for image in store.list():
            if not image.names and image.id in {built.id for built in images}:
                try:
                    store.remove(image)
                except Conflict:
                    continue  # a manifest list has it

    def _write(self, output: Output, image: Image, request: BuildRequest) -> None:
        from crun_py.build import output as outputs

        if output.wants_tree:
            if len(self._job.requests) > 1 and output.type == "local":
                place = f"{output.dest}/{request.platform.replace('/', '_')}"
                output = replaced(output, dest=place)
            where = self._workspace.directory("output")
            outputs.write_tree(image.layers, output, where, stdout=1)
        elif output.wants_image_file:
            paths, names = self._context.paths, [*(output.names or request.names)]
            outputs.write_image(paths, image.digest, names, output, stdout=1)


def prune_cache(
    context: Context, filters: Sequence[str] = (), *, keep_bytes: int = 0, dry_run: bool = False
) -> Pruned:
    """Remove what builds keep for the builds to come, the oldest first, until no more than
    `keep_bytes` are left.

    filters: until=24h, what was not wanted for so long; type=layer|mount.  dry_run: nothing is
    removed, the answer is what would be.  Raises InvalidArgument.
    """
    from crun_py.build import keep
    from crun_py.oci.store.pretended import Pretended

    older_s, kinds = check_cache_filters(filters)
    context.enter()
    gone, size = keep.prune(
        context.paths, older_s=older_s, keep_bytes=keep_bytes, kinds=kinds,
        pretended=Pretended(context.paths) if dry_run else None,
    )  # fmt: skip
    names = dict.fromkeys(one.text for one in gone if one.kind != "config")
    return Pruned(names=tuple(name.rpartition(":")[2][:25] for name in names), freed_bytes=size)


def check_cache_filters(filters: Sequence[str]) -> tuple[float, tuple[str, ...]]:
    """(how many seconds unused, which kinds) `filters` mean.  Raises InvalidArgument."""
    from crun_py.build import keep
    from crun_py.clock import parse_span_ms

    seconds = 0.0
    kinds: tuple[str, ...] = keep.KINDS
    for text in filters:
        key, _, value = text.partition("=")
        if key in ("until", "unused-for"):
            seconds = parse_span_ms(value, "until") / 1000
        elif key == "type" and value in _TYPES:
            kinds = _TYPES[value]
        else:
            raise InvalidArgument(f"filter {text!r}: not known", hint="until=24h, type=layer|mount")
    return seconds, kinds
