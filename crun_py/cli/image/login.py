"""crunpy login."""

from __future__ import annotations

import sys

from crun_py.cli.output import write, write_error
from crun_py.engine import registries
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument
from crun_py.model.registry import RegistryAccess

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

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


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Try the credentials and keep them."""
    registry = arguments[0] if arguments else ""
    if values.flag("get_login"):
        write(registries.user_of(context, registry, authfile=values.text("authfile")))
        return 0
    reach = RegistryAccess(
        tls_verify=values.switch("tls_verify"),
        cert_dir=values.text("cert_dir"),
        authfile=values.text("authfile"),
    )
    given = values.text("username") or values.text("password") or values.flag("password_stdin")
    if not given and registries.still_logged_in(context, registry, reach=reach):
        write_error("Authenticating with existing credentials...")
        write("Login Succeeded!")
        return 0
    user, password = ask(values, registries.host_of(registry))
    file = registries.login(context, registry, user, password, reach=reach)
    if values.flag("verbose"):
        write_error(f"Used: {file}")
    write("Login Succeeded!")
    return 0


def ask(values: Values, registry: str) -> tuple[str, str]:
    """User name and password, from the options or the terminal."""
    user, password = values.maybe("username"), values.maybe("password")
    if values.flag("password_stdin"):
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
