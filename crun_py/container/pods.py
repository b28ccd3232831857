"""Pods: how one is made, and what a container that joins one gets of it.

What the containers of a pod share is held by its infra container: a container like others, whose
record says `infra`: its root is an empty directory, and its first process executes nothing, but
stays (step STAY).  The others join its namespaces as those of any container, and require it.
"""

from __future__ import annotations

import os

from crun_py import events, jsonfile, pods, state
from crun_py.clock import now
from crun_py.container import create, ending, pod_group
from crun_py.errors import Conflict, InvalidArgument, NotFound
from crun_py.model.container import Device, LogConfig, Networking, RestartPolicy, Security
from crun_py.net import connection
from crun_py.paths import host_uid, private_dir
from crun_py.pods import SHARED, VERSION, Pod
from crun_py.record import replaced, to_json
from crun_py.tree import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.pod import Pod as Record
    from crun_py.model.container import CreateRequest, Namespaces
    from crun_py.model.pod import PodRequest
    from crun_py.paths import Paths
    from crun_py.state import Container

_SHARED_USUALLY = ("ipc", "net", "uts")
EXIT_POLICIES = ("continue", "stop")
_POD_NETWORK = "network cannot be configured when it is shared with a pod"

# ---- making ----


def make(paths: Paths, request: PodRequest, *, rootless: bool) -> Pod:
    """Make a pod, and its infra container if it is to have one.

    rootless: as for lifecycle.start.  Raises InvalidArgument, Conflict (name), NotFound,
    Unsupported; nothing is left then.
    """
    check(request)
    pod_id = state.new_id()
    group = pod_group.chosen(
        pod_id, request.cgroup_parent, request.limits, request.container.cgroup_manager,
        rootless=rootless,
    )  # fmt: skip
    request = replaced(request, cgroup_parent=group)
    directory = private_dir(paths.pod(pod_id))
    try:
        with pods.lock(paths, pod_id):
            name = _take_name(paths, request.name, pod_id)
            infra = _infra(paths, request, pod_id, name) if request.infra else ""
            record = _record(request, pod_id, name, infra)
            jsonfile.write(directory + "/pod.json", record)
    except BaseException:
        discard(paths, pod_id)
        raise
    pod = Pod(paths, record)
    event(pod, "create")
    return pod


def check(request: PodRequest) -> None:
    """Raises InvalidArgument for what is wrong whatever there is."""
    if request.exit_policy not in EXIT_POLICIES:
        raise InvalidArgument(
            f"invalid pod exit policy: {request.exit_policy!r}",
            hint="known: " + ", ".join(EXIT_POLICIES),
        )
    for word in request.shared or ():
        if word not in SHARED:
            raise InvalidArgument(
                f"invalid kernel namespace to share: {word}",
                hint=f"known: {', '.join(SHARED)} or none",
            )
    if request.name:
        state.check_name(request.name, "pod")
    own = request.container
    if not request.infra:
        _check_without_infra(request)
    if own.network.ports and not has_ports(own.network.mode):
        raise InvalidArgument(
            f"publishing ports of the pod: network mode {own.network.mode!r} does not publish",
            hint="published ports are of a network of the pod's own: --network bridge",
        )
    create.check(own)


def has_ports(mode: str) -> bool:
    """Whether ports of a pod on this network can be published.  Elsewhere a container's have no
    meaning; a pod's are refused, as podman does."""
    return mode.partition(":")[0] in connection.HELPERS or not connection.is_alone(mode)


def _check_without_infra(request: PodRequest) -> None:
    own = request.container
    if request.shared:
        raise InvalidArgument(
            f"cannot set share({','.join(request.shared)}) namespaces without an infra container"
        )
    if own.network.ports:
        raise InvalidArgument(
            "you must have an infra container to publish port bindings to the host"
        )
    for what, given in (
        ("network, name servers and hosts", own.network != Networking()),
        ("namespaces", own.namespaces != type(own.namespaces)()),
        ("volumes", bool(own.mounts or own.volumes_from)),
        ("devices", bool(own.devices)),
        ("security options", own.security != Security()),
        ("sysctls", bool(own.sysctls)),
        ("a name", bool(own.name)),
    ):
        if given:
            raise InvalidArgument(f"a pod without an infra container has none that {what} are of")


def _take_name(paths: Paths, wanted: str, pod_id: str) -> str:
    if not wanted:
        return create.made_up_name(paths, state.POD + pod_id)
    state.take_name(paths, wanted, state.POD + pod_id)
    return wanted


def _record(request: PodRequest, pod_id: str, name: str, infra: str) -> Record:
    shared = _SHARED_USUALLY if request.shared is None else request.shared
    record: Record = {
        "version": VERSION,
        "id": pod_id,
        "name": name,
        "created": now(),
        "labels": {**request.labels},
        "shared": sorted({*shared}) if request.infra else [],
        "infra": infra,
        "exit_policy": request.exit_policy,
        "hostname": request.container.hostname,
        "cgroup_parent": request.cgroup_parent,
        "limits": to_json(request.limits),
        "create_command": [*request.created_by],
    }
    if policy := request.container.restart:
        record["restart"] = {"name": policy.name, "max": policy.retries}
    return record


def _infra(paths: Paths, request: PodRequest, pod_id: str, name: str) -> str:
    """Make the infra container; its id."""
    root = paths.pod(pod_id) + "/root"
    os.mkdir(root, 0o755)
    os.chmod(root, 0o755)
    own = request.container
    asked = replaced(
        own,
        image="",
        rootfs=root,
        rootfs_overlay=True,
        command=("infra",),
        entrypoint=None,
        name=own.name or f"{pod_id[:12]}-infra",
        hostname=own.hostname or _hostname(own, name),
        network=_named(own.network, name),
        namespaces=replaced(own.namespaces, ipc="shareable"),
        security=replaced(own.security, privileged=False, cap_add=(), cap_drop=("ALL",)),
        read_only=True,
        read_only_tmpfs=False,
        passwd=False,
        systemd="false",
        log=LogConfig(driver="none"),
        restart=None,
        cgroup_parent=request.cgroup_parent,
        labels={},
        pod=pod_id,
        infra=True,
    )
    return create.create(paths, None, asked).id


def _hostname(own: CreateRequest, name: str) -> str:
    """A pod's name is its host name, podman-pod-create(1), where that can be one."""
    from crun_py.net.files import is_name

    words = own.network.mode, own.namespaces.uts
    return name if "host" not in words and is_name(name) and len(name) <= 64 else ""


def _named(asked: Networking, name: str) -> Networking:
    """On networks with names the pod's is one of them."""
    if asked.networks:
        joins = (replaced(join, aliases=(*join.aliases, name)) for join in asked.networks)
        return replaced(asked, networks=tuple(joins))
    if connection.is_alone(asked.mode) or asked.mode in ("bridge", "default", "private", ""):
        return asked
    return replaced(asked, aliases=(*asked.aliases, name))


# ---- joining ----


def joined(pod: Pod, request: CreateRequest) -> CreateRequest:
    """What a container of `pod` is asked for: of what the pod shares, the infra container's.

    Raises InvalidArgument for what is the pod's to say."""
    if _own_ids(request.namespaces):
        raise InvalidArgument("--userns and --pod cannot be set together")
    own_group = request.cgroup_parent or pod.record["cgroup_parent"]
    request = replaced(request, pod=pod.id, cgroup_parent=own_group, restart=_restart(pod, request))
    if not pod.record["infra"]:
        return request
    try:
        infra = state.load(pod.paths, pod.record["infra"])
    except NotFound:
        raise Conflict(f"pod {pod.name}: its infra container is gone") from None
    asked, shared = request.namespaces, pod.record["shared"]
    word = f"container:{infra.id}"
    words = {
        kind: word
        for kind, own in (("pid", asked.pid), ("ipc", asked.ipc), ("uts", asked.uts),
                          ("cgroup", asked.cgroup))
        if kind in shared and own in ("private", "")
    }  # fmt: skip
    if words.get("uts") and request.hostname:
        raise InvalidArgument(
            "invalid config provided: cannot set hostname when joining the pod UTS namespace: "
            "invalid configuration"
        )
    user = request.user
    if ids := infra.record["userns"]:
        words["user"] = word
        if ids["mode"] == "keep-id":  # then that is who the infra container would run as
            user = user or infra.record["config"]["user"]
    network = request.network
    if "net" in shared and not network.networks and network.mode in ("bridge", "private", ""):
        _check_network(network)
        mode = "host" if infra.record["network"]["mode"] == "host" else word
        network = Networking(mode=mode, keep_hosts=network.keep_hosts)
    return replaced(
        request,
        namespaces=replaced(asked, **words),
        network=network,
        user=user,
        requires=(infra.id, *request.requires),
        volumes_from=(*([infra.id] if infra.record["mounts"] else []), *request.volumes_from),
        devices=(*_devices(infra), *request.devices),
        security=_security(infra, request.security),
    )


def _restart(pod: Pod, request: CreateRequest) -> RestartPolicy | None:
    """Its own policy, or the pod's; a container that is removed at its end has none."""
    kept = pod.record.get("restart")
    if request.restart or request.auto_remove or not kept:
        return request.restart
    return RestartPolicy(kept["name"], kept["max"])


def _own_ids(asked: Namespaces) -> bool:
    return bool(asked.user or asked.uids or asked.gids or asked.subuid or asked.subgid)


def _check_network(asked: Networking) -> None:
    """Raises InvalidArgument for what is the pod's alone, in podman's words."""
    for cause, given in (
        ("published or exposed ports must be defined when the pod is created",
         asked.ports or asked.expose or asked.publish_all),
        ("networks must be defined when the pod is created",
         asked.ip or asked.ip6 or asked.mac or asked.aliases or asked.links),
        ("extra host entries must be specified on the pod", asked.hosts),
        ("name servers must be specified on the pod",
         asked.dns or asked.dns_search or asked.dns_options or asked.keep_resolv_conf),
    ):  # fmt: skip
        if given:
            raise InvalidArgument(f"invalid config provided: {cause}: {_POD_NETWORK}")


def _devices(infra: Container) -> list[Device]:
    return [
        Device(source=d["source"], target=d["target"], access=d["access"])
        for d in infra.record["host"].get("device", ())
    ]


def _security(infra: Container, asked: Security) -> Security:
    """What the pod's security options say, and over it the container's own."""
    options = infra.record["host"].get("security_opt", [])
    if not options:
        return asked
    from crun_py.options import parts

    return replaced(
        parts.security([*options, *asked.options]),
        privileged=asked.privileged,
        cap_add=asked.cap_add,
        cap_drop=asked.cap_drop,
        default_capabilities=asked.default_capabilities,
    )


def let_end(pod: Pod, policy: str) -> None:
    """Give a pod another exit policy.  Raises NotFound when it is gone."""
    with pod.lock():
        record: Record = {**pods.load(pod.paths, pod.id).record, "exit_policy": policy}
        jsonfile.write(pod.directory + "/pod.json", record)
        pod.record = record


# ---- the end ----


def remove(pod: Pod, *, force: bool = False) -> None:
    """Remove a pod and its containers.  force: those that run are killed first.

    Raises Conflict when one of them runs and force is not given, or another container shares a
    namespace of one; NotFound when it is gone.
    """
    with pod.lock():
        members = pod.containers()
        if not force:
            for container in members:
                if container.status().alive and not container.record.get("infra"):
                    raise Conflict(
                        f"removing pod {pod.name}: container {container.name} is running",
                        hint=f"stop it first, or crunpy pod rm -f {pod.name}",
                    )
        _remove(pod.paths, pod.id, members)
    event(pod, "remove")


def discard(paths: Paths, pod_id: str) -> None:
    """Remove what there is of a pod that is half made or half removed, or cannot be read, with its
    containers."""
    try:
        with pods.lock(paths, pod_id):
            _remove(paths, pod_id, pods.members(paths, pod_id))
    except NotFound:
        return  # another sweep was faster


def _remove(paths: Paths, pod_id: str, members: list[Container]) -> None:
    """Under its lock."""
    for container in ending.in_order(members):
        ending.remove(container, force=True, anonymous_volumes=True, with_pod=True)
    if members:
        last = members[0]
        ending.warn_on_error(lambda: pod_group.remove(last, rootless=host_uid() != 0))
    directory = paths.pod(pod_id)
    if os.path.exists(directory + "/pod.json"):
        os.unlink(directory + "/pod.json")  # whatever comes now, a sweep finishes it
    state.release_names(paths, state.POD + pod_id)
    remove_tree(directory)


def event(pod: Pod, action: str) -> None:
    """An event of a pod."""
    attributes = {**pod.record["labels"], "name": pod.name}
    events.emit(pod.paths, "pod", action, pod.id, attributes)
