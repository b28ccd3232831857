"""What a build is asked for, and what it tells meanwhile."""

from __future__ import annotations

from crun_py.build.layer import Times
from crun_py.errors import BuildError
from crun_py.model.container import CreateRequest
from crun_py.model.registry import PullRequest
from crun_py.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.build.agent import Ssh
    from crun_py.build.errors import Source
    from crun_py.build.output import Output
    from crun_py.oci.store.image import Image

    Pairs = tuple[tuple[str, str], ...]
    Obtain = Callable[[str, str], Image]
    """Gives the image of a name for a platform ("": this host's), pulled if need be."""


@record
class Secret:
    """content: what it holds."""

    id: str
    content: bytes


@record
class BuildRequest:
    """names: full references of the image.  build_args: those with a value.  platform: of the
    target, "" for this host's.  cache: whether steps of earlier builds are used;
    uncached_stages: stages of which none is; older_s: nor steps so many seconds old, 0: of any age;
    keep: whether this build's may be used later.
    base: stands for the image of the first FROM.
    all_stages: also those that the target does not need.  env, unset_env: of the image's
    config.  inherit_labels: whether the base's labels stay.  form: oci or docker.  times: what
    becomes of the times of files.  created: seconds since the epoch for the config, -1: now.
    squash: "", "new" (the build's layers become one) or "all".  insecure: RUN
    --security=insecure is allowed; host_network: RUN --network=host.  container: what RUN's
    containers are like.  proxies: variables for RUN alone.  jobs: stages at once, 0 for one a
    processor.  dry_run: only tell which steps were carried out before."""

    names: tuple[str, ...] = ()
    build_args: Pairs = ()
    target: str = ""
    platform: str = ""
    cache: bool = True
    uncached_stages: tuple[str, ...] = ()
    keep: bool = True
    older_s: float = 0
    base: str = ""
    all_stages: bool = False
    labels: Pairs = ()
    annotations: Pairs = ()
    inherit_labels: bool = True
    env: Pairs = ()
    unset_env: tuple[str, ...] = ()
    network: str = ""
    container: CreateRequest = CreateRequest()
    secrets: tuple[Secret, ...] = ()
    agents: tuple[Ssh, ...] = ()
    form: str = "oci"
    times: Times = Times()
    created: int = -1
    squash: str = ""
    insecure: bool = False
    host_network: bool = False
    proxies: Pairs = ()
    jobs: int = 0
    dry_run: bool = False


@record
class BuildJob:
    """All that one command builds, and what becomes of it.

    requests: one for each platform.  directory: the context: a directory, archive, URL or
    repository, "-" for standard input.  dockerfile, ignore_file: other ones than its own.
    contexts: further ones, by name in small letters.  environment: of git and agents.
    pull: how the images are obtained that it begins with.  cache_from, cache_to: repositories for
    the steps of other machines' builds.
    names: full references; of several platforms a list has them.  lists: manifest lists that the
    images become parts of.  outputs: where results go beside the store; of none of them an image
    stays there, unless it has a name.
    """

    requests: tuple[BuildRequest, ...]
    directory: str = "."
    dockerfile: str = ""
    ignore_file: str = ""
    contexts: dict[str, str] = {}  # noqa: RUF012
    environment: dict[str, str] = {}  # noqa: RUF012
    pull: PullRequest = PullRequest()
    cache_from: tuple[str, ...] = ()
    cache_to: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    outputs: tuple[Output, ...] = ()


@record
class Built:
    """id: sha256:… of the image, or of the list of several platforms' images.  digest: of its
    manifest.  names: full references."""

    id: str
    digest: str
    names: tuple[str, ...] = ()


@record
class BuildEvent:
    """Something that a build tells.

    kind:   "step" (a step begins; `number` of `total`, `text`), "cached" (it was made before),
            "container" (`text` is the id of what RUN runs in), "output" (`data` on `stream` 1
            or 2), "done" (the step has ended; `text` is the id of the image so far),
            "would" (of a dry run: the step would be carried out), "warning" (`text`).
    stage:  the title of its stage.
    """

    kind: str
    stage: str = ""
    number: int = 0
    total: int = 0
    text: str = ""
    stream: int = 0
    data: bytes = b""


def at(
    source: Source, line: int, cause: str, *, hint: str = "", code: int = 0, output: str = ""
) -> BuildError:
    """An error of the step on `line`."""
    return BuildError(
        f"{source.name}:{line}: {cause}",
        hint=hint,
        shown=source.excerpt(line),
        code=code,
        output=output,
    )
