"""Secrets: what is kept of each, and what a container asks of one."""

from __future__ import annotations

from crun_py.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import KW_ONLY


@record(kw_only=False)
class SecretUse:
    """What a container gets of a secret.

    name: its name.  variable: it is the value of this variable, "" for a file.  target: that file,
    "" for /run/secrets/NAME, and a word for one in /run/secrets; uid, gid, mode: of the file.
    """

    name: str
    _: KW_ONLY
    variable: str = ""
    target: str = ""
    uid: int = 0
    gid: int = 0
    mode: int = 0o444


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
