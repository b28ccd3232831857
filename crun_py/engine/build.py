"""Images built of Dockerfiles."""

from __future__ import annotations

from crun_py.engine import pull
from crun_py.record import replaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.build.request import BuildRequest
    from crun_py.engine.context import Context
    from crun_py.model.registry import PullRequest
    from crun_py.oci.store.image import Image

CALLS = ("build",)


def build(
    context: Context,
    request: BuildRequest,
    directory: str,
    dockerfile: str,
    wanted: PullRequest,
) -> str:
    """Build an image of a directory (or a tar archive, a URL, a git repository); its id.

    dockerfile: another one than the directory's, "" for that.  wanted: how the images that it
    begins with are obtained.  context.report is given build Events.
    Raises BuildError, InvalidArgument, and the errors of a pull.
    """
    from crun_py.build import build as building
    from crun_py.build import context as contexts

    def obtain(name: str, platform: str) -> Image:
        return pull.needed(context, name, replaced(wanted, platform=platform))

    context.enter_for_many(request.network)
    workspace = building.begun(context.paths)
    try:
        files = contexts.opened(
            directory, work=workspace.directory("context"), environment={}, dockerfile=dockerfile,
            ignore_file="", stdin=0,
        )  # fmt: skip
        try:
            found = building.parse(files.dockerfile, files.dockerfile_name)
            stages = building.parsed(request, found, {})
            return building.build(
                context.paths, request, stages, files, workspace=workspace, obtain=obtain,
                tell=context.report, rootless=context.rootless,
            ).id  # fmt: skip
        finally:
            files.close()
    finally:
        building.ended(context.paths, workspace)
