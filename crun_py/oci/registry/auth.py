"""Credentials: auth.json of podman, config.json of docker, and credential helpers.

What is found goes into a request and nowhere else: not into arguments, the environment,
messages or state files.  `oci/login.py` changes the files.
"""

from __future__ import annotations

import base64
import binascii
import os
import stat

from crun_py import caller, jsonfile
from crun_py.errors import CrunpyError
from crun_py.oci.reference import DEFAULT_REGISTRY
from crun_py.oci.registry.registries import DOCKER_API_HOST
from crun_py.paths import host_uid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.auth import AuthEntry, AuthFile

_HELPER_TIMEOUT_S = 30
_ANSWER_LIMIT = 1 << 20
_DOCKER_KEYS = ("docker.io", "https://index.docker.io/v1/", "index.docker.io", DOCKER_API_HOST)


class Credentials:
    """A user name and password, or an identity token (then `user` is "")."""

    __slots__ = ("password", "token", "user")

    def __init__(self, user: str, password: str, token: str = "") -> None:
        self.user = user
        self.password = password
        self.token = token

    def basic(self) -> str:
        """The value of a basic Authorization header."""
        pair = f"{self.user}:{self.password}".encode()
        return "Basic " + base64.b64encode(pair).decode()

    def __repr__(self) -> str:
        return "Credentials(…)"


def find(registry: str, repository: str, authfile: str | None = None) -> Credentials | None:
    """What to log in to `registry` (as users write it) with, for `repository`.

    authfile: the only file to look at; it must exist.  None: there are none.  Raises
    CrunpyError naming a file or credential helper that cannot be read.
    """
    if authfile and not os.path.exists(authfile):
        raise CrunpyError(f"reading {authfile}: no such file or directory")
    for path in [authfile] if authfile else files():
        found = _in_file(path, load(path), registry, repository)
        if found:
            return found
    return None


def kept() -> dict[str, Credentials]:
    """All credentials that the files have, by their keys there; not those of helpers.

    Raises CrunpyError."""
    found: dict[str, Credentials] = {}
    for path in reversed(files()):
        for key, value in (load(path).get("auths") or {}).items():
            if isinstance(value, dict) and (one := _decode(path, key, value)):
                found[key] = one
    return found


_LIMIT_BYTES = 4 << 20


def load(path: str) -> AuthFile:
    """The content of a file of credentials, {} when there is none.  Raises CrunpyError."""
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LIMIT_BYTES:
            raise CrunpyError(f"reading {path}: not a file of credentials")
        config: AuthFile = jsonfile.read(path)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as e:
        raise CrunpyError.from_os(f"reading {path}", e) from e
    if not isinstance(config, dict):
        raise CrunpyError(f"reading {path}: not a JSON object")
    if not all(isinstance(config.get(name) or {}, dict) for name in ("auths", "credHelpers")):
        raise CrunpyError(f"reading {path}: not a file of credentials")
    helpers = [*(config.get("credHelpers") or {}).values(), config.get("credsStore") or ""]
    if not all(isinstance(helper, str) for helper in helpers):
        raise CrunpyError(f"reading {path}: the name of a credential helper is not a text")
    return config


def files() -> list[str]:
    """The files of credentials, the one that `login` writes first (containers-auth.json(5))."""
    if one := caller.variable("REGISTRY_AUTH_FILE"):
        return [one]
    found = []
    if runtime := caller.variable("XDG_RUNTIME_DIR"):
        found.append(runtime + "/containers/auth.json")
    elif (uid := host_uid()) == 0 or os.path.isdir(f"/run/containers/{uid}"):
        found.append(f"/run/containers/{uid}/auth.json")
    docker = caller.variable("DOCKER_CONFIG") or caller.home(".docker")
    return [*found, caller.config_home() + "/containers/auth.json", docker + "/config.json"]


def _in_file(path: str, config: AuthFile, registry: str, repository: str) -> Credentials | None:
    for key in _keys(registry, repository):
        helper = (config.get("credHelpers") or {}).get(key)
        if helper and (found := _from_helper(helper, key)):
            return found
    auths = config.get("auths") or {}
    by_key = {normal_key(key): value for key, value in auths.items()}
    for key in _keys(registry, repository):
        value = by_key.get(normal_key(key))
        if isinstance(value, dict) and (found := _decode(path, key, value)):
            return found
    store = config.get("credsStore")
    return _from_helper(store, server_url(registry)) if store else None


def server_url(registry: str) -> str:
    """The key of `registry` in a credential helper, as docker uses it."""
    return _DOCKER_KEYS[1] if registry == DEFAULT_REGISTRY else registry


def _keys(registry: str, repository: str) -> list[str]:
    """Keys that apply, the most specific first (containers-auth.json(5))."""
    parts = repository.split("/")
    keys = ["/".join([registry, *parts[:n]]) for n in range(len(parts), 0, -1)]
    return keys + ([*_DOCKER_KEYS] if registry == DEFAULT_REGISTRY else [registry])


def normal_key(key: str) -> str:
    """The registry that a key means: docker writes URLs, https://host/v1/."""
    if "://" in key:
        key = key.partition("://")[2].partition("/")[0]
    return DEFAULT_REGISTRY if key in ("index.docker.io", DOCKER_API_HOST) else key.rstrip("/")


def _decode(path: str, key: str, value: AuthEntry) -> Credentials | None:
    token = str(value.get("identitytoken") or "")
    if auth := value.get("auth"):
        try:
            user, colon, password = base64.b64decode(auth, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError, TypeError, ValueError) as e:
            raise CrunpyError(f"reading {path}: the entry of {key} is not base64") from e
        if colon:
            return Credentials(user, password.rstrip("\0"), token)
    if value.get("username"):
        return Credentials(str(value["username"]), str(value.get("password") or ""), token)
    return Credentials("", "", token) if token else None


def _from_helper(helper: str, key: str) -> Credentials | None:
    """What docker-credential-`helper` knows about `key`."""
    status, out = ask_helper(helper, "get", key.encode())
    if status:
        return None  # "credentials not found" is a failure in the protocol
    try:
        answer = jsonfile.loads(out)
        user, secret = str(answer["Username"]), str(answer["Secret"])
    except (ValueError, KeyError, TypeError) as e:
        raise CrunpyError(
            f"asking credential helper docker-credential-{helper}: malformed answer"
        ) from e
    return of_words(user, secret)


def of_words(user: str, secret: str) -> Credentials:
    """Credentials of a user's name and secret, which is a token for docker's name "<token>"."""
    return Credentials("", "", secret) if user == "<token>" else Credentials(user, secret)


def ask_helper(helper: str, action: str, data: bytes) -> tuple[int, bytes]:
    """(exit status, output) of docker-credential-`helper` get|store|erase with `data` as input.

    Raises CrunpyError when it cannot be run.
    """
    import subprocess

    program = f"docker-credential-{helper}"
    if not helper.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise CrunpyError(f"asking credential helper {helper!r}: not a valid name")
    try:
        done = subprocess.run(
            [program, action], input=data, capture_output=True, timeout=_HELPER_TIMEOUT_S
        )
    except FileNotFoundError as e:
        raise CrunpyError(f"asking credential helper {program}: it is not installed") from e
    except (OSError, subprocess.TimeoutExpired) as e:
        raise CrunpyError(f"asking credential helper {program}: it failed") from e
    return done.returncode, done.stdout[:_ANSWER_LIMIT]
