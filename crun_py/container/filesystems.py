"""All that is mounted in a container: what every one has, volumes, tmpfs, images.

`decide` makes the spec's `mounts` and the record's; `make` then creates what is missing on
the host.  Nothing is created before everything is decided.
"""

from __future__ import annotations

import os

from crun_py import spec, state, volumes
from crun_py.apart import apart
from crun_py.container.record import is_systemd
from crun_py.errors import InvalidArgument, NotFound, Unsupported
from crun_py.model.container import Bind, ImageMount, Tmpfs, VolumeMount
from crun_py.paths import Paths, private_dir
from crun_py.tree import change_owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from crun_py.documents.container import MountEntry, Record
    from crun_py.documents.image import ImageConfig
    from crun_py.documents.spec import Mount as SpecMount
    from crun_py.model.container import CreateRequest, Mount
    from crun_py.ns.idmap import Ids

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
) -> tuple[list[SpecMount], list[MountEntry]]:
    """The spec's mounts, shallow ones first, and the record's: volumes, binds and images.

    files: those of the container's own that it has beside the usual ones (passwd, group).
    """
    mounts = {m["destination"]: m for m in _own(paths, record, request, files, host)}
    named = chosen(request.mounts)
    asked = _volumes(request)
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
            named[destination] = _entry(VolumeMount(name="", target=destination))
    for number, destination in enumerate(sorted(named)):
        entry = named[destination]
        if entry["type"] == "tmpfs":
            mounts[destination] = spec.mount("tmpfs", "tmpfs", destination, *_flags(entry))
            continue
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
        devices=privileged,
    )
    found = {m["destination"]: m for m in mounts}
    if (privileged or systemd) and "/sys/fs/cgroup" in found:
        found["/sys/fs/cgroup"]["options"].remove("ro")
    if privileged:
        found["/sys"]["options"].remove("ro")
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


def chosen(mounts: Iterable[Mount]) -> dict[str, MountEntry]:
    """What is asked for, as entries of the record, by destination.

    Raises InvalidArgument when two have one destination; the very same one twice counts once.
    """
    found: dict[str, tuple[Mount, MountEntry]] = {}
    for mount in mounts:
        entry = _entry(mount)
        destination = entry["destination"]
        first = found.setdefault(destination, (mount, entry))[0]
        if first != mount:
            raise InvalidArgument(
                f"mounting {destination}: two mounts have this destination: "
                f"{_described(first)} and {_described(mount)}"
            )
    return {destination: entry for destination, (_, entry) in found.items()}


def _described(mount: Mount) -> str:
    """For an error: how it may have been written."""
    if isinstance(mount, Tmpfs):
        return f"tmpfs {mount.target}"
    source = mount.source if isinstance(mount, Bind) else getattr(mount, "name", "")
    if isinstance(mount, ImageMount):
        return f"image {mount.image}:{mount.target}"
    return ":".join(filter(None, (source, mount.target, mount.mode)))


def _entry(mount: Mount) -> MountEntry:
    """The record's entry for a mount.  Raises InvalidArgument."""
    what = _described(mount)
    source = mount.source if isinstance(mount, Bind) else None
    entry: MountEntry = {
        "type": "tmpfs", "name": "", "source": source or "",
        "destination": volumes.check_destination(mount.target, what),
        "rw": True, "mode": "", "options": [], "copy": True, "create": True,
    }  # fmt: skip
    if not (isinstance(mount, Tmpfs) and entry["destination"].startswith("/sys/")):
        volumes.check_place(entry["destination"], what, source)
    if isinstance(mount, Tmpfs):
        return {**entry, "options": [*mount.options]}
    if isinstance(mount, ImageMount):
        return {**entry, "type": "image", "name": mount.image, "rw": mount.writable}
    entry["rw"], entry["mode"] = not mount.read_only, mount.mode
    entry["options"] = [*mount.flags, *([mount.propagation] if mount.propagation else [])]
    if isinstance(mount, Bind):
        if not os.path.isabs(mount.source):
            raise InvalidArgument(f"mounting {mount.source!r}: not an absolute path")
        entry |= {"type": "bind", "create": mount.create}
        entry["options"] += [] if mount.recursive else ["norbind"]
    else:
        entry |= {"type": "volume", "name": mount.name, "copy": mount.copy}
        if mount.name:
            volumes.check_name(mount.name)
        if mount.subpath:
            entry |= {"subpath": _subpath(mount), "copy": False}
    if mount.chown:
        entry["chown"] = True
    if mount.idmapped:
        entry["idmap"] = True
    if isinstance(mount, Bind) and mount.overlay:
        entry["overlay"] = True
    return entry


def _subpath(mount: VolumeMount) -> str:
    """The part of a volume that is mounted.  Raises InvalidArgument."""
    path = mount.subpath
    if path.startswith("/") or ".." in path.split("/") or "\0" in path:
        raise InvalidArgument(f"volume subpath {path!r}: a path within the volume, without ..")
    if not mount.name or mount.idmapped or mount.chown:
        raise InvalidArgument(
            f"volume subpath {path!r}: of a volume with a name, without U or idmap"
        )
    return os.path.normpath(path)


def _volumes(request: CreateRequest) -> dict[str, VolumeMount]:
    """Those that are asked for, by destination."""
    found = (mount for mount in request.mounts if isinstance(mount, VolumeMount))
    return {volumes.check_destination(m.target, _described(m)): m for m in found}


def _flags(entry: MountEntry) -> list[str]:
    """The options of a tmpfs, with docker's where nothing else is said."""
    given = entry["options"]
    opposites = {"nosuid": "suid", "nodev": "dev", "noexec": "exec"}
    return [*(name for name, other in opposites.items() if other not in given), *given]


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
    flags += ["ro"] if not entry["rw"] else []
    if entry["type"] == "image":
        own = _own_layer(paths, record, entry, number) if entry["rw"] else {}
        return _image(paths, entry, own, host)
    if entry["type"] == "volume":
        if not entry["name"]:
            entry["name"], entry["anonymous"] = volumes.new_name(), True
        if os.path.isdir(volumes.data_directory(paths, entry["name"])):
            options = volumes.options_of(paths, entry["name"])
        if options and entry.get("subpath"):
            raise InvalidArgument(f"volume {entry['name']}: parts of it cannot be mounted")
        if options:
            entry["copy"] = False
            entry["source"] = volumes.data_directory(paths, entry["name"])
            return _mounted_volume(options, destination, flags)
        entry["source"] = volumes.data_directory(paths, entry["name"])
    elif not entry.get("create", True) and not os.path.lexists(entry["source"]):
        raise InvalidArgument(
            f"mounting {entry['source']}: no such file or directory",
            hint="-v makes a missing directory, --mount does not",
        )
    if entry.get("overlay"):
        upper = _own_layer(paths, record, entry, number)
        return _overlay(destination, [entry["source"]], upper, host, *flags)
    recursive = "bind" if "norbind" in entry["options"] else "rbind"
    passed = [o for o in entry["options"] if o != "norbind"]
    return spec.mount("bind", entry["source"], destination, recursive, *flags, *passed)


def _mounted_volume(options: dict[str, str], destination: str, flags: list[str]) -> SpecMount:
    """The mount of a volume that is made of something else (options/volume_options)."""
    words = [w for w in options.get("o", "").split(",") if w and w not in ("bind", "rbind", "rw")]
    if options.get("type") == "tmpfs":
        return spec.mount("tmpfs", "tmpfs", destination, "nosuid", *flags, *words)
    return spec.mount("bind", options["device"], destination, "rbind", *flags, *words)


def _own_layer(paths: Paths, record: Record, entry: MountEntry, number: int) -> dict[str, str]:
    """Changes of a mount go into a layer of the container's own: the overlay's options."""
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
    if not image.kept:
        from crun_py.oci.transfer.intake import own

        image = own(paths, image)
    entry["image_id"] = image.id
    if upper:
        entry["source"] = image.layers[-1]
        return _overlay(entry["destination"], image.layers[::-1], upper, host, "nodev")
    if len(image.layers) == 1:
        entry["source"] = image.layers[0]
        return spec.mount("bind", image.layers[0], entry["destination"], "rbind", "ro", "nodev")
    entry["source"] = image.layers[-1]
    return _overlay(entry["destination"], image.layers[::-1], {}, host, "ro", "nodev")


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


def make(
    paths: Paths,
    directory: str,
    record: Record,
    request: CreateRequest,
    layers: list[str],
    made: list[str],
    owner: tuple[int, int],
    ids: Ids | None,
) -> None:
    """Create what the mounts of the record need on the host.

    directory: the container's, in the making; layers: the image's, base first; made: names of
    new volumes are added to it; owner: uid and gid on the host of the container's user, for
    the option U; ids: the container's, if it has a user namespace of its own.
    """
    asked = _volumes(request)
    for entry in record["mounts"]:
        for name in ("upper", "work") if "layer" in entry else ():
            os.makedirs(f"{directory}/{entry['layer']}/{name}", 0o755)
        if entry["type"] == "image":
            continue
        if entry["type"] == "bind":
            _make_source(entry)
        else:
            wanted = asked.get(entry["destination"])
            _make_volume(paths, record, entry, wanted, layers, made, ids)
        if entry.get("chown"):
            try:
                change_owner(entry["source"], lambda uid, gid: owner)
            except OSError as e:
                raise InvalidArgument.from_os(
                    f"changing the owner of {entry['source']} (option U)", e
                ) from e


def _make_source(entry: MountEntry) -> None:
    try:
        # as Docker: a directory that is missing on the host is made
        if entry.get("create", True) and not os.path.lexists(entry["source"]):
            os.makedirs(entry["source"], 0o755)
    except OSError as e:
        raise InvalidArgument.from_os(f"creating {entry['source']} for a mount", e) from e


def _make_volume(
    paths: Paths,
    record: Record,
    entry: MountEntry,
    asked: VolumeMount | None,
    layers: list[str],
    made: list[str],
    ids: Ids | None,
) -> None:
    def fill(data: str) -> None:
        if ids:
            os.chown(data, *ids.outside(0, 0))
        if entry.get("copy", True):
            _copy_up(paths, record, entry["destination"], layers, data, ids)

    with volumes.Filling(paths, record["id"]) as stage:
        is_new = volumes.ensure(
            paths,
            entry["name"],
            stage,
            fill,
            anonymous=entry.get("anonymous", False),
            labels={**asked.labels} if asked else None,
            options={**asked.options} if asked else None,
        )
        if is_new:
            made.append(entry["name"])


def _copy_up(
    paths: Paths,
    record: Record,
    path: str,
    layers: list[str],
    data: str,
    ids: Ids | None,
) -> None:
    """What the image has at `path` goes into the new volume, as docker's."""
    from crun_py.overlay import copy

    own_ids = record["userns"]
    owner = (
        ids.outside if ids and own_ids and own_ids["idmapped"] else (lambda uid, gid: (uid, gid))
    )

    def act() -> None:
        if directory := record.get("rootfs"):
            root = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        else:
            root = copy.root_of(layers[::-1], private_dir(paths.run + "/rootfs"))
        copy.copy_up(root, path, data, owner)

    apart(act)
