"""Loading: every image of an archive or directory into the store."""

from __future__ import annotations

from collections.abc import Iterator

from crun_py import events
from crun_py.errors import CrunpyError
from crun_py.oci.causes import named
from crun_py.oci.manifest import host_platform
from crun_py.oci.reference import parse
from crun_py.oci.store.image import Image
from crun_py.oci.transfer import transport
from crun_py.oci.transfer.intake import Job, Told, take
from crun_py.oci.transfer.source import Found
from crun_py.paths import Paths


def load(
    paths: Paths,
    source: str | int,
    *,
    platform: str | None = None,
    progress: Told | None = None,
) -> Iterator[tuple[Image, list[str]]]:
    """Take in the images of `source` (a path, or a descriptor), one after the other; each with
    the full references that it got.

    The form (docker archive, OCI archive or layout, `dir:`) and the compression are found
    out.  Raises ImageError, NotFound, CrunpyError; what came before stays.
    """
    job = Job(paths, platform or host_platform(), progress, None, any_platform=platform is None)
    doing = f"loading {source if isinstance(source, str) else 'standard input'}"
    try:
        with transport.any_archive(paths, source) as (files, images):
            for found in images:
                names = _names(found)
                image = take(job, files, found.digest, names, made=found.made)
                events.image(paths, "load", image.id, parse(names[0]).familiar if names else "")
                yield image, names
    except CrunpyError as e:
        raise named(paths, doing, e) from e


def _names(found: Found) -> list[str]:
    """Its own names; a tag alone is taken for a name, as podman does."""
    if found.names or not found.tag:
        return found.names
    try:
        return [str(parse(found.tag))]
    except CrunpyError:
        return []
