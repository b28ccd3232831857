"""What was done with the files of a container or an image, or is seen of them."""

from __future__ import annotations

from crun_py.record import record


@record
class FileChange:
    """One path that differs from the image below.  kind: "A" (added), "C" (changed), "D"
    (deleted)."""

    kind: str
    path: str


@record
class Copied:
    """What `copy` did.  size_bytes: of the archive that went over; target: as messages name it,
    `NAME:PATH` or a path of the host; to_stream: it went to the caller's stream."""

    size_bytes: int
    target: str
    to_stream: bool


@record
class Mounted:
    """A container or an image whose files are shown at a path of the host.

    id: hex digits; names: the container's, or those of the image.
    """

    id: str
    names: tuple[str, ...]
    mountpoint: str
