"""`crunpy build`: from a Dockerfile and its context to an image.

parse → stages → the images they begin with → each stage (schedule, execute) → save
"""

from __future__ import annotations

from crun_py import events
from crun_py.build import schedule, syntax
from crun_py.build import stages as stages_
from crun_py.build.cache import Cache
from crun_py.build.request import BuildEvent
from crun_py.build.site import Site
from crun_py.clock import rfc3339
from crun_py.errors import CrunpyError, NotFound
from crun_py.oci.causes import named
from crun_py.oci.manifest import host_platform, split_platform
from crun_py.oci.store import blobs, gc
from crun_py.overlay import mount
from crun_py.workspace import Workspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.build.draft import Draft
    from crun_py.build.files import Tree
    from crun_py.build.remote import Remote
    from crun_py.build.request import BuildRequest, Obtain
    from crun_py.build.stages import Stages
    from crun_py.build.syntax import Dockerfile
    from crun_py.oci.store.image import Image
    from crun_py.paths import Paths


def begun(paths: Paths) -> Workspace:
    """A place for a build.  This process has a mount namespace of its own from here on: what is
    opened now can be mounted."""
    mount.own_namespace()
    return Workspace(paths)


def ended(paths: Paths, workspace: Workspace) -> None:
    """Nothing of the build is left, whatever became of its processes.  Raises CrunpyError."""
    for container_id in workspace.containers:
        from crun_py import state
        from crun_py.container import ending

        try:
            ending.remove(state.load(paths, container_id), force=True)
        except NotFound:
            continue
    workspace.close()


def parsed(request: BuildRequest, dockerfile: Dockerfile, contexts: dict[str, str]) -> Stages:
    """The stages that the request wants of a Dockerfile.  Raises DockerfileError,
    InvalidArgument."""
    platforms: dict[str, str] = {}
    for prefix, text in (("TARGET", request.platform), ("BUILD", "")):
        text = text or host_platform()
        system, architecture, variant = split_platform(text)
        platforms |= {
            prefix + "PLATFORM": text,
            prefix + "OS": system,
            prefix + "ARCH": architecture,
            prefix + "VARIANT": variant,
        }
    return stages_.stages(
        dockerfile, dict(request.build_args), request.target, platforms=platforms,
        contexts=tuple(contexts),
    )  # fmt: skip


def parse(text: bytes, name: str) -> Dockerfile:
    """The Dockerfile that `text` is.  Raises DockerfileError."""
    return syntax.parse(text, name)


def build(
    paths: Paths,
    request: BuildRequest,
    stages: Stages,
    context: Tree,
    *,
    workspace: Workspace,
    obtain: Obtain,
    tell: Callable[[BuildEvent], object] = lambda event: None,
    contexts: dict[str, str] | None = None,
    environment: dict[str, str] | None = None,
    remote: Remote | None = None,
    rootless: bool = False,
) -> Image | None:
    """Build and name the image; None for a dry run.

    workspace: of `begun`; context: opened since.  contexts: of --build-context; environment: of
    programs like git; remote: steps of other machines.  Raises BuildError, DockerfileError,
    CrunpyError.
    """
    blobs.prepare(paths)
    if not request.dry_run:
        gc.sweep(paths)
    with gc.pulling(paths):
        site = Site(
            paths, request, stages, workspace, context,
            Cache(paths, workspace, older_s=request.older_s, asks=request.dry_run),
            obtain=obtain, tell=tell,
            contexts=contexts or {}, environment=environment or {},
            remote=remote, rootless=rootless,
        )  # fmt: skip
        with site:
            wanted = stages_.used(stages, all=request.all_stages)
            for stage in wanted:
                if stage.parent is None and stage.base.image != stages_.SCRATCH:
                    _obtained(site, stage)
            schedule.run(site, wanted)
            if request.dry_run:
                return None
            if remote and remote.disappointment:
                text = f"no step was found in {', '.join(remote.sources)}: {remote.disappointment}"
                tell(BuildEvent(kind="warning", text=text))
            draft = finished(site.drafts[stages.target], request)
            if request.squash:
                from crun_py.build import squash

                below = _base_layers(site, stages) if request.squash == "new" else 0
                draft = squash.squashed(draft, paths, below)
            try:
                image = draft.save([*request.names])
            except CrunpyError as e:
                raise named(paths, "saving the image", e) from e
        if remote:
            try:
                remote.send()
            except CrunpyError as e:  # there is an image all the same
                tell(BuildEvent(kind="warning", text=f"sending steps to the cache: {e.message}"))
    events.image(paths, "build", image.id, request.names[0] if request.names else "")
    gc.collect_if_wanted(paths)
    return image


def _obtained(site: Site, stage: stages_.Stage) -> None:
    from crun_py.build.request import at

    try:
        site.base(stage)
    except CrunpyError as e:
        what = f"FROM {stage.base.image}: {e.message}"
        raise at(stage.base.source, stage.base.line, what, hint=e.hint) from e


def finished(draft: Draft, request: BuildRequest) -> Draft:
    """The target's image with what the request says of it."""
    if request.labels:
        draft.config["Labels"] = {**(draft.config.get("Labels") or {}), **dict(request.labels)}
    if request.env or request.unset_env:
        variables = draft.variables
        for name in (*request.unset_env, *(name for name, _ in request.env)):
            variables.pop(name, None)
        draft.set_variables({**variables, **dict(request.env)})
    draft.annotations |= dict(request.annotations)
    if request.created >= 0:
        draft.created = rfc3339(request.created * 1_000_000_000)
    return draft


def _base_layers(site: Site, stages: Stages) -> int:
    """How many layers are those of the image that the target begins with."""
    stage = stages.all[stages.target]
    while stage.parent is not None:
        stage = stages.all[stage.parent]
    if stage.base.image == stages_.SCRATCH:
        return 0
    return len(site.base(stage).chain)
