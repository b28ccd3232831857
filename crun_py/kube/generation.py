"""Containers and pods as manifests of Kubernetes."""

from __future__ import annotations

from crun_py.kube import amounts
from crun_py.record import without_empty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crun_py.documents.container import MountEntry, Record
    from crun_py.documents.image import ImageConfig

    Object = dict[str, object]

_POLICIES = {"always": "Always", "unless-stopped": "Always", "on-failure": "OnFailure"}
HEAD = "# Made by crunpy kube generate\n"


class Part:
    """A container that becomes a part of a pod: its record, and its image's configuration ({} for
    one that is gone)."""

    def __init__(self, record: Record, image: ImageConfig) -> None:
        self.record, self.image = record, image


def pod(
    name: str,
    labels: dict[str, str],
    parts: Sequence[Part],
    common: Record | None,
    shared: Sequence[str],
) -> tuple[Object, list[str]]:
    """A Pod of containers, and what of them it cannot say.

    common: the record of the container that holds what they share, None where the first does.
    """
    notes: list[str] = []
    volumes: dict[str, Object] = {}
    containers = [_container(part, name, volumes, notes) for part in parts]
    base = common or parts[0].record
    network = base["network"]
    ports: list[Object] = [
        without_empty({
            "containerPort": port["container_port"], "hostPort": port["host_port"],
            "hostIP": port["host_ip"],
            "protocol": "" if port["protocol"] == "tcp" else port["protocol"].upper(),
        })
        for port in network["ports"]
    ]  # fmt: skip
    if ports and containers:
        containers[0]["ports"] = ports
    hosts: dict[str, list[str]] = {}
    for line in network["add_host"]:
        host, _, address = line.partition(":")
        hosts.setdefault(address, []).append(host)
    options = [option.partition(":") for option in network["dns_option"]]
    own_name = common["hostname"] if common else _hostname(base)
    title = _title(name, "-.")
    policies = {part.record["restart"]["name"] for part in parts}
    if len(policies) > 1:
        notes.append("its containers have several restart policies, of which a pod has one")
    spec: Object = {
        "containers": containers,
        "restartPolicy": _POLICIES.get(parts[0].record["restart"]["name"], "Never"),
        "hostname": own_name if own_name not in (name, title) else "",
        "hostNetwork": network["mode"] == "host",
        "hostPID": base["namespaces"]["pid"] == "host",
        "hostIPC": base["namespaces"]["ipc"] == "host",
        "shareProcessNamespace": "pid" in shared,
        "hostAliases": [{"ip": ip, "hostnames": names} for ip, names in hosts.items()],
        # else a cluster's own servers would be asked, too
        "dnsPolicy": "None" if network["dns"] else "",
        "dnsConfig": without_empty({
            "nameservers": network["dns"],
            "searches": network["dns_search"],
            "options": [without_empty({"name": k, "value": v}) for k, _, v in options],
        }),
        "securityContext": without_empty({
            "supplementalGroups": _groups(parts, notes),
            "sysctls": [{"name": key, "value": value}
                        for key, value in base["host"].get("sysctl", {}).items()],
        }),
        "volumes": [{"name": volume, **source} for volume, source in volumes.items()],
    }  # fmt: skip
    if base["userns"]:
        notes.append("its user namespace")
    said = {"app": title, **labels}
    metadata = without_empty({
        "name": title,
        "labels": {**said, **_labels(parts, said, notes)},
        "annotations": _annotations(parts, notes),
    })  # fmt: skip
    return (
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": without_empty(spec)},
        notes,
    )


def _title(name: str, marks: str = "-") -> str:
    """A name as Kubernetes takes it; marks: what may be in it beside letters and digits."""
    kept = "".join(c if _is_plain(c) or c in marks else "-" for c in name.lower())
    return kept[: 63 if marks == "-" else 253].strip("-.")


def _is_plain(mark: str) -> bool:
    return mark.isascii() and mark.isalnum()


def _hostname(record: Record) -> str:
    """The host name that a container alone was given, "" for one that nobody chose."""
    name = record["hostname"]
    chosen = record["namespaces"]["uts"] == "private" and record["network"]["mode"] != "host"
    return name if chosen and name != record["id"][:12] else ""


_UNIT = "PODMAN_SYSTEMD_UNIT"


def _labels(parts: Sequence[Part], said: dict[str, str], notes: list[str]) -> dict[str, str]:
    """The labels of containers that their images lack: those of the pod."""
    found: dict[str, str] = {}
    for part in parts:
        images = part.image.get("Labels") or {}
        for key, value in part.record["config"]["labels"].items():
            if images.get(key) == value or key == _UNIT:
                continue
            if (
                not (_is_key(key) and _is_value(value))
                or {**found, **said}.get(key, value) != value
            ):
                notes.append(f"container {part.record['name']}: its label {key}")
            elif key not in said:
                found[key] = value
    return found


def _annotations(parts: Sequence[Part], notes: list[str]) -> dict[str, str]:
    """The annotations of containers: those of the pod."""
    found: dict[str, str] = {}
    for part in parts:
        for key, value in part.record["annotations"].items():
            if not _is_key(key.lower()) or found.get(key, value) != value:
                notes.append(f"container {part.record['name']}: its annotation {key}")
            else:
                found[key] = value
    return found


def _is_key(key: str) -> bool:
    """Whether it can be the key of a label: [DOMAIN/]NAME."""
    domain, slash, name = key.rpartition("/")
    good = not slash or (domain == _title(domain, "-.") and bool(domain))
    return good and bool(name) and _is_value(name)


def _is_value(value: str) -> bool:
    """Whether it can be the value of a label: up to 63 letters and digits, with - _ . between."""
    inner = value.replace("-", "a").replace("_", "a").replace(".", "a")
    whole = not value or (_is_plain(inner))
    return whole and len(value) <= 63 and value[:1].isalnum() == value[-1:].isalnum() == bool(value)


def _groups(parts: Sequence[Part], notes: list[str]) -> list[int]:
    """The further groups that all containers have; of the others' a pod can say nothing."""
    each = [{*part.record["host"].get("group_add", ())} for part in parts]
    common = {group for group in set.intersection(*each) if group.isdecimal()}
    for part, groups in zip(parts, each, strict=True):
        if groups - common:
            notes.append(f"container {part.record['name']}: its groups")
    return sorted(map(int, common))


def _container(part: Part, pod_name: str, volumes: dict[str, Object], notes: list[str]) -> Object:
    record, image = part.record, part.image
    config, host = record["config"], record["host"]
    command = (
        config["entrypoint"] if config["entrypoint"] != (image.get("Entrypoint") or []) else []
    )
    args = config["cmd"] if config["cmd"] != (image.get("Cmd") or []) or command else []
    own = {*(image.get("Env") or [])}
    name = record["name"].removeprefix(pod_name + "-")
    unsaid = (("devices", host.get("device")), ("ulimits", host.get("ulimit")),
              ("secrets", record.get("secrets")), ("links", record["links"]))  # fmt: skip
    for what, found in unsaid:
        if found:
            notes.append(f"container {record['name']}: its {what}")
    return without_empty({
        "name": _title(name),
        "image": record["image"],
        "command": command,
        "args": args,
        "workingDir": ""
        if config["workdir"] == (image.get("WorkingDir") or "/")
        else config["workdir"],
        "env": [
            {"name": key, "value": value}
            for entry in config["env_chosen"]
            if entry not in own
            for key, _, value in [entry.partition("=")]
        ],
        "tty": config["tty"],
        "stdin": config["open_stdin"],
        "resources": _resources(record),
        "securityContext": _security(record, image),
        "livenessProbe": _probe(record, image),
        "volumeMounts": [
            _mount(m, volumes, record.get("pod", ""), notes)
            for m in record["mounts"]
            if m["type"] != "image"
        ]
        + [_scratch(target, volumes) for target in host.get("tmpfs", {})],
    })  # fmt: skip


def _resources(record: Record) -> Object:
    limits = record["host"].get("limits", {})
    memory, cpus, kept = (
        limits.get("memory_bytes"), limits.get("cpus"), limits.get("memory_reservation_bytes"),
    )  # fmt: skip
    most: Object = {}
    if isinstance(memory, int) and memory > 0:
        most["memory"] = amounts.written(memory)
    if isinstance(cpus, int | float) and cpus > 0:
        most["cpu"] = f"{round(cpus * 1000)}m"
    least = {"memory": amounts.written(kept)} if isinstance(kept, int) and kept > 0 else {}
    return without_empty({"limits": most, "requests": least})


def _security(record: Record, image: ImageConfig) -> Object:
    host = record["host"]
    user, _, group = record["config"]["user"].partition(":")
    if record["config"]["user"] == (image.get("User") or ""):
        user = group = ""
    found: Object = {
        "privileged": host.get("privileged", False),
        "readOnlyRootFilesystem": host.get("read_only", False),
        "capabilities": without_empty({
            "add": host.get("cap_add", []), "drop": host.get("cap_drop", []),
        }),
    }  # fmt: skip
    found = without_empty(found)
    if user.isdecimal():
        found["runAsUser"] = int(user)
    if group.isdecimal():
        found["runAsGroup"] = int(group)
    if any(text.startswith("no-new-privileges") for text in host.get("security_opt", ())):
        found["allowPrivilegeEscalation"] = False
    return found


def _probe(record: Record, image: ImageConfig) -> Object:
    check = record["config"]["healthcheck"]
    if not check or not check["test"] or image.get("Healthcheck"):
        return {}
    kind, *words = check["test"]
    if kind == "CMD-SHELL":
        words = ["sh", "-c", *words]
    elif kind != "CMD":
        return {}
    return without_empty({
        "exec": {"command": words},
        "periodSeconds": max(1, check["interval_ms"] // 1000),
        "timeoutSeconds": max(1, check["timeout_ms"] // 1000),
        "initialDelaySeconds": check["start_ms"] // 1000,
        "failureThreshold": check["retries"],
    })  # fmt: skip


def _mount(entry: MountEntry, volumes: dict[str, Object], pod_id: str, notes: list[str]) -> Object:
    """A mount, whose source becomes a volume of the pod; the same one for all that have it.  What
    `kube play` made for the pod alone goes with it, and is an empty one."""
    source: Object
    own = f"/pods/{pod_id}/volumes/"
    if entry["type"] == "volume" and not entry.get("anonymous"):
        source = {"persistentVolumeClaim": {"claimName": entry["name"]}}
    elif entry["type"] == "volume":
        source = {"emptyDir": {}}
    elif pod_id and own in entry["source"]:
        label = entry["source"].partition(own)[2]
        if not entry["rw"]:
            notes.append(f"volume {label}: the ConfigMap or Secret that it is of")
        source = {"emptyDir": {}}
        volumes.setdefault(label, source)
        return _volume_mount(label, entry)
    else:
        source = {"hostPath": {"path": entry["source"]}}
    alone = entry["type"] == "volume" and entry.get("anonymous")
    name = next((n for n, one in volumes.items() if one == source and not alone), "")
    if not name:
        name = f"volume-{len(volumes)}"
        volumes[name] = source
    return _volume_mount(name, entry)


def _volume_mount(name: str, entry: MountEntry) -> Object:
    return without_empty({
        "name": name, "mountPath": entry["destination"], "readOnly": not entry["rw"],
        "subPath": entry.get("subpath", ""),
    })  # fmt: skip


def _scratch(target: str, volumes: dict[str, Object]) -> Object:
    name = f"volume-{len(volumes)}"
    volumes[name] = {"emptyDir": {"medium": "Memory"}}
    return {"name": name, "mountPath": target}


def deployment(found: Object) -> Object:
    """A Deployment of a Pod."""
    metadata, spec = found["metadata"], found["spec"]
    assert isinstance(metadata, dict) and isinstance(spec, dict)
    labels = metadata["labels"]
    about = without_empty({"labels": labels, "annotations": metadata.get("annotations")})
    template = {"metadata": about, "spec": {**spec, "restartPolicy": "Always"}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"{metadata['name']}-deployment", "labels": labels},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }


def service(found: Object) -> Object | None:
    """A Service for the ports of a Pod; None where it has none."""
    metadata, spec = found["metadata"], found["spec"]
    assert isinstance(metadata, dict) and isinstance(spec, dict)
    ports = [port for one in spec["containers"] for port in one.get("ports", [])]
    if not ports:
        return None
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": metadata["name"], "labels": metadata["labels"]},
        "spec": {
            "type": "NodePort",
            "selector": {"app": metadata["labels"]["app"]},
            "ports": [
                without_empty({
                    "name": str(port["containerPort"]), "port": port["containerPort"],
                    "targetPort": port["containerPort"], "protocol": port.get("protocol", ""),
                })
                for port in ports
            ],
        },
    }  # fmt: skip


def claim(name: str, labels: dict[str, str]) -> Object:
    """A PersistentVolumeClaim for a volume."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": without_empty({"name": name, "labels": labels}),
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
