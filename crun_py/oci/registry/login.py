"""Logging in and out: credentials are tried at the registry, then kept where podman keeps them.

That is a credential helper where a file names one for the registry, else auth.json, which
is replaced by a rename and can be read by its owner alone.
"""

from __future__ import annotations

import base64
import fcntl
import os
from collections.abc import Callable

from crun_py import jsonfile
from crun_py.errors import CrunpyError, NotFound
from crun_py.oci.reference import DEFAULT_REGISTRY
from crun_py.oci.registry import auth
from crun_py.oci.registry.access import Access
from crun_py.oci.registry.auth import Credentials
from crun_py.oci.registry.client import Unauthorized

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.auth import AuthEntry, AuthFile


def check(access: Access, registry: str, credentials: Credentials) -> None:
    """Try `credentials` at `registry`.  Raises RegistryError."""
    with access.open(access.root(registry), credentials=credentials) as opened:
        try:
            opened.ping()
        except Unauthorized as e:
            raise Unauthorized(
                f"logging in to {registry}: user name or password is not accepted: {e.message}"
            ) from e
        except CrunpyError as e:
            raise type(e)(f"logging in to {registry}: {e.message}", hint=e.hint) from e


def save(registry: str, path: str, credentials: Credentials, authfile: str | None) -> None:
    """Keep credentials for `registry`, or only for what is below `path` there."""
    key = f"{registry}/{path}" if path else registry
    if helper := _helper(registry, authfile):
        secret = {
            "ServerURL": auth.server_url(registry),
            "Username": credentials.user,
            "Secret": credentials.password,
        }
        status, _ = auth.ask_helper(helper, "store", jsonfile.dumps(secret).encode())
        if status:
            raise CrunpyError(f"logging in to {registry}: docker-credential-{helper} failed")
        return
    pair = f"{credentials.user}:{credentials.password}".encode()

    def put(config: AuthFile) -> None:
        auths = config["auths"] = config.get("auths") or {}
        _drop(auths, key)
        auths[key] = {"auth": base64.b64encode(pair).decode()}

    _change(authfile or auth.files()[0], put)


def forget(registry: str, path: str, authfile: str | None) -> bool:
    """Remove what is kept for `registry`; False when there was nothing.

    Raises CrunpyError when docker's own file still holds some.
    """
    key = f"{registry}/{path}" if path else registry
    found = False
    if helper := _helper(registry, authfile):
        status, _ = auth.ask_helper(helper, "erase", auth.server_url(registry).encode())
        found = not status
    ours, docker = _places(authfile)
    for file in ours:
        if auth.normal_key(key) in map(auth.normal_key, auth.load(file).get("auths") or {}):
            found = True
            _change(file, lambda config: _drop(config.get("auths") or {}, key))
    if docker and auth.normal_key(key) in map(
        auth.normal_key, auth.load(docker).get("auths") or {}
    ):
        raise CrunpyError(
            f"logging out of {registry}: docker's file {docker} has credentials too",
            hint=f"docker logout {registry}, or crunpy logout --authfile {docker} {registry}",
        )
    return found


def forget_all(authfile: str | None) -> None:
    """Remove everything that is kept in podman's files."""
    ours, _ = _places(authfile)
    for file in ours:
        if auth.load(file).get("auths"):
            _change(file, lambda config: (config.get("auths") or {}).clear())


def user_of(registry: str, path: str, authfile: str | None) -> str:
    """Who is logged in.  Raises NotFound."""
    found = auth.find(registry, path or "none", authfile)
    if found is None:
        raise NotFound(f"not logged in to {registry}", hint=f"crunpy login {registry}")
    return found.user


def _places(authfile: str | None) -> tuple[list[str], str]:
    """(files that are ours to change, docker's file or "")"""
    if authfile:
        return [authfile], ""
    files = auth.files()
    return (files[:-1], files[-1]) if len(files) > 1 else (files, "")


def _helper(registry: str, authfile: str | None) -> str:
    """The credential helper that a file names for `registry`, else for all of them."""
    for file in [authfile] if authfile else auth.files():
        config = auth.load(file)
        helpers = config.get("credHelpers") or {}
        helper = helpers.get(registry) or helpers.get(auth.server_url(registry))
        if helper or config.get("credsStore"):
            return str(helper or config["credsStore"])
    return ""


def _drop(auths: dict[str, AuthEntry], key: str) -> None:
    """Remove the entries that mean `key`, however another tool has written it."""
    for other in [k for k in auths if auth.normal_key(k) == auth.normal_key(key)]:
        del auths[other]


def _change(path: str, change: Callable[[AuthFile], None]) -> None:
    """Replace the file by what `change` makes of it; two logins do not lose each other's."""
    # a link, which dotfile managers make, stays one
    path = os.path.realpath(path)
    directory = os.path.dirname(path)
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as e:
        raise CrunpyError.from_os(f"writing {path}", e, hint="--authfile FILE") from e
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        config = auth.load(path)
        change(config)
        text = jsonfile.dumps(config, indent=4) + "\n"
        jsonfile.write_bytes(path, text.encode(), mode=0o600)
    finally:
        os.close(fd)


__all__ = ["DEFAULT_REGISTRY", "check", "forget", "forget_all", "save", "user_of"]
