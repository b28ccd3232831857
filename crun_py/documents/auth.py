"""Files of credentials: docker's config.json, containers-auth.json(5)."""

from __future__ import annotations

from typing import TypedDict


class AuthEntry(TypedDict, total=False):
    """auth: base64 of USER:PASSWORD."""

    auth: str
    username: str
    password: str
    identitytoken: str


class AuthFile(TypedDict, total=False):
    """credHelpers: programs by registries; credsStore: the one of all others."""

    auths: dict[str, AuthEntry] | None
    credHelpers: dict[str, str] | None
    credsStore: str | None
