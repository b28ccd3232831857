"""`inspect`: containers and images in Docker's JSON shape (Engine API, ContainerInspect and
ImageInspect)."""

from __future__ import annotations

from crun_py import jsonfile, signals, spec
from crun_py.cgroup import group
from crun_py.container import elsewhere, ending, failure, health, restart
from crun_py.container.record import is_systemd
from crun_py.errors import CorruptState, InvalidArgument, NotFound
from crun_py.model.network import Attachment, Join
from crun_py.net import attached, config, connection
from crun_py.ns import apparmor
from crun_py.oci.reference import is_id_prefix, parse
from crun_py.paths import Paths
from crun_py.record import to_json
from crun_py.show import host_config
from crun_py.show.struct import Struct
from crun_py.tree import disk_usage
from crun_py.volumes import PROPAGATION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.container import Config, MountEntry, Record
    from crun_py.oci.store.image import Image
    from crun_py.oci.transfer.remote import Described
    from crun_py.state import Container, Status

_NEVER = "0001-01-01T00:00:00Z"


def container(found: Container, *, size: bool = False) -> dict[str, object]:
    """One container as `docker inspect` shows it."""
    record = found.record
    status = elsewhere.seen(found, found.status())
    config, log, labels = record["config"], record["log"], record.get("selinux")
    value: dict[str, object] = {
        "Id": found.id,
        "Created": record["created"],
        "Path": record["args"][0],
        "Args": record["args"][1:],
        "State": _state(found, status),
        "Image": "sha256:" + record["image_id"],
        "ResolvConfPath": found.directory + "/resolv.conf",
        "HostnamePath": found.directory + "/hostname",
        "HostsPath": found.directory + "/hosts",
        "LogPath": found.log_path if log["driver"] != "none" else "",
        "Name": "/" + found.name,
        "RestartCount": restart.count(found),
        "ImageName": _full_name(record["image"]),
        "ImageDigest": _image_digest(found),
        "ImageManifestDescriptor": None,
        "Driver": "vfs" if record.get("copied") else "overlay",
        "MountLabel": labels["mount"] if labels else "",
        "ProcessLabel": labels["process"] if labels else "",
        "ExecIDs": None,
        "Platform": "linux",
        "AppArmorProfile": _profile(found),
        "HostConfig": host_config.document(record, found.log_path) | _hidden(found),
        "GraphDriver": _graph_driver(found),
        "Mounts": [mount(m) for m in record["mounts"]],
        "Config": Struct(
            {
                "Hostname": record["hostname"],
                "Domainname": record["domainname"],
                "User": config["user"],
                "AttachStdin": config["stdin_once"],
                "AttachStdout": True,
                "AttachStderr": True,
                "ExposedPorts": {port: {} for port in config["exposed"]},
                "Tty": config["tty"],
                "OpenStdin": config["open_stdin"],
                "StdinOnce": config["stdin_once"],
                "Env": config["env"],
                "Cmd": config["cmd"] or None,
                "Image": record["image"],
                "Volumes": {path: {} for path in config["volumes"]} or None,
                "WorkingDir": config["workdir"],
                "Entrypoint": config["entrypoint"] or None,
                "Labels": config["labels"],
                "StopSignal": signals.name(config["stop_signal"]),
                "StopTimeout": config["stop_timeout"],
                "OnBuild": None,
                "ArgsEscaped": False,
                "NetworkDisabled": record["network"]["mode"] == "none",
                "MacAddress": next((j["mac"] for j in record["network"]["networks"]), ""),
                "Shell": None,
                **({"Healthcheck": check} if (check := _healthcheck(config)) else {}),
                **_config_as_podman(record),
            }
        ),
        "NetworkSettings": network_settings(found, status),
        **_as_podman(found),
    }
    if size:
        own = disk_usage(found.directory + "/upper")
        layers = [f"{found.paths.root}/{layer}" for layer in record["layers"]]
        value["SizeRw"] = own
        value["SizeRootFs"] = own + sum(map(disk_usage, layers))
    return value


def _graph_driver(found: Container) -> Struct:
    """The names are docker's drivers'."""
    if found.record.get("copied"):
        return Struct({"Name": "vfs", "Data": {}})
    layers = [f"{found.paths.root}/{layer}" for layer in found.record["layers"][::-1]]
    data = {
        "LowerDir": ":".join(layers),
        "UpperDir": found.directory + "/upper",
        "WorkDir": found.directory + "/work",
    }
    return Struct({"Name": "overlay", "Data": data})


def _as_podman(found: Container) -> dict[str, object]:
    """What only podman tells, at the same places."""
    effective: list[str] = []
    bounding: list[str] = []
    try:
        capabilities = found.spec()["process"]["capabilities"]
        effective, bounding = capabilities["effective"], capabilities["bounding"]
    except (CorruptState, KeyError, TypeError):
        pass  # the others are told all the same
    record = found.record
    return {
        "Rootfs": record.get("rootfs") or "",
        "Pod": record.get("pod", ""),
        "StaticDir": found.directory,
        "OCIConfigPath": found.directory + "/config.json",
        "OCIRuntime": "crunpy",
        "PidFile": record["host"].get("pidfile") or "",
        "ConmonPidFile": record["host"].get("conmon_pidfile")
        or found.run_directory + "/monitor.pid",
        "EffectiveCaps": effective,
        "BoundingCaps": bounding,
        "Dependencies": sorted(ending.dependencies(found)),
        "IsInfra": record.get("infra", False),
        "IsService": False,
        "Namespace": "",
        "SizeRw": None,
        "SizeRootFs": None,
    }


def _config_as_podman(record: Record) -> dict[str, object]:
    """What only podman tells in Config."""
    host, checks = record["host"], record["config"]["healthcheck"]
    return {
        "CreateCommand": record["create_command"],
        "DomainName": record["domainname"],
        "Annotations": record["annotations"],
        "HealthcheckOnFailureAction": checks["on_failure"] if checks else "none",
        "Timezone": host.get("tz") or "",
        "SystemdMode": is_systemd(host.get("systemd", "true"), record["args"]),
        "Umask": f"{host.get('umask', 0):04o}",
        "Secrets": [
            {"Name": u["name"], "ID": "", "UID": u["uid"], "GID": u["gid"], "Mode": u["mode"]}
            for u in record.get("secrets", [])
        ]
        or None,
        "Timeout": record["timeout"],
        "Passwd": host.get("passwd") is not False,
        "ChrootDirs": None,
        "sdNotifyMode": host.get("sdnotify") or "container",
        "sdNotifySocket": "",
    }


def _profile(found: Container) -> str:
    return found.spec()["process"].get("apparmorProfile", "") if apparmor.enabled() else ""


def _full_name(image: str) -> str:
    """podman's: with registry and tag; a directory or an id as it is."""
    try:
        return image if image.startswith("/") or is_id_prefix(image) else str(parse(image))
    except InvalidArgument:
        return image


def _image_digest(found: Container) -> str:
    """The digest of the image's manifest, "" where the image is gone."""
    from crun_py.oci.store.images import ImageStore

    image_id = found.record["image_id"]
    image = ImageStore(found.paths).lookup("sha256:" + image_id) if image_id else None
    return image.source or image.digest if image else ""


def _hidden(found: Container) -> dict[str, object]:
    """Fields of HostConfig: what it is not to see, or to write to, of /proc and /sys."""
    try:
        linux = found.spec()["linux"]
    except CorruptState:
        return {}
    return {"MaskedPaths": linux.get("maskedPaths", []),
            "ReadonlyPaths": linux.get("readonlyPaths", [])}  # fmt: skip


def _state(found: Container, status: Status) -> dict[str, object]:
    well = health.current(found) if status.running else health.last(found)
    error, exit_code = failure.read(found) if not status.running else ("", 0)
    if status.unseen:
        error = "the end was not seen: the monitor was killed or the host restarted"
    value: dict[str, object] = {
        "Status": status.state,
        "Running": status.running,
        "Paused": status.state == "paused",
        "Restarting": status.state == "restarting",
        "OOMKilled": status.oom_killed or group.oom_killed(found.cgroup),
        "Dead": False,
        "Pid": status.pid,
        "ExitCode": exit_code or status.exit_code,
        "ExitSignal": signals.name(status.signal) if status.signal else "",
        "Error": error,
        "StartedAt": status.started_at or _NEVER,
        "FinishedAt": status.finished_at or _NEVER,
        # podman's names
        "ConmonPid": status.monitor_pid if status.running else 0,
        "OciVersion": spec.OCI_VERSION,
        "CgroupPath": found.cgroup or "",
        "Checkpointed": False,
        "CheckpointedAt": _NEVER,
        "CheckpointLog": "",
        "CheckpointPath": "",
        "Restored": False,
        "RestoredAt": _NEVER,
        "RestoreLog": "",
    }
    if well:
        value["Health"] = {
            "Status": well["status"],
            "FailingStreak": well["failing_streak"],
            "Log": well["log"],
        }
    return value


def _healthcheck(config: Config) -> dict[str, object] | None:
    found = config["healthcheck"]
    if not found:
        return None
    return {
        "Test": found["test"],
        "Interval": found["interval_ms"] * 10**6,
        "Timeout": found["timeout_ms"] * 10**6,
        "StartPeriod": found["start_ms"] * 10**6,
        "StartInterval": found["start_interval_ms"] * 10**6,
        "Retries": found["retries"],
    }


def mount(entry: MountEntry) -> dict[str, object]:
    """One of `Mounts`."""
    volume = entry["type"] != "bind"
    return {
        "Type": entry["type"],
        "Name": entry["name"],
        "Source": entry["source"],
        "Destination": entry["destination"],
        "Driver": "local" if entry["name"] else "",
        # docker's: as -v said it, and z for a volume with a name of which nothing was said
        "Mode": entry.get("mode") or ("z" if volume and not entry.get("anonymous") else ""),
        "RW": entry["rw"],
        "Options": ["rbind" if entry["type"] == "bind" else "nodev", *entry["options"]],
        "Propagation": "" if volume else next(iter(PROPAGATION & {*entry["options"]}), "rprivate"),
    }


def network_settings(found: Container, status: Status) -> dict[str, object]:
    """`NetworkSettings`; its own addresses are those of the default network, as docker's, or else
    of the first."""
    attachments = attached.of(found) if status.running else ()
    record = found.record
    mode = record["network"]["mode"]
    by_name = {(mode if a.helper else a.network): a for a in attachments}
    shown = by_name.get("bridge") or next(iter(by_name.values()), None)
    joins = {join.network: join for join in connection.joined(found)}
    if mode in ("none", "host"):
        joins = {mode: Join(mode)}
    exposed = record["config"]["exposed"] if status.running else []
    ports: dict[str, object] = dict.fromkeys(exposed)
    published = [to_json(port) for a in attachments for port in a.ports]
    return {
        "Bridge": "",
        "SandboxID": found.id if status.running else "",
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        "AdditionalMacAddresses": None,
        "SandboxKey": f"/proc/{status.pid}/ns/net" if status.running else "",
        "Ports": {**ports, **host_config.bindings(published)},
        **_endpoint(found, shown),
        "Networks": {
            name: _on_network(found, name, join, by_name.get(name)) for name, join in joins.items()
        },
    }


def _endpoint(found: Container, attachment: Attachment | None) -> dict[str, object]:
    """The addresses of a container on a network; "" where it is not connected."""
    a = attachment or Attachment(driver="", network="")
    return {
        "EndpointID": found.id if attachment else "",
        "Gateway": a.gateway,
        "GlobalIPv6Address": a.ip6,
        "GlobalIPv6PrefixLen": a.prefix6,
        "IPAddress": a.ip,
        "IPPrefixLen": a.prefix,
        "IPv6Gateway": a.gateway6,
        "MacAddress": a.mac,
    }


def _links(found: Container, network: str) -> list[str]:
    """CONTAINER:ALIAS of those on a network; Docker's default one has them elsewhere."""
    if network == "bridge" or not found.record["links"]:
        return []
    from crun_py.container import links

    present = links.present(found)
    return [f"{c.name}:{link['alias']}" for link, c in present if network in c.networks]


def _on_network(
    found: Container, name: str, join: Join, attachment: Attachment | None
) -> dict[str, object]:
    """One of `Networks`."""
    wanted = {"IPv4Address": join.ip, "IPv6Address": join.ip6, "LinkLocalIPs": [*join.link_local]}
    asked = {key: value for key, value in wanted.items() if value}
    named = name not in ("none", "host", "bridge")
    aliases = [*join.aliases, *([found.id[:12]] if named else [])]
    return {
        "IPAMConfig": asked or None,
        "Links": _links(found, name) or None,
        "Aliases": aliases or None,
        "NetworkID": _network_id(found.paths, name),
        "DriverOpts": None,
        "GwPriority": 0,
        "DNSNames": [found.name, *aliases] if named else None,
        **_endpoint(found, attachment),
    }


def _network_id(paths: Paths, name: str) -> str:
    try:
        return str(jsonfile.read(f"{paths.networks}/{name}.json").get("id", ""))
    except (FileNotFoundError, CorruptState, AttributeError):
        return ""


_IMAGE_CONFIG: dict[str, object] = {
    "User": "",
    "ExposedPorts": {},
    "Env": [],
    "Cmd": [],
    "Entrypoint": [],
    "Volumes": {},
    "WorkingDir": "",
    "Labels": {},
    "OnBuild": [],
    "Healthcheck": None,
    "Shell": [],
    "StopSignal": "",
    "ArgsEscaped": False,
}
"""What templates ask of every image, whether its config says it or not (docker's fields)."""


def image(paths: Paths, found: Image | Described) -> dict[str, object]:
    """One image as `docker inspect` shows it."""
    document = found.config
    config = document.get("config") or {}
    history = document.get("history") or []
    return {
        "Id": "sha256:" + found.id,
        "RepoTags": found.familiar_names,
        "RepoDigests": found.familiar_digests,
        "Parent": "",
        "Comment": next((c for h in history[::-1] if (c := h.get("comment"))), ""),
        "Created": document.get("created", ""),
        "Author": document.get("author", ""),
        "DockerVersion": document.get("docker_version", ""),
        "OsVersion": document.get("os.version", ""),
        "Metadata": {"LastTagTime": _NEVER},
        "Container": "",
        "ContainerConfig": None,
        "Descriptor": None,
        "Manifests": None,
        "HealthCheck": config.get("Healthcheck"),
        "Config": _IMAGE_CONFIG | {k: v for k, v in config.items() if v is not None},
        "Architecture": document.get("architecture", ""),
        "Variant": document.get("variant", ""),
        "Os": document.get("os", ""),
        "Size": found.size,
        "GraphDriver": {"Name": "overlay", "Data": {"LowerDir": ":".join(found.layers[::-1])}},
        "RootFS": {"Type": "layers", "Layers": (document.get("rootfs") or {}).get("diff_ids", [])},
        "Digest": found.digest,
        "ManifestType": found.media_type,
        # podman's names for some of the same
        "Labels": config.get("Labels") or {},
        "User": config.get("User", ""),
        "VirtualSize": found.size,
        "Annotations": found.annotations,
        "NamesHistory": found.familiar_names,
        "Version": document.get("docker_version", ""),
        "History": history,
    }


def anything(paths: Paths, name: str, kind: str | None, *, size: bool = False) -> dict[str, object]:
    """The container, image, volume or network that `name` means (kind: one of these words, or None
    for any, in this order).  Raises NotFound."""
    from crun_py import state
    from crun_py.oci.reference import has_transport
    from crun_py.oci.store.images import ImageStore

    if kind in (None, "container") and not has_transport(name):
        try:
            return container(state.find(paths, name), size=size)
        except NotFound:
            if kind:
                raise
    if has_transport(name):
        from crun_py.oci.transfer.remote import describe

        return image(paths, describe(paths, name))
    looked = name and kind not in ("volume", "network")
    found = ImageStore(paths).lookup(name) if looked else None
    if found is None and kind not in ("image", "network"):
        from crun_py import volumes
        from crun_py.show import volume_list

        if kind or name in volumes.names(paths):
            return {**volume_list.inspected(paths, volumes.resolve(paths, name))}
    if found is None and kind != "image":
        from crun_py.show import network_list

        known = any(network.name == name for network in config.every(paths))
        if kind or known or network_list.built_in(name):
            return network_list.found(paths, name)
    if found is None:
        what = "image" if kind else "object"
        raise NotFound(f"no such {what}: {name}", hint="crunpy ps -a and crunpy images list them")
    return image(paths, found)
