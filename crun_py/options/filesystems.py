"""All that is mounted in a container: what every one has, volumes, tmpfs, images.

`decide` makes the spec's `mounts` and the record's; `make` then creates what is missing on
the host.  Nothing is created before everything is decided.
"""

from __future__ import annotations

import os

from crun_py import quantity, spec, state, volumes
from crun_py.apart import apart
from crun_py.errors import InvalidArgument, NotFound, Unsupported
from crun_py.options import request
from crun_py.paths import Paths, private_dir
from crun_py.tree import change_owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crun_py.ns.idmap import Ids

SHM_BYTES = 64 << 20
_OPTION_BYTES = 4000
_MARKERS = ("/.dockerenv", "/run/.containerenv")
"""Empty files by which programs tell that they run in a container (Docker's, podman's)."""
_TMPFS = ("nosuid", "nodev", "noexec")


def decide(
    paths: Paths,
    record: dict[str, Any],
    config: dict[str, Any],
    options: dict[str, Any],
    host: spec.Host,
) -> list[dict[str, Any]]:
    """The spec's mounts, shallow ones first; volumes and binds go into the record, too."""
    mounts = {m["destination"]: m for m in _own(paths, record, options, host)}
    named = chosen(options)
    for text in options.get("tmpfs") or []:
        destination, given = volumes.parse_tmpfs(text)
        mounts[destination] = spec.mount("tmpfs", "tmpfs", destination, *given)
    _borrow(paths, options, named)
    how = options.get("image_volume") or "bind"
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
            mounts[destination] = spec.mount("tmpfs", "tmpfs", destination, *_TMPFS)
        else:
            named[destination] = volumes.parse(destination)
    for number, destination in enumerate(sorted(named)):
        entry = named[destination]
        if "tmpfs" in entry:
            flags = ["nosuid", "nodev", "noexec", *entry["tmpfs"]]
            mounts[destination] = spec.mount("tmpfs", "tmpfs", destination, *flags)
            continue
        mounts[destination] = _volume(paths, record, entry, number, options, host)
        record["mounts"].append(entry)
    if options.get("rootfs") or "/run" in named:  # nothing is made in a directory of the host's
        for target in _MARKERS:
            del mounts[target]
    # what lies deeper is mounted later: a volume on /etc must not hide /etc/hosts
    return sorted(mounts.values(), key=lambda m: str(m["destination"]).count("/"))


def _own(
    paths: Paths, record: dict[str, Any], options: dict[str, Any], host: spec.Host
) -> list[dict[str, Any]]:
    """What the engine mounts by itself."""
    privileged = bool(options.get("privileged"))
    systemd = request.is_systemd(options.get("systemd"), record["args"])
    words = record["namespaces"]
    shm = options.get("shm_size")
    mounts = spec.default_mounts(
        host,
        quantity.size(shm, "shm size") if shm else SHM_BYTES,
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
        left = (name == "hosts" and options.get("no_hosts")) or (
            name == "resolv.conf" and options.get("dns") == ["none"]
        )
        if not left:
            found[f"/etc/{name}"] = _file(f"{directory}/{name}", f"/etc/{name}", options)
    for name in options.get("entries") or []:
        found[f"/etc/{name}"] = _file(f"{directory}/{name}", f"/etc/{name}", options)
    for target in _MARKERS:
        found[target] = spec.mount("bind", directory + "/marker", target, "rbind", "ro")
    if record.get("timezone"):
        target = "/etc/localtime"
        found[target] = spec.mount("bind", directory + "/localtime", target, "rbind", "ro")
    scratch: tuple[str, ...] = ()
    if options.get("read_only") and options.get("read_only_tmpfs"):
        scratch = ("/run", "/tmp", "/var/tmp")
    if systemd:
        scratch = ("/run", "/run/lock", "/tmp", "/var/log/journal")
    for path in scratch:
        found[path] = spec.mount("tmpfs", "tmpfs", path, "nosuid", "nodev", "mode=1777")
    return list(found.values())


def _file(source: str, target: str, options: dict[str, Any]) -> dict[str, Any]:
    """The mount of one of the engine's own files."""
    how = ("rbind", "ro") if options.get("read_only") else ("rbind",)
    return spec.mount("bind", source, target, *how)


def chosen(options: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What -v and --mount name, by destination.

    Raises InvalidArgument when two options, --tmpfs among them, have one destination; the
    very same option twice counts once.
    """
    texts: dict[str, str] = {}
    found: dict[str, dict[str, Any]] = {}

    def claim(destination: str, text: str) -> None:
        first = texts.setdefault(destination, text)
        if first != text:
            raise InvalidArgument(
                f"mounting {destination}: two mounts have this destination: {first} and {text}"
            )

    for text in options.get("volume") or []:
        entry = volumes.parse(text)
        claim(entry["destination"], text)
        found[entry["destination"]] = entry
    if options.get("mount"):
        from crun_py.options import mount_options

        for text in options["mount"]:
            entry = mount_options.parse(text)
            claim(entry["destination"], text)
            found[entry["destination"]] = entry
    for text in options.get("tmpfs") or []:
        claim(volumes.parse_tmpfs(text)[0], f"tmpfs {text}")
    return found


def _borrow(paths: Paths, options: dict[str, Any], named: dict[str, dict[str, Any]]) -> None:
    """Add what --volumes-from names to what has no other mount."""
    for text in options.get("volumes_from") or []:
        for part in [text] if ":" in text else text.split(","):
            other = state.find(paths, part.partition(":")[0])
            for entry in volumes.borrow(other.record["mounts"], part):
                named.setdefault(entry["destination"], entry)


def _volume(
    paths: Paths,
    record: dict[str, Any],
    entry: dict[str, Any],
    number: int,
    options: dict[str, Any],
    host: spec.Host,
) -> dict[str, Any]:
    """The spec's mount for one of the record; only names are decided here."""
    destination = entry["destination"]
    flags = [] if options.get("privileged") or "dev" in entry["options"] else ["nodev"]
    flags += ["ro"] if not entry["rw"] else []
    if entry["type"] == "image":
        own = _own_layer(paths, record, entry, number) if entry["rw"] else {}
        return _image(paths, entry, own, host)
    if entry["type"] == "volume":
        if not entry["name"]:
            entry["name"], entry["anonymous"] = volumes.new_name(), True
        if own := _options_of(paths, entry):
            from crun_py.options import volume_options

            entry["copy"] = False
            entry["source"] = volumes.data_directory(paths, entry["name"])
            return volume_options.mount(own, destination, flags)
        entry["source"] = volumes.data_directory(paths, entry["name"])
    elif entry.get("create") is False and not os.path.lexists(entry["source"]):
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


def _options_of(paths: Paths, entry: dict[str, Any]) -> dict[str, str]:
    """The options of the volume that is there, or of the one that is made for the container."""
    if os.path.isdir(volumes.data_directory(paths, entry["name"])):
        return volumes.options_of(paths, entry["name"])
    options: dict[str, str] = entry.get("volume_options") or {}
    return options


def _own_layer(
    paths: Paths, record: dict[str, Any], entry: dict[str, Any], number: int
) -> dict[str, str]:
    """Changes of a mount go into a layer of the container's own: the overlay's options."""
    entry["layer"] = f"volume-{number}"
    own = f"{paths.container(record['id'])}/{entry['layer']}"
    return {"upperdir": own + "/upper", "workdir": own + "/work"}


def _image(
    paths: Paths, entry: dict[str, Any], upper: dict[str, str], host: spec.Host
) -> dict[str, Any]:
    from crun_py.oci.store import ImageStore

    image = ImageStore(paths).lookup(entry["name"])
    if image is None:
        raise NotFound(
            f"mounting image {entry['name']}: not in this store",
            hint=f"crunpy pull {entry['name']}",
        )
    if not image.kept:
        from crun_py.oci.intake import own

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
) -> dict[str, Any]:
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
    record: dict[str, Any],
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
    for entry in record["mounts"]:
        for name in ("upper", "work") if "layer" in entry else ():
            os.makedirs(f"{directory}/{entry['layer']}/{name}", 0o755)
        if entry["type"] == "image":
            continue
        if entry["type"] == "bind":
            _make_source(entry)
        else:
            _make_volume(paths, record, entry, layers, made, ids)
        if entry.get("chown"):
            try:
                change_owner(entry["source"], lambda uid, gid: owner)
            except OSError as e:
                raise InvalidArgument.from_os(
                    f"changing the owner of {entry['source']} (option U)", e
                ) from e


def _make_source(entry: dict[str, Any]) -> None:
    try:
        # as Docker: a directory that is missing on the host is made
        if entry.get("create", True) and not os.path.lexists(entry["source"]):
            os.makedirs(entry["source"], 0o755)
    except OSError as e:
        raise InvalidArgument.from_os(f"creating {entry['source']} for a mount", e) from e


def _make_volume(
    paths: Paths,
    record: dict[str, Any],
    entry: dict[str, Any],
    layers: list[str],
    made: list[str],
    ids: Ids | None,
) -> None:
    def fill(data: str) -> None:
        if ids:
            os.chown(data, *ids.outside(0, 0))
        if entry["copy"]:
            _copy_up(paths, record, entry["destination"], layers, data, ids)

    with volumes.Filling(paths, record["id"]) as stage:
        is_new = volumes.ensure(
            paths,
            entry["name"],
            stage,
            fill,
            anonymous=entry.get("anonymous", False),
            labels=entry.pop("volume_labels", None),
            options=entry.pop("volume_options", None),
        )
        if is_new:
            made.append(entry["name"])


def _copy_up(
    paths: Paths,
    record: dict[str, Any],
    path: str,
    layers: list[str],
    data: str,
    ids: Ids | None,
) -> None:
    """What the image has at `path` goes into the new volume, as docker's."""
    from crun_py.overlay import copy

    idmapped = bool((record["userns"] or {}).get("idmapped"))
    owner = ids.outside if ids and idmapped else (lambda uid, gid: (uid, gid))

    def act() -> None:
        if record.get("rootfs"):
            root = os.open(record["rootfs"], os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        else:
            root = copy.root_of(layers[::-1], private_dir(paths.run + "/rootfs"))
        copy.copy_up(root, path, data, owner)

    apart(act)
