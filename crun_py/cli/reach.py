"""The options that say how a registry is reached, the same for every verb that asks one."""

from __future__ import annotations

from crun_py import clock, quantity
from crun_py.errors import InvalidArgument
from crun_py.model.registry import PullRequest, RegistryAccess

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.oci.registry.access import Access
    from crun_py.values import Values

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


def of(values: Values) -> RegistryAccess:
    """How to reach registries as the options say, those that the verb has.

    Raises InvalidArgument.
    """
    usual = RegistryAccess()
    retry, delay = values.maybe("retry"), values.text("retry_delay")
    return RegistryAccess(
        tls_verify=False if values.given("insecure") else values.switch("tls_verify"),
        authfile=values.text("authfile"),
        credentials=values.text("creds"),
        cert_dir=values.text("cert_dir"),
        tries=usual.tries if retry is None else quantity.whole(retry, "retry", 0, 1000) + 1,
        first_backoff_s=clock.parse_span_ms(delay, "retry delay") / 1000
        if delay
        else usual.first_backoff_s,
    )


def access(values: Values) -> Access:
    """What opens registries as the options say.  Raises InvalidArgument."""
    from crun_py.engine import registries

    return registries.access(of(values))


def platform_of(values: Values) -> str:
    """The platform that the options ask for, "" for none.  Raises InvalidArgument."""
    parts = values.text("os"), values.text("arch"), values.text("variant")
    return platform(values.text("platform"), parts)


def platform(whole: str, parts: tuple[str, str, str]) -> str:
    """The same of --platform and (--os, --arch, --variant)."""
    if not any(parts):
        return whole
    if whole:
        raise InvalidArgument("choosing a platform: --platform excludes --arch, --os, --variant")
    from crun_py.oci.manifest import host_platform

    own = host_platform().split("/")
    given = [parts[0] or own[0], parts[1] or own[1], parts[2]]
    return "/".join(part for part in given if part)


def says_anything(values: Values) -> bool:
    """Whether an option chooses a platform, or says how to reach a registry."""
    chosen = [values.text("platform"), values.text("arch"), values.text("os")]
    chosen += [values.text("variant")]
    told = [values.maybe("creds"), values.maybe("authfile"), values.maybe("cert_dir")]
    told += [values.maybe("retry"), values.maybe("retry_delay")]
    verifies = values.switch("tls_verify")
    return verifies is not None or any(chosen) or any(text is not None for text in told)


def pull_request(values: Values, policy: str) -> PullRequest:
    """What the options ask for.  Raises InvalidArgument."""
    return PullRequest(policy=policy, platform=platform_of(values), access=of(values))
