"""All that is mounted in a container: what every one has, volumes, tmpfs, images.

`decide` makes the spec's `mounts` and the record's; mount_sources then creates what is missing
on the host.  Nothing is created before everything is decided.
"""

from __future__ import annotations

import os

from crun_py import spec, state, volumes
from crun_py.container import mount_entries as entries
from crun_py.container.record import is_systemd
from crun_py.errors import InvalidArgument, NotFound, Unsupported
from crun_py.model.container import Bind, VolumeMount
from crun_py.ns.idmap import Ids
from crun_py.overlay.whiteout import holds_no_overlay
from crun_py.paths import Paths, in_user_namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from crun_py.documents.container import MountEntry, Record
    from crun_py.documents.image import ImageConfig
    from crun_py.documents.spec import Mount as SpecMount
    from crun_py.model.container import CreateRequest, IdMap

_OPTION_BYTES = 4000
_MARKERS = ("/.dockerenv", "/run/.containerenv")
"""Empty files by which programs tell that they run in a container (Docker's, podman's)."""


def decide(
    paths: Paths,
    record: Record,
    config: ImageConfig,
    request: CreateRequest,
    files: Iterable[str],
    host: spec.Host,
    user: tuple[int, int],
) -> tuple[list[SpecMount], list[MountEntry]]:
    """The spec's mounts, shallow ones first, and the record's: volumes, binds and images.

    user: the ids of the container's user.  files: those of the container's own that it has beside
    the usual ones (passwd, group).
    """
    mounts = {m["destination"]: m for m in _own(paths, record, request, files, host)}
    named = entries.chosen(request.mounts)
    asked = entries.wanted_volumes(request)
    maps = {volumes.check_destination(m.target, m.target): m.id_map for m in request.mounts
            if isinstance(m, (Bind, VolumeMount))}  # fmt: skip
    kept: list[MountEntry] = []
    _borrow(paths, request, named)
    how = request.image_volumes
    if how not in ("bind", "anonymous", "tmpfs", "ignore"):
        raise InvalidArgument(
            f"image volumes {how!r}: not known", hint="known: bind, anonymous, tmpfs, ignore"
        )
    for text in sorted(config.get("Volumes") or {}):
        destination = volumes.check_destination(text, "the image's volume " + text)
        volumes.check_place(destination, "the image's volume " + text)
        if destination in mounts or destination in named or how == "ignore":
            continue
        if how == "tmpfs":
            mounts[destination] = spec.mount(
                "tmpfs", "tmpfs", destination, "nosuid", "nodev", "noexec"
            )
        else:
            named[destination] = entries.entry_of(VolumeMount(name="", target=destination))
    for number, destination in enumerate(sorted(named)):
        entry = named[destination]
        kind = entry["type"]
        if kind in ("tmpfs", *entries.KERNEL_MOUNTS):
            own = entries.KERNEL_MOUNTS.get(kind, ())
            if entry.get("chown"):
                own = (*own, f"uid={user[0]}", f"gid={user[1]}")
            mounts[destination] = spec.mount(
                kind, kind, destination, *entries.flags(entry, kind), *own
            )
            continue
        if table := maps.get(destination):
            entry["id_map"] = _id_map(record, destination, table)
        elif entry.get("idmap") and record["userns"] and in_user_namespace():
            raise _for_root_only(destination, "idmap")
        privileged = request.security.privileged
        options = asked[destination].options if destination in asked else {}
        mounts[destination] = _volume(
            paths, record, entry, number, host, options, privileged=privileged
        )
        kept.append(entry)
    on_run = named.get("/run")
    if request.rootfs or (
        on_run and on_run["type"] != "tmpfs"
    ):  # nothing is made in a directory of the host's
        for target in _MARKERS:
            del mounts[target]
    # what lies deeper is mounted later: a volume on /etc must not hide /etc/hosts
    return sorted(mounts.values(), key=lambda m: m["destination"].count("/")), kept


def _own(
    paths: Paths,
    record: Record,
    request: CreateRequest,
    files: Iterable[str],
    host: spec.Host,
) -> list[SpecMount]:
    """What the engine mounts by itself."""
    privileged = request.security.privileged
    systemd = is_systemd(request.systemd, record["args"])
    words = record["namespaces"]
    mounts = spec.default_mounts(
        host,
        request.shm_bytes,
        host_network=record["network"]["mode"] == "host",
        devices=privileged or bool(request.device_rules),
    )
    found = {m["destination"]: m for m in mounts}
    if (privileged or systemd) and "/sys/fs/cgroup" in found:
        found["/sys/fs/cgroup"]["options"].remove("ro")
    if privileged:
        own = found["/sys"]
        own["options"] = [word for word in own["options"] if word not in ("ro", "rro")]
    if words["pid"] == "host" and host.in_userns:
        # procfs belongs to the pid namespace's owner, which is not us
        found["/proc"] = spec.mount("bind", "/proc", "/proc", "rbind")
    quiet = ("rbind", "nosuid", "noexec", "nodev")
    if words["ipc"] == "host":
        for name in ("/dev/shm", "/dev/mqueue"):
            found[name] = spec.mount("bind", name, name, *quiet)
            if not os.path.isdir(name):
                del found[name]
    elif words["ipc"] == "none":
        del found["/dev/shm"], found["/dev/mqueue"]
    elif words["ipc"].startswith("container:"):
        found["/dev/shm"] = spec.mount("bind", words["ipc"], "/dev/shm", *quiet)
    directory = paths.container(record["id"])
    for name in ("resolv.conf", "hosts", "hostname"):
        left = (name == "hosts" and request.network.keep_hosts) or (
            name == "resolv.conf" and request.network.keep_resolv_conf
        )
        if not left:
            found[f"/etc/{name}"] = _file(
                f"{directory}/{name}", f"/etc/{name}", read_only=request.read_only
            )
    for name in files:
        found[f"/etc/{name}"] = _file(
            f"{directory}/{name}", f"/etc/{name}", read_only=request.read_only
        )
    for target in _MARKERS:
        found[target] = spec.mount("bind", directory + "/marker", target, "rbind", "ro")
    if record["timezone"]:
        target = "/etc/localtime"
        found[target] = spec.mount("bind", directory + "/localtime", target, "rbind", "ro")
    scratch: tuple[str, ...] = ()
    if request.read_only and request.read_only_tmpfs:
        scratch = ("/run", "/tmp", "/var/tmp")
    if systemd:
        scratch = ("/run", "/run/lock", "/tmp", "/var/log/journal")
    for path in scratch:
        found[path] = spec.mount("tmpfs", "tmpfs", path, "nosuid", "nodev", "mode=1777")
    return list(found.values())


def _file(source: str, target: str, *, read_only: bool) -> SpecMount:
    """The mount of one of the engine's own files."""
    how = ("rbind", "ro") if read_only else ("rbind",)
    return spec.mount("bind", source, target, *how)


def _id_map(record: Record, destination: str, table: IdMap) -> dict[str, list[list[int]]]:
    """The record's rows: what is shown are ids as the engine sees them.  Raises Unsupported."""
    if in_user_namespace():
        raise _for_root_only(destination, "idmap with a map")
    ids = Ids.of(record) if table.relative else None
    return {
        "uids": [[a, ids.outside(b, 0)[0] if ids else b, n] for a, b, n in table.uids],
        "gids": [[a, ids.outside(0, b)[1] if ids else b, n] for a, b, n in table.gids],
    }


def _for_root_only(destination: str, what: str) -> Unsupported:
    return Unsupported(
        f"mounting {destination}: {what} is for root only: the kernel maps no mount for a plain "
        "user",
        hint="--userns keep-id, or the option U, give files to the container's user",
    )


def _borrow(paths: Paths, request: CreateRequest, named: dict[str, MountEntry]) -> None:
    """Add what volumes_from names to what has no other mount."""
    for text in request.volumes_from:
        for part in [text] if ":" in text else text.split(","):
            other = state.find(paths, part.partition(":")[0])
            for entry in volumes.borrow(other.record["mounts"], part):
                named.setdefault(entry["destination"], entry)


def _volume(
    paths: Paths,
    record: Record,
    entry: MountEntry,
    number: int,
    host: spec.Host,
    options: dict[str, str],
    *,
    privileged: bool,
) -> SpecMount:
    """The spec's mount for one of the record; only names are decided here.

    options: of a volume that is made for it."""
    destination = entry["destination"]
    flags = [] if privileged or "dev" in entry["options"] else ["nodev"]
    flags += [] if entry["rw"] else ["ro" if "norro" in entry["options"] else "rro"]
    if entry["type"] == "image":
        own = _own_layer(paths, record, entry, number) if entry["rw"] else {}
        return _image(paths, entry, own, host)
    if entry["type"] == "volume":
        if not entry["name"]:
            entry["name"], entry["anonymous"] = volumes.new_name(), True
        if os.path.isdir(volumes.data_directory(paths, entry["name"])):
            options = volumes.options_of(paths, entry["name"])
        options = volumes.mounted_instead(options)
        if options and entry.get("subpath"):
            raise InvalidArgument(f"volume {entry['name']}: parts of it cannot be mounted")
        entry["source"] = volumes.data_directory(paths, entry["name"])
        if options:
            entry["copy"] = False
            # as root, a file system is mounted on the volume's directory (volume_mounts)
            if in_user_namespace() or not volumes.mounted_type(options):
                return _mounted_volume(options, destination, flags, host)
            entry["mounted"] = True
    elif not entry.get("create", True) and not os.path.lexists(entry["source"]):
        raise InvalidArgument(
            f"mounting {entry['source']}: no such file or directory",
            hint="-v makes a missing directory, --mount does not",
        )
    if entry.get("overlay"):
        upper = _own_layer(paths, record, entry, number)
        return _overlay(destination, [entry["source"]], upper, host, *flags)
    recursive = "bind" if "norbind" in entry["options"] else "rbind"
    passed = [o for o in entry["options"] if o not in ("norbind", "norro")]
    return spec.mount("bind", entry["source"], destination, recursive, *flags, *passed)


def _mounted_volume(
    options: dict[str, str], destination: str, flags: list[str], host: spec.Host
) -> SpecMount:
    """The mount of a volume that is made of something else (options/volume_options), and that is
    no mount of the host's: of a directory, or as the container's own."""
    words = [w for w in options.get("o", "").split(",") if w and w not in ("bind", "rbind", "rw")]
    kind = volumes.mounted_type(options)
    flags = ["ro" if word == "rro" and kind else word for word in flags]
    if kind == "tmpfs":
        return spec.mount("tmpfs", "tmpfs", destination, "nosuid", *flags, *words)
    if kind == "overlay":
        words += ["userxattr"] if host.in_userns else []
        return spec.mount("overlay", "overlay", destination, *flags, *words)
    if kind:
        raise Unsupported(f"mounting {destination}: a volume of type {kind} is for root only")
    return spec.mount("bind", options["device"], destination, "rbind", *flags, *words)


def _own_layer(paths: Paths, record: Record, entry: MountEntry, number: int) -> dict[str, str]:
    """Changes of a mount go into a layer of the container's own: the overlay's options."""
    if holds_no_overlay(paths.root):
        raise Unsupported(
            f"mounting {entry['destination']}: the file system of {paths.root} holds no overlay",
            hint="without a layer for changes it can be mounted",
        )
    entry["layer"] = f"volume-{number}"
    own = f"{paths.container(record['id'])}/{entry['layer']}"
    return {"upperdir": own + "/upper", "workdir": own + "/work"}


def _image(paths: Paths, entry: MountEntry, upper: dict[str, str], host: spec.Host) -> SpecMount:
    from crun_py.oci.store.images import ImageStore

    image = ImageStore(paths).lookup(entry["name"])
    if image is None:
        raise NotFound(
            f"mounting image {entry['name']}: not in this store",
            hint=f"crunpy pull {entry['name']}",
        )
    if not image.kept and not paths.looking:
        from crun_py.oci.transfer.intake import own

        image = own(paths, image)
    entry["image_id"] = image.id
    layers, target = image.layers, entry["destination"]
    if holds_no_overlay(paths.root) and not paths.looking:
        from crun_py.overlay import copied

        layers = [copied.whole(layers)]
    entry["source"] = layers[-1]
    if upper:
        return _overlay(target, layers[::-1], upper, host, "nodev")
    if len(layers) == 1 or entry.get("subpath"):  # that is taken out of it at the start (subpaths)
        return spec.mount("bind", layers[-1], target, "rbind", "rro", "nodev")
    return _overlay(target, layers[::-1], {}, host, "ro", "nodev")


def _overlay(
    destination: str, lowers: list[str], upper: dict[str, str], host: spec.Host, *flags: str
) -> SpecMount:
    options = ["lowerdir=" + ":".join(map(_escaped, lowers))]
    options += [f"{key}={_escaped(path)}" for key, path in upper.items()]
    options += ["userxattr"] if host.in_userns else []
    if sum(map(len, options)) > _OPTION_BYTES:
        raise Unsupported(f"mounting on {destination}: too many layers for one mount")
    return spec.mount("overlay", "overlay", destination, *flags, *options)


def _escaped(path: str) -> str:
    if "," in path:
        raise Unsupported(f"mounting {path}: an overlay cannot have a comma in its path")
    return path.replace("\\", "\\\\").replace(":", "\\:")
