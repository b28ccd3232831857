"""How registries are reached, and what they tell."""

from __future__ import annotations

from crun_py.record import record


@record
class Reach:
    """How a registry is reached.

    tls_verify: None verifies except for registries that are loopback or configured as
    insecure; authfile: the only file of credentials; creds: `user:password`; cert_dir: the only
    directory of certificates; tries: how often a request is made before it has failed;
    first_backoff_s: seconds before the second one, then twice as many each time.
    """

    tls_verify: bool | None = None
    authfile: str | None = None
    creds: str | None = None
    cert_dir: str | None = None
    tries: int = 6
    first_backoff_s: float = 1


@record
class PushChange:
    """What a push changes on the way.

    compression: "gzip", "zstd" or "" for as the layers are; level: None for the usual one;
    anew: also layers that have this compression; only_plain: only those that have none;
    format: of the manifest, "oci", "docker" or "" for as it is.
    """

    compression: str = ""
    level: int | None = None
    anew: bool = False
    only_plain: bool = False
    format: str = ""


@record
class SearchResult:
    """A repository that a search found.  index: the registry asked; name: with the registry
    unless that is docker.io."""

    index: str
    name: str
    description: str = ""
    stars: int = 0
    official: bool = False
    automated: bool = False


@record
class EntryChange:
    """What a manifest list says of an image beside what the image says; "" or () for nothing.
    annotations: KEY=VALUE."""

    os: str = ""
    architecture: str = ""
    variant: str = ""
    os_version: str = ""
    os_features: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()
