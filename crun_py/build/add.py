"""What ADD has beyond COPY: archives that are unpacked, and URLs."""

from __future__ import annotations

from crun_py.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.build.transfer import Target


def is_archive(fd: int) -> bool:
    """Whether the file open as `fd` is a tar archive, perhaps compressed, by its content."""
    raise NotImplementedError


def unpack(fd: int, target: Target, directory: str, label: str) -> None:
    """Unpack the archive open as `fd` below `directory` of the root of `target`."""
    raise NotImplementedError


@record
class Fetched:
    """path: the file, mode 0600.  name: the last part of the URL's path, "" for none.
    mtime: of Last-Modified, 0 if the server does not say.  digest: sha256:…"""

    path: str
    name: str
    mtime: int
    digest: str


def fetch_url(url: str, work: str, checksum: str = "") -> Fetched:
    """Download `url` into the directory `work`."""
    raise NotImplementedError
