"""crunpy daemon: `system service` with dockerd's options, for who starts dockerd."""

from __future__ import annotations

import os

from crun_py import caller, jsonfile
from crun_py.cli.output import write_warning
from crun_py.cli.system import service
from crun_py.engine.context import Context
from crun_py.errors import CorruptState, CrunpyError, InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = ""
OPTIONS = (
    ("-H --host", "list", "Listen there: unix:///PATH, tcp://127.0.0.1:PORT, fd://", "SOCKET"),
    ("-p --pidfile", "value", "Write our process id there", "FILE"),
    ("--config-file", "value", "Settings (/etc/docker/daemon.json)", "FILE"),
    ("--data-root -g --graph", "value", "Directory of images, containers and volumes", "DIR"),
    ("--exec-root", "value", "Directory of what a reboot may forget", "DIR"),
    ("--registry-mirror", "list", "Ask there first for docker.io's images", "URL"),
    ("--insecure-registry", "list", "Registries without TLS", "REGISTRY"),
    ("--label", "list", "Label of the engine, KEY=VALUE", "LABEL"),
    ("--validate", "flag", "Look at the settings alone", ""),
    *service.TLS_OPTIONS,
)
_KNOWN = {
    "hosts": list, "pidfile": str, "data-root": str, "exec-root": str, "registry-mirrors": list,
    "insecure-registries": list, "labels": list, "tls": bool, "tlsverify": bool, "tlscacert": str,
    "tlscert": str, "tlskey": str, "debug": bool,
}  # fmt: skip
"""Keys of daemon.json that mean something here, and the types of their values."""


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Serve until a signal."""
    settings = _settings(values)
    if values.flag("validate"):
        return 0
    _note("CRUNPY_REGISTRY_MIRRORS", settings, "registry-mirrors", values.texts("registry_mirror"))
    _note("CRUNPY_INSECURE_REGISTRIES", settings, "insecure-registries",
          values.texts("insecure_registry"))  # fmt: skip
    _note("CRUNPY_LABELS", settings, "labels", values.texts("label"))
    caller.has(os.environ)
    root = values.text("data_root") or str(settings.get("data-root") or "")
    run = values.text("exec_root") or str(settings.get("exec-root") or "")
    context = Context(root or context.paths.root, run or context.paths.run)
    values = values.with_flag("tls", values.flag("tls") or bool(settings.get("tls")))
    verify = values.flag("tlsverify") or bool(settings.get("tlsverify"))
    values = values.with_flag("tlsverify", verify)
    for name in ("tlscacert", "tlscert", "tlskey"):
        settings.setdefault(name, "")
    ca, certificate = values.text("tlscacert"), values.text("tlscert")
    values = values.with_text("tlscacert", ca or str(settings["tlscacert"]))
    values = values.with_text("tlscert", certificate or str(settings["tlscert"]))
    values = values.with_text("tlskey", values.text("tlskey") or str(settings["tlskey"]))
    pid_file = values.text("pidfile") or str(settings.get("pidfile") or "")
    if pid_file:
        jsonfile.write_bytes(pid_file, b"%d\n" % os.getpid(), durable=False, mode=0o644)
    places = [*_texts(settings, "hosts"), *values.texts("host")]
    try:
        return service.serve(values, places, context, idle_s=0, origins=[])
    finally:
        if pid_file:
            os.unlink(pid_file)


def _note(name: str, settings: dict[str, object], key: str, given: list[str]) -> None:
    """Say what daemon.json and the options name where registries are looked up."""
    if found := [*_texts(settings, key), *given]:
        os.environ[name] = " ".join(found)


def _texts(settings: dict[str, object], key: str) -> list[str]:
    found = settings.get(key)
    return [str(text) for text in found] if isinstance(found, list) else []


def _settings(values: Values) -> dict[str, object]:
    """daemon.json.  Raises InvalidArgument, CrunpyError."""
    path = values.text("config_file") or "/etc/docker/daemon.json"
    try:
        found = jsonfile.read(path)
    except FileNotFoundError as e:
        if not values.text("config_file"):
            return {}
        raise CrunpyError.from_os(f"reading {path}", e) from e
    except CorruptState as e:
        raise InvalidArgument(f"reading {path}: not valid JSON") from e
    if not isinstance(found, dict):
        raise InvalidArgument(f"reading {path}: not a JSON object")
    for key, value in found.items():
        if key not in _KNOWN:
            write_warning(f"{path}: {key!r} has no meaning here")
        elif not isinstance(value, _KNOWN[key]):
            raise InvalidArgument(f"reading {path}: {key!r} is of a wrong type")
    return found
