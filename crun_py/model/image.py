"""Images as the engine tells of them."""

from __future__ import annotations

from crun_py.record import record


@record
class ImageSummary:
    """An image or a manifest list of the store.

    id: hex digits; digest: of its manifest; names: familiar, `nginx:latest`, none: dangling;
    digests: `nginx@sha256:…`, as registries know it; created_at: RFC 3339 or ""; size_bytes: of
    the content of all layers.  What follows is empty for a list (is_list), which has the
    images of several platforms.
    """

    id: str
    digest: str
    names: tuple[str, ...]
    digests: tuple[str, ...]
    created_at: str
    size_bytes: int
    is_list: bool = False
    os: str = ""
    architecture: str = ""
    variant: str = ""
    labels: dict[str, str] = {}  # noqa: RUF012  # records do not change


@record
class HistoryStep:
    """A step by which an image was made.

    created_at: RFC 3339 or ""; created_by: the instruction; size_bytes: of the layer that it made,
    0 for none.  names: of the image, at its last step.
    """

    created_at: str
    created_by: str
    size_bytes: int
    comment: str
    names: tuple[str, ...] = ()


@record
class RemovedPart:
    """A name or a thing that is gone.  action: "untagged" (what is a name) or "deleted" (an id
    or a digest, as sha256:…)."""

    action: str
    what: str


@record
class PrunedImages:
    """What a prune of images removed, and the bytes that it won on disk."""

    parts: tuple[RemovedPart, ...] = ()
    freed_bytes: int = 0


@record
class LoadedImage:
    """An image that came in.  id: hex digits; names: full references that it got."""

    id: str
    names: tuple[str, ...]


@record
class Pushed:
    """What is at the destination of a push now.  size_bytes: of the manifest; is_list: it is a
    manifest list."""

    digest: str
    size_bytes: int
    is_list: bool = False
