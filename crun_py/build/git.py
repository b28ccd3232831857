"""Git repositories as build contexts and as sources of ADD."""

from __future__ import annotations

from crun_py.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


@record
class Remote:
    """url: what git is given.  ref: branch, tag, commit or name below refs, "" for HEAD.
    directory: the subdirectory that is meant, "" for all.  checksum: the commit that it must
    be, or the beginning of its name."""

    url: str
    ref: str = ""
    directory: str = ""
    checksum: str = ""
    submodules: bool = True
    keep_git_dir: bool = False


def parse(text: str) -> Remote | None:
    """The repository that `text` means; None when it is no git URL.  Raises InvalidArgument."""
    raise NotImplementedError


def fetch(remote: Remote, work: str, environment: Mapping[str, str]) -> tuple[int, str]:
    """(descriptor of the directory meant, name of the commit); files are below `work`."""
    raise NotImplementedError
