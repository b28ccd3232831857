"""Secrets: what is known of each."""

from __future__ import annotations

from crun_py.record import record


@record
class SecretInfo:
    """A secret, without what it holds.  id: 25 hexadecimal digits; times: RFC 3339."""

    id: str
    name: str
    created_at: str
    updated_at: str
    labels: dict[str, str]
    driver: str = "file"
    driver_options: dict[str, str] = {}  # noqa: RUF012  # a record is not changed
