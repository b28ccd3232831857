"""The options that say how a registry is reached, the same for every verb that asks one."""

from __future__ import annotations

from crun_py import clock, quantity
from crun_py.errors import InvalidArgument
from crun_py.model.registry import PullRequest, RegistryAccess

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crun_py.oci.registry.access import Access

OPTIONS = (
    ("--tls-verify", "switch", "Verify the registry's certificate (true)", ""),
    ("--creds", "value", "Credentials for the registry", "USER:PASSWORD"),
    ("--authfile", "value", "File of credentials", "FILE"),
    ("--cert-dir", "value", "Directory of certificates", "DIR"),
    ("--retry", "value", "How often to try again after a failure (5)", "N"),
    ("--retry-delay", "value", "Seconds before the first of these, then twice as many (1)", "TIME"),
)


PLATFORM = (
    ("--platform", "value", "OS/ARCH[/VARIANT] to choose", "PLATFORM"),
    ("--arch", "value", "Architecture to choose", "ARCH"),
    ("--os", "value", "Operating system to choose", "OS"),
    ("--variant", "value", "Variant of the architecture to choose", "VARIANT"),
)


def of(values: dict[str, Any]) -> RegistryAccess:
    """How to reach registries as the options say, those that the verb has.

    Raises InvalidArgument.
    """
    usual = RegistryAccess()
    retry, delay = values.get("retry"), values.get("retry_delay")
    return RegistryAccess(
        tls_verify=False if values.get("insecure") else values.get("tls_verify"),
        authfile=values.get("authfile") or "",
        credentials=values.get("creds") or "",
        cert_dir=values.get("cert_dir") or "",
        tries=usual.tries if retry is None else quantity.whole(retry, "retry", 0, 1000) + 1,
        first_backoff_s=clock.parse_span_ms(delay, "retry delay") / 1000
        if delay
        else usual.first_backoff_s,
    )


def access(values: dict[str, Any]) -> Access:
    """What opens registries as the options say.  Raises InvalidArgument."""
    from crun_py.engine import registries

    return registries.access(of(values))


def platform_of(values: dict[str, Any]) -> str:
    """The platform that the options ask for, "" for none.  Raises InvalidArgument."""
    parts = [values.get(key) for key in ("os", "arch", "variant")]
    whole: str = values.get("platform") or ""
    if not any(parts):
        return whole
    if whole:
        raise InvalidArgument("choosing a platform: --platform excludes --arch, --os, --variant")
    from crun_py.oci.manifest import host_platform

    own = host_platform().split("/")
    given = [parts[0] or own[0], parts[1] or own[1], parts[2] or ""]
    return "/".join(part for part in given if part)


def pull_request(values: dict[str, Any], policy: str) -> PullRequest:
    """What the options ask for.  Raises InvalidArgument."""
    return PullRequest(policy=policy, platform=platform_of(values), access=of(values))
