"""How registries are reached, what they are asked for, and what they tell."""

from __future__ import annotations

from crun_py.record import record


@record
class RegistryAccess:
    """How registries are reached.

    tls_verify: None verifies certificates but for registries that are loopback or configured as
    insecure.  credentials: user:password, else those that `login` kept.  authfile, cert_dir: the
    only places for credentials and certificates.  tries: how often a request is made,
    first_backoff_s: seconds before the second, then twice as many.
    """

    tls_verify: bool | None = None
    credentials: str = ""
    authfile: str = ""
    cert_dir: str = ""
    tries: int = 6
    first_backoff_s: float = 1


@record
class PullRequest:
    """policy: missing, always, newer (than what is here, if the registry answers) or never.
    platform: OS/ARCH[/VARIANT], "" for this host's."""

    policy: str = "missing"
    platform: str = ""
    access: RegistryAccess = RegistryAccess()


@record
class Missing:
    """Told before a pull: an image is not here.  name: as users write it."""

    name: str


@record
class Progress:
    """Told of one blob of a pull or push.

    phase: resolving, exists, downloading, extracting, done, preparing, uploading, or "mounted" and
    a repository; digest: of the blob ("" for resolving); current, total: bytes as compressed.
    """

    phase: str
    digest: str = ""
    current: int = 0
    total: int = 0


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
