"""`create`: from a request and an image to a container on disk, which nothing runs yet.

Everything is decided and checked before the first file is written; the directory is then
made under a staging name and appears by one rename.
"""

from __future__ import annotations

import os
import resource as rlimit

from crun_py import events, jsonfile, names, notices, ns, spec, state, volumes
from crun_py.container import (
    environment,
    filesystems,
    mount_entries,
    namespaces,
    resources,
    uses,
)
from crun_py.container import record as records
from crun_py.errors import Conflict, InvalidArgument, Unsupported
from crun_py.net import connection
from crun_py.ns import users
from crun_py.ns.idmap import Ids, own_map
from crun_py.overlay import rootfs
from crun_py.overlay.view import LayeredView
from crun_py.overlay.whiteout import holds_no_overlay
from crun_py.paths import Paths, in_user_namespace
from crun_py.record import replaced
from crun_py.staging import Staging, note_transient
from crun_py.tree import change_owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from crun_py.documents.container import Record
    from crun_py.documents.image import ImageAbout, ImageConfig
    from crun_py.documents.spec import LinuxDevice, Spec
    from crun_py.model.container import CreateRequest, Namespaces, Networking, Security
    from crun_py.ns.selinux import Labels

    class Basis(Protocol):
        """What a container's files and defaults are from: an image, or a build's state."""

        @property
        def id(self) -> str: ...

        @property
        def config(self) -> ImageAbout: ...

        @property
        def layers(self) -> list[str]: ...


class Decision:
    """What a container is to be.

    request: as it was asked for, with what CDI descriptions add.  record, document: container.json
    and config.json.  user: who its command is.  layers: of its root, base first.  entries: files
    of its own beside the usual ones.
    """

    __slots__ = ("document", "entries", "layers", "record", "request", "user")

    def __init__(
        self,
        request: CreateRequest,
        record: Record,
        document: Spec,
        user: users.User,
        layers: list[str],
        entries: dict[str, bytes],
    ) -> None:
        self.request, self.record, self.document = request, record, document
        self.user, self.layers, self.entries = user, layers, entries


def create(
    paths: Paths, image: Basis | None, request: CreateRequest, container_id: str = ""
) -> state.Container:
    """Make a container of `image`, or (None) of the directory that `request` names.

    container_id: a new one unless given.  Raises InvalidArgument, Conflict (name), NotFound,
    Unsupported.
    """
    decision = decide(paths, image, request, container_id or state.new_id())
    record = decision.record
    if record.get("selinux") and not record.get("rootfs"):
        from crun_py.container import labelling

        labelling.layers(paths, decision.layers)
    container = write(
        paths,
        decision.request,
        record,
        decision.document,
        decision.layers,
        decision.entries,
        durable=not record["auto_remove"],
    )
    events.container(container, "create")
    return container


def decide(
    paths: Paths, image: Basis | None, request: CreateRequest, container_id: str
) -> Decision:
    """What container `container_id` is to be.  Nothing is made, but for layers with other owners
    and a default network, which is not done for those who are only looking (paths).

    Raises as `create`, but for names that are taken.
    """
    if request.device_rules and in_user_namespace():
        raise Unsupported(
            "device cgroup rules: root of the host alone can have them",
            hint="--device gives a device that you may open",
        )
    if request.cdi:
        from crun_py.container import cdi

        request = cdi.applied(request)
    config: ImageConfig = (image.config.get("config") or {}) if image else {}
    layers = image.layers if image else []
    if image is None:
        request = replaced(request, rootfs=_rootfs(request.rootfs))
        # changes stay out of the directory, podman-run(1), --rootfs
        layers = [request.rootfs] if request.rootfs_overlay else []
    own_ids = None
    if _asks_for_ids(request.namespaces):
        from crun_py.container import userns

        own_ids, layers = userns.decide(paths, request.namespaces, layers)
        request = replaced(request, user=userns.user_for(request.user, own_ids))
    record = records.make(
        paths,
        container_id,
        image.id if image else "",
        config,
        request,
        userns=own_ids,
        layers=layers,
    )
    if layers and holds_no_overlay(paths.root):
        record["copied"] = True
    view = LayeredView(layers[::-1] or [request.rootfs])
    user = users.resolve(view, record["config"]["user"], list(request.groups))
    host = _host(Ids.of(record))
    entries: dict[str, bytes] = {}
    if request.passwd:
        name = ""
        if own_ids:
            from crun_py.container import userns

            name = userns.caller(paths, own_ids)
        own_lines = request.passwd_entry, request.group_entry
        entries = users.entries(view, user, name, own_lines)
    mounts, kept = filesystems.decide(
        paths, record, config, request, [*entries], host, (user.uid, user.gid)
    )
    env = environment.environment(record, config, request.environment, user.home)
    systemd = records.is_systemd(request.systemd, record["args"])
    if systemd:
        env.append("container=crunpy")
    chosen = environment.chosen_environment(config, request.environment)
    record = records.completed(record, kept, env, chosen)
    labels = _labels(paths, record, request.security, systemd=systemd)
    if labels:
        record["selinux"] = {
            "process": labels.process, "mount": labels.mount, "nested": labels.nested,
        }  # fmt: skip
    devices = _all_devices() if request.security.privileged else []
    document = spec.build(
        args=record["args"],
        env=env,
        cwd=record["config"]["workdir"],
        user=user,
        hostname=record["hostname"],
        request=request,
        namespaces=namespaces.listed(
            record["network"]["mode"], record["namespaces"], own_user=bool(own_ids)
        ),
        mounts=mounts,
        host=host,
        rootfs=paths.run + "/rootfs",
        devices=[*devices, *(_device(d.source, d.target) for d in request.devices)],
        resources=resources.resources(request.limits),
        userns=own_ids,
        systemd=systemd,
        apparmor=_profile(request.security),
        labels=labels,
    )
    return Decision(request, record, document, user, layers, entries)


def in_pod(paths: Paths, image: Basis | None, request: CreateRequest) -> state.Container:
    """As `create`, for a container of a pod (request.pod: its id): nobody removes that now."""
    from crun_py import pods

    with pods.load(paths, request.pod).lock():
        pods.load(paths, request.pod)  # it may have been removed while we waited
        return create(paths, image, request)


def networks(asked: Networking) -> list[str]:
    """The networks that a container asks for, without looking whether there are such."""
    joined = [join.network for join in asked.networks]
    if joined:
        return joined
    word = asked.mode
    default = word in ("bridge", "default", "private", "")
    return [] if default or connection.is_alone(word) else [word]


def check(request: CreateRequest) -> None:
    """Raises InvalidArgument for what is wrong whatever the image is, so that none is pulled
    first."""
    mount_entries.chosen(request.mounts)
    resources.resources(request.limits)
    spec.rlimits(request.ulimits, 0)
    if request.keep_groups and request.groups:
        raise InvalidArgument("group-add keep-groups: it goes with no other group")
    for port in request.network.ports:
        if not (0 < port.container_port < 1 << 16 and 0 <= port.host_port < 1 << 16):
            raise InvalidArgument(f"port {port.host_port}:{port.container_port}: not 1 to 65535")
    if request.name:
        state.check_name(request.name)


def _rootfs(path: str) -> str:
    """The directory that --rootfs means.  Raises InvalidArgument."""
    found = os.path.realpath(path)
    if not os.path.isdir(found) or found == "/":
        raise InvalidArgument(
            f"root file system {path}: not a directory to be a container's root",
            hint="with --rootfs the first argument is a directory, not an image",
        )
    return found


def _asks_for_ids(asked: Namespaces) -> bool:
    return bool(asked.user or asked.uids or asked.gids or asked.subuid or asked.subgid)


def _profile(security: Security) -> str:
    """The AppArmor profile that is to confine it, "" for none."""
    if not os.path.isdir("/sys/kernel/security/apparmor") or security.apparmor == "unconfined":
        return ""
    from crun_py.ns import apparmor

    if security.apparmor:
        return security.apparmor
    return "" if security.privileged or in_user_namespace() else apparmor.default()


def _labels(paths: Paths, record: Record, security: Security, *, systemd: bool) -> Labels | None:
    """The SELinux labels that it is to have, None for none."""
    if not os.path.exists(ns.SELINUX_FS + "/enforce"):
        return None
    from crun_py.container import labelling

    return labelling.decide(paths, record, security, systemd=systemd)


def _host(ids: Ids | None) -> spec.Host:
    in_userns = in_user_namespace() or ids is not None
    gids = ids.gids if ids else own_map("gid") if in_userns else [[0, 0, 6]]
    return spec.Host(
        in_userns=in_userns,
        highest_gid=max(row[0] + row[2] - 1 for row in gids) if in_userns else (1 << 31) - 1,
        gid_tty=any(row[0] <= 5 < row[0] + row[2] for row in gids),
        hard_nofile=rlimit.getrlimit(rlimit.RLIMIT_NOFILE)[1],
        thermal=_thermal(),
    )


_CPUS = "/sys/devices/system/cpu"


def _thermal() -> list[str]:
    """What tells how warm each processor is, and so what others do; they may be numbered with gaps,
    and the first one be off."""
    try:
        names = [name for name in os.listdir(_CPUS) if name[:3] == "cpu" and name[3:].isdigit()]
    except OSError:  # no sysfs, where somebody runs us in a container
        return []
    paths = [f"{_CPUS}/{name}/thermal_throttle" for name in sorted(names)]
    return [path for path in paths if os.path.isdir(path)]


def _device(source: str, target: str = "") -> LinuxDevice:
    """The spec's entry for a node of the host.  Raises InvalidArgument."""
    import stat

    target = target or source
    try:
        found = os.stat(source)
    except OSError as e:
        raise InvalidArgument.from_os(f"device {source}", e) from e
    if not stat.S_ISCHR(found.st_mode) and not stat.S_ISBLK(found.st_mode):
        raise InvalidArgument(f"device {source}: not a device node")
    return {
        "path": volumes.check_destination(target, source),
        "source": source,
        "type": "c" if stat.S_ISCHR(found.st_mode) else "b",
        "major": os.major(found.st_rdev),
        "minor": os.minor(found.st_rdev),
        "fileMode": stat.S_IMODE(found.st_mode),
    }


def _all_devices() -> list[LinuxDevice]:
    """Every node in the host's /dev, for --privileged; terminals stay the host's."""
    import stat

    found = []
    for directory, subdirectories, files in os.walk("/dev"):
        subdirectories[:] = [d for d in subdirectories if d not in ("pts", "shm", "mqueue")]
        for name in files:
            path = f"{directory}/{name}"
            mode = os.lstat(path).st_mode
            if name not in ("console", "ptmx") and (stat.S_ISCHR(mode) or stat.S_ISBLK(mode)):
                found.append(_device(path))
    return found


# ---- what is written ----


def _tell_of_copies(paths: Paths) -> None:
    """Once for a store: what it costs to have it where it is."""
    notices.warn_once(
        paths.root + "/copied",
        f"the store {paths.root} is on a file system that holds no overlay: each container gets a "
        "copy of its image's files (on a volume it would start faster and take less room)",
    )


def write(
    paths: Paths,
    request: CreateRequest,
    record: Record,
    document: Spec,
    layers: list[str],
    entries: dict[str, bytes],
    *,
    durable: bool,
) -> state.Container:
    """Make the files of a container that is decided.  layers: directories, base first.  entries:
    files of its own beside the usual ones.  durable: it is there after a power cut.

    Raises Conflict (name), InvalidArgument, NotFound; nothing is left then.
    """
    staging = Staging(paths, record["id"])
    owner = document["process"]["user"]["uid"], document["process"]["user"]["gid"]
    ids = Ids.of(record)
    if ids:
        owner = ids.outside(*owner)
    made: list[str] = []
    container = state.Container(paths, record, document)
    staging.open(uses.claim_of(container), lambda: uses.check_images(container))
    try:
        record = container.record = {**record, "name": _take_name(paths, record)}
        rootfs.prepare(staging.directory, layers)
        if record.get("copied"):
            from crun_py.overlay import copied

            owner_of = ids.outside if ids else copied.same
            copied.fill(layers, staging.directory + "/upper", owner_of)
            _tell_of_copies(paths)
        if size := record["host"].get("storage_bytes"):
            from crun_py import quota

            quota.limit([f"{staging.directory}/{name}" for name in ("upper", "work")], size)
        if ids and record["userns"] and record["userns"]["idmapped"]:
            change_owner(staging.directory + "/upper", ids.outside)
        if record["mounts"]:
            from crun_py.container import mount_sources

            mount_sources.make(paths, staging.directory, record, request, layers, made, owner, ids)
        if record["timezone"]:
            data = jsonfile.read_bytes(record["timezone"])
            jsonfile.write_bytes(staging.directory + "/localtime", data, durable=False, mode=0o644)
        if record["auto_remove"]:
            note_transient(staging.directory)
        for name, data in {"marker": b"", **entries}.items():
            jsonfile.write_bytes(f"{staging.directory}/{name}", data, durable=False, mode=0o644)
        # made now: on a full disk it could not be made when the container is removed
        os.close(os.open(staging.directory + "/lock", os.O_CREAT | os.O_CLOEXEC, 0o600))
        jsonfile.write(staging.directory + "/config.json", document, durable=durable)
        jsonfile.write(staging.directory + "/container.json", record, durable=durable)
        staging.commit(durable=durable)
    except BaseException:
        if not staging.committed:  # else the interrupt came after: it is a container
            for name in made:
                uses.give_back_volume(container, name)
            if container.name:
                state.release_name(paths, container.name, container.id)
            else:  # it may just have been taken
                state.release_names(paths, container.id)
        staging.discard()
        raise
    return container


def _take_name(paths: Paths, record: Record) -> str:
    """The name that it has now."""
    if not record["name"]:
        return made_up_name(paths, record["id"])
    state.take_name(paths, record["name"], record["id"])
    return record["name"]


def made_up_name(paths: Paths, holder: str) -> str:
    """A name that nobody has, taken for `holder` (state.take_name)."""
    for _ in range(100):
        try:
            name = names.generate()
            state.take_name(paths, name, holder)
            return name
        except Conflict:
            continue
    name = names.generate() + holder[-6:]
    state.take_name(paths, name, holder)
    return name
