"""CDI: devices that files of their vendors describe, as VENDOR/CLASS=NAME (Container Device
Interface 0.8, github.com/cncf-tags/container-device-interface).

A description becomes part of the request: nodes, binds, variables, groups.  Its hooks are not run.
"""

from __future__ import annotations

import os

from crun_py import jsonfile, notices
from crun_py.errors import CorruptState, CrunpyError, InvalidArgument, NotFound
from crun_py.model.container import Bind, Device
from crun_py.record import replaced
from crun_py.volumes import PASSED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.model.container import CreateRequest

DIRECTORIES = ("/var/run/cdi", "/etc/cdi")
"""Where descriptions are; the first that has a device counts."""
_LIMIT = 4 << 20


def applied(request: CreateRequest) -> CreateRequest:
    """The request with what its CDI devices need, in the order of their names.

    Raises NotFound for a device that nobody describes, InvalidArgument for a bad description.
    """
    specs = [spec for directory in DIRECTORIES for spec in _specs(directory)]
    for name in request.cdi:
        kind, _, wanted = name.partition("=")
        for path, spec in specs:
            if spec.get("kind") != kind:
                continue
            found = [d for d in _objects(spec.get("devices"), path) if d.get("name") == wanted]
            if found:
                for edits in (found[0].get("containerEdits"), spec.get("containerEdits")):
                    request = _edited(request, _object(edits or {}, path), path)
                break
        else:
            raise NotFound(
                f"device {name}: no file describes it", hint=f"in {' or '.join(DIRECTORIES[::-1])}"
            )
    return replaced(request, cdi=())


def _specs(directory: str) -> list[tuple[str, dict[str, object]]]:
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return []
    found = []
    for name in names:
        path = f"{directory}/{name}"
        try:
            if name.endswith(".json"):
                found.append((path, _object(jsonfile.loads(jsonfile.read_bytes(path)), path)))
            elif name.endswith((".yaml", ".yml")):
                found.append((path, _object(_yaml(path), path)))
        except (CrunpyError, OSError, ValueError) as e:  # another's file hides no device of others
            notices.warn(f"reading {path}: {e}")
    return found


def _yaml(path: str) -> object:
    try:
        yaml = __import__("yaml")
    except ImportError:
        raise InvalidArgument("descriptions in YAML need PyYAML: pip install pyyaml") from None
    data = jsonfile.read_bytes(path)
    if len(data) > _LIMIT:
        raise InvalidArgument("it is too large")
    try:
        found: object = yaml.safe_load(data)
        return found
    except yaml.YAMLError as e:
        raise CorruptState(str(e).partition("\n")[0]) from e


def _object(value: object, path: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise InvalidArgument(f"{path}: not a CDI description")
    return value


def _objects(value: object, path: str) -> list[dict[str, object]]:
    return [_object(one, path) for one in value] if isinstance(value, list) else []


def _text(edits: dict[str, object], key: str, path: str, usual: str = "") -> str:
    value = edits.get(key) or usual
    if not isinstance(value, str) or not value:
        raise InvalidArgument(f"{path}: {key}: not a text")
    return value


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _edited(request: CreateRequest, edits: dict[str, object], path: str) -> CreateRequest:
    devices = []
    for node in _objects(edits.get("deviceNodes"), path):
        target = _text(node, "path", path)
        source = _text(node, "hostPath", path, target)
        devices.append(Device(source, target, _text(node, "permissions", path, "rwm")))
    mounts = []
    for mount in _objects(edits.get("mounts"), path):
        options = _texts(mount.get("options"))
        mounts.append(
            Bind(
                source=_text(mount, "hostPath", path),
                target=_text(mount, "containerPath", path),
                read_only="ro" in options,
                create=False,
                flags=tuple(o for o in options if o in PASSED),
            )
        )
    pairs = (text.partition("=")[::2] for text in _texts(edits.get("env")))
    groups = edits.get("additionalGids") or []
    if edits.get("hooks"):
        notices.warn(f"{path}: its hooks are not run")
    environment = request.environment
    return replaced(
        request,
        devices=(*request.devices, *devices),
        mounts=(*request.mounts, *mounts),
        environment=replaced(environment, variables={**dict(pairs), **environment.variables}),
        groups=(*request.groups, *(str(g) for g in groups if isinstance(g, int) and g > 0))
        if isinstance(groups, list)
        else request.groups,
    )
