"""crunpy login."""

from __future__ import annotations

import os
import sys

from crun_py.cli.output import write, write_error
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crun_py.oci.access import Access
    from crun_py.oci.auth import Credentials

ARGUMENTS = "[REGISTRY]"
OPTIONS = (
    ("-u --username", "value", "User name", "NAME"),
    ("-p --password", "value", "Password; others on this machine can see it", "PASSWORD"),
    ("--password-stdin", "flag", "Read the password from standard input", ""),
    ("--get-login", "flag", "Print who is logged in", ""),
    ("--authfile", "value", "File of credentials", "FILE"),
    ("--cert-dir", "value", "Directory of certificates", "DIR"),
    ("--tls-verify", "switch", "Verify the registry's certificate (true)", ""),
    ("-v --verbose", "flag", "Say where the credentials are kept", ""),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Try the credentials and keep them."""
    from crun_py.oci import auth, login
    from crun_py.oci.access import Access, registry_of

    registry, path = registry_of(arguments[0] if arguments else login.DEFAULT_REGISTRY)
    authfile = values["authfile"]
    if values["get_login"]:
        write(login.user_of(registry, path, authfile))
        return 0
    access = Access(tls_verify=values["tls_verify"], cert_dir=values["cert_dir"])
    if not (values["username"] or values["password"] or values["password_stdin"]):
        known = authfile is None or os.path.exists(authfile)
        kept = auth.find(registry, path or "none", authfile) if known else None
        if kept and _still_good(access, registry, kept):
            write_error("Authenticating with existing credentials...")
            write("Login Succeeded!")
            return 0
    user, password = _ask(values, registry)
    credentials = auth.Credentials(user, password)
    login.check(access, registry, credentials)
    login.save(registry, path, credentials, authfile)
    if values["verbose"]:
        write_error(f"Used: {authfile or auth.files()[0]}")
    write("Login Succeeded!")
    return 0


def _still_good(access: Access, registry: str, kept: Credentials) -> bool:
    """Whether the registry accepts the credentials that are kept."""
    from crun_py.oci import login
    from crun_py.oci.registry import Unauthorized

    try:
        login.check(access, registry, kept)
    except Unauthorized:
        return False
    return True


def _ask(values: dict[str, Any], registry: str) -> tuple[str, str]:
    """User name and password, from the options or the terminal."""
    user, password = values["username"], values["password"]
    if values["password_stdin"]:
        if password is not None:
            raise InvalidArgument("logging in: --password and --password-stdin exclude each other")
        if not user:
            raise InvalidArgument("logging in: --password-stdin needs --username too")
        return user, sys.stdin.read().rstrip("\r\n")
    if password is not None:
        write_error("WARNING! Using --password is insecure. Use --password-stdin.")
    if (not user or password is None) and not sys.stdin.isatty():
        raise InvalidArgument(
            f"logging in to {registry}: no terminal to ask for user name and password",
            hint="-u NAME --password-stdin",
        )
    if not user:
        sys.stdout.write("Username: ")
        sys.stdout.flush()
        user = sys.stdin.readline().strip()
    if password is None:
        from getpass import getpass

        password = getpass("Password: ")
    return user, password
