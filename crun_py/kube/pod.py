"""A manifest's pod as what the engine is asked for."""

from __future__ import annotations

import os

from crun_py.errors import InvalidArgument
from crun_py.kube import container as contained
from crun_py.kube.amounts import amount
from crun_py.kube.settings import MAPS, SECRETS, Settings
from crun_py.model.container import (
    Bind,
    CreateRequest,
    LogConfig,
    Namespaces,
    Networking,
    VolumeMount,
)
from crun_py.model.kube import KubeContainer, KubeFile, KubeGroup, KubePod
from crun_py.model.network import PortMapping
from crun_py.model.pod import PodRequest
from crun_py.record import replaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.kube.node import Node
    from crun_py.model.container import Mount

_HOST_TYPES = ("", "Directory", "DirectoryOrCreate", "File", "Socket", "CharDevice", "BlockDevice")


class Surroundings:
    """What containers of a pod get of it.

    directory: where the pod's own volumes are: of emptyDir, configMap and secret.
    """

    def __init__(
        self, node: Node, name: str, settings: Settings, directory: str, log: LogConfig
    ) -> None:
        metadata, spec = node.node("metadata"), node.node("spec")
        self.name, self.settings, self.log = name, settings, log
        self.where = spec.where
        self.labels, self.annotations = metadata.pairs("labels"), metadata.pairs("annotations")
        self.restart_policy = spec.text("restartPolicy", "Always")
        self.stop_timeout_s = 10
        patience = spec.number("terminationGracePeriodSeconds")
        if patience is not None:
            self.stop_timeout_s = max(0, patience)
        own = spec.node("securityContext")
        self.user, self.group = own.number("runAsUser"), own.number("runAsGroup")
        self.non_root = bool(own.truth("runAsNonRoot"))
        self.volume_group = _volume_group(own)
        more = (self.volume_group.gid,) if self.volume_group else ()
        self.groups = tuple(map(str, (*own.numbers("supplementalGroups"), *more)))
        self.ports: list[PortMapping] = []
        self.volumes: list[str] = []
        self.files: list[KubeFile] = []
        self._directory = directory
        self._sources: dict[str, Bind | VolumeMount] = {}
        for one in spec.nodes("volumes"):
            self._sources[one.needed("name")] = self._volume(one)

    def say_ports(self, nodes: list[Node]) -> None:
        """Take in the ports of a container: those of the host are published."""
        for one in nodes:
            one.known("name")
            inside, outside = one.number("containerPort"), one.number("hostPort")
            host_ip, protocol = one.text("hostIP"), one.text("protocol", "TCP").lower()
            if inside is None:
                raise InvalidArgument(f"{one.where}.containerPort: it is missing")
            if outside:
                self.ports.append(PortMapping(inside, outside, host_ip=host_ip, protocol=protocol))

    def field(self, path: str, where: str) -> str:
        """What a fieldRef means."""
        for name, values in (("labels", self.labels), ("annotations", self.annotations)):
            if path.startswith(f"metadata.{name}['") and path.endswith("']"):
                return values.get(path.removeprefix(f"metadata.{name}['")[:-2], "")
        plain = {"metadata.name": self.name, "metadata.namespace": "default",
                 "spec.nodeName": os.uname().nodename}  # fmt: skip
        if path not in plain:
            raise InvalidArgument(f"{where}.fieldPath {path!r}: not known here")
        return plain[path]

    def mount(self, one: Node) -> Mount:
        """What a volumeMount asks for."""
        name, target = one.needed("name"), one.needed("mountPath")
        if not target.startswith("/") or ":" in target:
            raise InvalidArgument(f"{one.where}.mountPath {target!r}: not a path from / without :")
        part, read_only = one.text("subPath"), bool(one.truth("readOnly"))
        if "subPathExpr" in one:
            raise InvalidArgument(f"{one.where}.subPathExpr: it is not done here, subPath is")
        source = self._sources.get(name)
        if source is None:
            raise InvalidArgument(f"{one.where}: the pod has no volume {name}")
        if part.startswith("/") or ".." in part.split("/"):
            raise InvalidArgument(f"{one.where}.subPath {part!r}: not a path in the volume")
        read_only = read_only or source.read_only
        asked: Mount = replaced(source, target=target, subpath=part, read_only=read_only)
        return asked

    def _volume(self, one: Node) -> Bind | VolumeMount:
        name = one.needed("name")
        if not all(c.isalnum() or c in "-." for c in name) or name in (".", ".."):
            raise InvalidArgument(f"{one.where}.name {name!r}: not a volume's name")
        if "hostPath" in one:
            about = one.node("hostPath")
            kind, path = about.text("type"), about.needed("path")
            if not path.startswith("/"):
                raise InvalidArgument(f"{about.where}.path {path!r}: not a path from /")
            if kind not in (*_HOST_TYPES, "FileOrCreate"):
                raise InvalidArgument(f"{about.where}.type {kind!r}: not one of Kubernetes'")
            if kind == "FileOrCreate":
                raise InvalidArgument(f"{about.where}.type: FileOrCreate is not done here")
            return Bind(path, "/", create=kind == "DirectoryOrCreate")
        if "persistentVolumeClaim" in one:
            about = one.node("persistentVolumeClaim")
            read_only = bool(about.truth("readOnly"))
            return VolumeMount(about.needed("claimName"), "/", read_only=read_only, create=True)
        own = f"{self._directory}/{name}"
        if "emptyDir" in one:
            about = one.node("emptyDir")
            if size := about.text("sizeLimit"):
                amount(size, f"{about.where}.sizeLimit")
        elif "configMap" in one:
            self._keep(name, MAPS, one.node("configMap"), "name")
        elif "secret" in one:
            self._keep(name, SECRETS, one.node("secret"), "secretName")
        else:
            raise InvalidArgument(
                f"{one.where}: only hostPath, emptyDir, configMap, secret and "
                "persistentVolumeClaim are possible"
            )
        self.volumes.append(name)
        return Bind(own, "/", read_only="emptyDir" not in one)

    def _keep(self, volume: str, kind: str, about: Node, key: str) -> None:
        optional = bool(about.truth("optional"))
        values = self.settings.find(kind, about.needed(key), optional, about.where)
        paths = {one.needed("key"): one.needed("path") for one in about.nodes("items")}
        for name, path in paths.items():
            if path.startswith("/") or ".." in path.split("/"):
                raise InvalidArgument(f"{about.where}.items: {path!r} is no path in the volume")
            if name not in values and not optional:
                raise InvalidArgument(f"{about.where}.items: there is no key {name}")
        chosen = paths or {name: name for name in values}
        self.files += [
            KubeFile(volume=volume, path=path, data=values[name], secret=kind == SECRETS)
            for name, path in chosen.items()
            if name in values
        ]


def _volume_group(own: Node) -> KubeGroup | None:
    gid, policy = own.number("fsGroup"), own.text("fsGroupChangePolicy", "Always")
    if policy not in ("Always", "OnRootMismatch"):
        raise InvalidArgument(f"{own.where}.fsGroupChangePolicy {policy!r}: not one of Kubernetes'")
    if gid is None:
        return None
    if gid < 0:
        raise InvalidArgument(f"{own.where}.fsGroup {gid}: not a group's id")
    return KubeGroup(gid=gid, on_mismatch=policy == "OnRootMismatch")


def pod(node: Node, name: str, settings: Settings, directory: str, log: LogConfig) -> KubePod:
    """A pod of a manifest, from its metadata and spec.  directory: as of Surroundings.

    Raises InvalidArgument, NotFound.
    """
    spec = node.node("spec")
    around = Surroundings(node, name, settings, directory, log)
    spec.known("dnsPolicy", "enableServiceLinks", "automountServiceAccountToken", "schedulerName",
               "serviceAccountName", "serviceAccount", "priority", "preemptionPolicy",
               "nodeName", "tolerations")  # fmt: skip
    node.node("metadata").known("creationTimestamp", "uid", "resourceVersion", "namespace", "name",
                                "generateName", "managedFields", "ownerReferences")  # fmt: skip
    node.known("apiVersion", "kind", "status")

    def made(one: Node, *, first: bool = False) -> KubeContainer:
        request, pull = contained.container(one, around, first=first)
        request = replaced(request, binds=contained.binds(request.mounts))
        own = one.node("securityContext").truth("runAsNonRoot")
        non_root = around.non_root if own is None else own
        return KubeContainer(request=request, pull=pull, where=one.where, non_root=non_root)

    begun = tuple(made(one, first=True) for one in spec.nodes("initContainers"))
    containers = tuple(made(one) for one in spec.nodes("containers"))
    seen: set[str] = set()
    for one in (*begun, *containers):
        if one.request.name in seen:
            raise InvalidArgument(f"{one.where}.name: another container has this name")
        seen.add(one.request.name)
    if not containers:
        raise InvalidArgument(f"{spec.where}.containers: there is none")
    own = spec.node("securityContext")
    host_pid, host_ipc = bool(spec.truth("hostPID")), bool(spec.truth("hostIPC"))
    shared = ["net"]
    network = _network(spec, around)
    shared += ["ipc", "uts"]
    if spec.truth("shareProcessNamespace") or host_pid:
        shared.append("pid")
    hostname = spec.text("hostname")
    return KubePod(
        pod=PodRequest(
            name=name,
            labels=around.labels,
            shared=tuple(shared),
            exit_policy="stop",
            container=CreateRequest(
                network=network,
                hostname="" if network.mode == "host" else hostname,
                namespaces=Namespaces(
                    pid="host" if host_pid else "private", ipc="host" if host_ipc else "private"
                ),
                sysctls={one.needed("name"): one.needed("value") for one in own.nodes("sysctls")},
            ),
        ),
        begun=begun,
        containers=containers,
        volumes=tuple(around.volumes),
        files=tuple(around.files),
        group=around.volume_group,
    )


def _network(spec: Node, around: Surroundings) -> Networking:
    dns = spec.node("dnsConfig")
    options = [
        one.needed("name") + (f":{one.text('value')}" if "value" in one else "")
        for one in dns.nodes("options")
    ]
    hosts = [
        f"{name}:{one.needed('ip')}"
        for one in spec.nodes("hostAliases")
        for name in one.texts("hostnames")
    ]
    host = bool(spec.truth("hostNetwork"))
    return Networking(
        mode="host" if host else "bridge",
        ports=() if host else tuple(around.ports),
        hosts=tuple(hosts),
        dns=tuple(dns.texts("nameservers")),
        dns_search=tuple(dns.texts("searches")),
        dns_options=tuple(options),
    )
