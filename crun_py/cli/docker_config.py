"""What docker's config.json says of commands: formats of lists, keys to detach, proxies.

The file is docker's own (its command reference, "Configuration files"); oci/registry/auth reads the
credentials in it.
"""

from __future__ import annotations

from crun_py import caller, jsonfile
from crun_py.cli.output import write_warning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

_FORMATS = {
    "ps": "psFormat",
    "images": "imagesFormat",
    "network ls": "networksFormat",
    "volume ls": "volumesFormat",
    "secret ls": "secretFormat",
    "stats": "statsFormat",
}
_ATTACHED = ("run", "exec", "start", "attach")
_PROXIES = (
    ("httpProxy", "http_proxy"),
    ("httpsProxy", "https_proxy"),
    ("ftpProxy", "ftp_proxy"),
    ("noProxy", "no_proxy"),
    ("allProxy", "all_proxy"),
)


def with_defaults(verb: str, values: Values) -> Values:
    """The values of a verb's options, of those not given what the file says.  Warns of a file that
    is none, as docker does, and goes on without it."""
    if verb in _FORMATS:
        if values.maybe("format") is None and (text := _text(_FORMATS[verb])):
            return values.with_text("format", text)
    elif verb in _ATTACHED and not values.maybe("detach_keys") and (text := _text("detachKeys")):
        return values.with_text("detach_keys", text)
    return values


def proxies() -> dict[str, str]:
    """The variables of containers and builds that `proxies.default` asks for, in both spellings."""
    of_hosts = _load().get("proxies")
    found = of_hosts.get("default") if isinstance(of_hosts, dict) else None
    if not isinstance(found, dict):
        return {}
    return {
        word: text
        for key, name in _PROXIES
        if isinstance(text := found.get(key), str) and text
        for word in (name, name.upper())
    }


def _text(key: str) -> str:
    value = _load().get(key)
    return value if isinstance(value, str) else ""


_loaded: dict[str, dict[str, object]] = {}
"""The files that were read, by path: a command asks twice and warns once."""


def _load() -> dict[str, object]:
    path = (caller.variable("DOCKER_CONFIG") or caller.home(".docker")) + "/config.json"
    if path not in _loaded:
        _loaded[path] = _read(path)
    return _loaded[path]


def _read(path: str) -> dict[str, object]:
    try:
        with open(path, "rb") as file:
            found: object = jsonfile.loads(file.read())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as e:
        write_warning(f"reading {path}: {getattr(e, 'strerror', '') or e}")
        return {}
    if not isinstance(found, dict):
        write_warning(f"reading {path}: not a JSON object")
        return {}
    return found
