"""Where the build context is from: a directory, standard input, an archive, a URL or a git
repository (docker-build(1), podman-build(1))."""

from __future__ import annotations

from crun_py.build.files import Tree
from crun_py.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from crun_py.build.ignore import Ignore


class Context(Tree):
    """The files that a build sees, and its Dockerfile.

    dockerfile: its bytes.  dockerfile_name: what errors call it.
    """

    def __init__(self, root: int, ignore: Ignore, dockerfile: bytes, dockerfile_name: str) -> None:
        super().__init__(root, "the build context", ignore)
        self.dockerfile, self.dockerfile_name = dockerfile, dockerfile_name

    def close(self) -> None:
        raise NotImplementedError


def opened(
    where: str, *, work: str, environment: Mapping[str, str], dockerfile: str = "",
    ignore_file: str = "", stdin: int = -1,
) -> Context:  # fmt: skip
    """The context `where`.  To be called before anything is mounted: paths are relative to the
    working directory.

    work: a directory, of which what is fetched becomes a part.  environment: of git.
    dockerfile: of -f.  ignore_file: of --ignorefile.  stdin: the descriptor that `-` means.
    """
    raise NotImplementedError


def named(where: str, *, work: str, environment: Mapping[str, str], title: str) -> Tree:
    """The files of `--build-context NAME=where`, without a Dockerfile; `root` is the caller's."""
    raise NotImplementedError


@record
class Size:
    """bytes: of all files.  largest: (bytes, name) of entries of the context, largest first.
    whole: False when counting stopped early."""

    bytes: int
    largest: tuple[tuple[int, str], ...]
    whole: bool


def size_of(context: Tree, most: int = 100_000) -> Size:
    """How much the ignore file leaves of `context`; counting stops after `most` files."""
    raise NotImplementedError
