"""How registries are reached, and what a pull is asked for and tells."""

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
