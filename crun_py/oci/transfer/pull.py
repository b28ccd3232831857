"""Pulling: from a reference to an image whose layers are unpacked in the store.

A short name may mean several registries, a registry may have mirrors, and a reference may
name an archive instead; the way into the store is `intake.take` for all of them.
"""

from __future__ import annotations

import os
from typing import TypeVar

from crun_py import events
from crun_py.errors import CrunpyError, RegistryError
from crun_py.oci.causes import named
from crun_py.oci.manifest import host_platform
from crun_py.oci.reference import Reference, parse
from crun_py.oci.registry.access import Access
from crun_py.oci.store.image import Image
from crun_py.oci.store.layers import Limits
from crun_py.oci.transfer import transport
from crun_py.oci.transfer.intake import Job, Told, take
from crun_py.oci.transfer.source import Found
from crun_py.paths import Paths

__all__ = ["Told", "all_tags", "host_platform", "pull"]

_T = TypeVar("_T")


def pull(
    paths: Paths,
    text: str,
    *,
    platform: str | None = None,
    access: Access | None = None,
    progress: Told | None = None,
    limits: Limits | None = None,
) -> Image:
    """Fetch the image `text` into the store below `paths` and unpack its layers.

    text: a reference, or TRANSPORT:PATH; platform: linux/ARCHITECTURE[/VARIANT], the host's
    when None; access: how to reach the registry; progress: called with Events, from several
    threads but never twice at once.  Raises RegistryError, ImageError, InvalidArgument or
    CrunpyError, with the reference in the message.
    """
    where = transport.split(text)
    job = Job(paths, platform or host_platform(), progress, limits)
    if isinstance(where, transport.Place):
        return _from_files(job, where)
    access = access or Access()
    for last, reference in _with_last(access.registries.candidates(where)):
        try:
            return _from_registry(job, reference, access)
        except CrunpyError as e:
            if last or not isinstance(e, RegistryError):
                raise named(paths, f"pulling {reference}", e) from e
        except OSError as e:
            error = CrunpyError.from_os("writing the store", e)
            raise named(paths, f"pulling {reference}", error) from e
    raise RegistryError(f"pulling {text}: no registry to ask")


def all_tags(text: str, access: Access) -> list[str]:
    """The references of all tags of the repository `text`, at least one.  Raises
    RegistryError."""
    where = transport.split(text)
    reference = access.registries.candidates(where if isinstance(where, str) else text)[0]
    for last, endpoint in _with_last(access.registries.endpoints(reference)):
        try:
            with access.open(endpoint) as registry:
                if tags := registry.tags():
                    return [f"{reference.name}:{tag}" for tag in tags]
                raise RegistryError(f"registry {endpoint.registry}: there are none")
        except RegistryError as e:
            if last:
                raise named(None, f"listing the tags of {reference.name}", e) from e
    return []


def _from_registry(job: Job, reference: Reference, access: Access) -> Image:
    names = [str(reference.with_digest(reference.digest) if reference.digest else reference)]
    for last, endpoint in _with_last(access.registries.endpoints(reference)):
        try:
            with access.open(endpoint) as registry:
                image = take(job, registry, reference.digest or reference.tag, names)
                events.image(job.paths, "pull", image.id, reference.familiar)
                return image
        except RegistryError:
            if last:
                raise
    raise RegistryError(f"pulling {reference}: no registry to ask")


def _from_files(job: Job, place: transport.Place) -> Image:
    try:
        with transport.opened(job.paths, place) as (source, images):
            for found in images:
                image = take(job, source, found.digest, local_names(place, found), made=found.made)
                events.image(job.paths, "pull", image.id, str(place))
    except CrunpyError as e:
        raise named(job.paths, f"pulling {place}", e) from e
    return image


def local_names(place: transport.Place, found: Found) -> list[str]:
    """The names that an image from `place` gets: its own, else that of file or directory."""
    if found.names:
        return found.names
    base = os.path.basename(os.path.abspath(place.path)).lower()
    try:
        return [str(parse(f"localhost/{base}:{found.tag or place.name or 'latest'}"))]
    except CrunpyError:
        return []


def _with_last(items: list[_T]) -> list[tuple[bool, _T]]:
    return [(n == len(items) - 1, item) for n, item in enumerate(items)]
