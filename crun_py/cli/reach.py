"""The options that say how a registry is reached, the same for every verb that asks one."""

from __future__ import annotations

from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crun_py.oci.access import Access

OPTIONS = (
    ("--tls-verify", "switch", "Verify the registry's certificate (true)", ""),
    ("--creds", "value", "Credentials for the registry", "USER:PASSWORD"),
    ("--authfile", "value", "File of credentials", "FILE"),
    ("--cert-dir", "value", "Directory of certificates", "DIR"),
    ("--retry", "value", "How often to try again after a failure (5)", "N"),
    ("--retry-delay", "value", "Seconds before the first of these, then twice as many (1)", "TIME"),
)


def access(values: dict[str, Any]) -> Access:
    """How to reach registries as the options say, those that the verb has.

    Raises InvalidArgument.
    """
    from crun_py.oci.access import Access
    from crun_py.oci.patience import Patience

    patience: dict[str, Any] = {}
    if (retry := values.get("retry")) is not None:
        if not retry.isdigit():
            raise InvalidArgument(f"retry {retry!r}: not a number")
        patience["tries"] = int(retry) + 1
    if delay := values.get("retry_delay"):
        patience["first_backoff_s"] = _seconds(delay)
    return Access(
        tls_verify=False if values.get("insecure") else values.get("tls_verify"),
        authfile=values.get("authfile"),
        creds=values.get("creds"),
        cert_dir=values.get("cert_dir"),
        patience=Patience(**patience),
    )


def _seconds(text: str) -> int:
    """`2`, `2s` or `1m` in seconds."""
    number, unit = (text, "s") if text.isdigit() else (text[:-1], text[-1:])
    factor = {"s": 1, "m": 60, "h": 3600}.get(unit, 0)
    if not number.isdigit() or not factor:
        raise InvalidArgument(f"retry-delay {text!r}: not a time", hint="5s, 1m")
    return int(number) * factor
