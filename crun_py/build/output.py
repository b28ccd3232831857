"""--output: what becomes of the result of a build."""

from __future__ import annotations

from crun_py.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.paths import Paths


@record
class Output:
    """type: local, tar, oci, docker, image, registry or cacheonly.  dest: a path, "-" for
    standard output.  names: of an image.  push: it is pushed too.  tar: an archive is made, not
    a directory.  compression: of layers, "" for as they are."""

    type: str
    dest: str = ""
    names: tuple[str, ...] = ()
    push: bool = False
    tar: bool = True
    compression: str = ""
    level: int | None = None


def parse(text: str) -> Output:
    """The output that `--output=text` asks for."""
    raise NotImplementedError


def write_tree(trees: list[str], output: Output, where: str, stdout: int = -1) -> None:
    """Write the files of the layers `trees` (base first) to a `local` or `tar` output.

    where: an empty directory to mount on.
    """
    raise NotImplementedError


def write_image(
    paths: Paths, digest: str, names: list[str], output: Output, stdout: int = -1
) -> None:
    """Write the image whose manifest is `digest` to an `oci` or `docker` output."""
    raise NotImplementedError
