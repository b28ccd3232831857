"""`create`: from options and an image to a container on disk, which nothing runs yet.

Everything is decided and checked before the first file is written; the directory is then
made under a staging name and appears by one rename.
"""

from __future__ import annotations

import os
import resource

from crun_py import events, jsonfile, names, request, spec, state, volumes
from crun_py.errors import Conflict, InvalidArgument
from crun_py.ns.users import resolve
from crun_py.overlay import rootfs
from crun_py.overlay.view import LayeredView
from crun_py.paths import Paths, in_user_namespace
from crun_py.staging import Staging

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crun_py.oci.store import Image

SHM_BYTES = 64 << 20


def create(paths: Paths, image: Image, options: dict[str, Any]) -> state.Container:
    """Make a container of `image`.

    options: the values of the options of `crunpy create` by their names (cli/run.py), and
    "command", a list.  Raises InvalidArgument, Conflict (name), NotFound.
    """
    for name, base in (("umask", 8), ("oom_score_adj", 10)):
        if options.get(name):
            request.whole_number(options[name], name.replace("_", " "), base)
    container_id = state.new_id()
    config: dict[str, Any] = image.config.get("config") or {}
    record = request.record(paths, container_id, image, config, options)
    view = LayeredView(image.layers[::-1])
    user = resolve(view, record["config"]["user"], options.get("group_add"))
    mounts = _mounts(paths, container_id, record, config, options)
    env = request.environment(record, config, options, user.home)
    record["config"]["env"] = env
    record["config"]["env_chosen"] = request.chosen_environment(config, options)
    document = spec.build(
        args=record["args"],
        env=env,
        cwd=record["config"]["workdir"],
        user=user,
        terminal=record["config"]["tty"],
        hostname=record["hostname"],
        options=options,
        namespaces=_namespaces(record["network"]["mode"]),
        mounts=mounts,
        host=_host(),
        rootfs=paths.run + "/rootfs",
    )
    resources = request.resources(options)
    if resources:
        document["linux"]["resources"] = resources
    if options.get("privileged"):
        document["linux"]["devices"] = _all_devices()
    document["linux"]["devices"] += [_device(d) for d in options.get("device") or []]
    _write(paths, record, document, view, image.layers, durable=not record["auto_remove"])
    container = state.Container(paths, record)
    events.container(container, "create")
    return container


def _host() -> spec.Host:
    in_userns = in_user_namespace()
    thermal = "/sys/devices/system/cpu/cpu0/thermal_throttle"
    return spec.Host(
        in_userns=in_userns,
        hard_nofile=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        thermal=[thermal.replace("cpu0", f"cpu{n}") for n in range(os.cpu_count() or 1)]
        if os.path.isdir(thermal)
        else [],
    )


def _namespaces(mode: str) -> list[dict[str, Any]]:
    kinds = ["pid", "ipc", "uts", "mount", "cgroup"]
    if mode != "host":
        kinds.append("network")
    return [{"type": kind} for kind in kinds]


def _mounts(
    paths: Paths,
    container_id: str,
    record: dict[str, Any],
    config: dict[str, Any],
    options: dict[str, Any],
) -> list[dict[str, Any]]:
    privileged = bool(options.get("privileged"))
    shm = options.get("shm_size")
    mounts = spec.default_mounts(
        _host(),
        request.parse_bytes(shm, "shm size") if shm else SHM_BYTES,
        host_network=record["network"]["mode"] == "host",
        devices=privileged,
    )
    if privileged:
        for entry in mounts:
            if entry["destination"] in ("/sys", "/sys/fs/cgroup"):
                entry["options"].remove("ro")
    directory = paths.container(container_id)
    for name in ("resolv.conf", "hosts", "hostname"):
        mounts.append(spec.mount("bind", f"{directory}/{name}", f"/etc/{name}", "rbind"))
    chosen = {v["destination"]: v for v in map(volumes.parse, options.get("volume") or [])}
    if len(chosen) != len(options.get("volume") or []):
        raise InvalidArgument("volumes: two of them have the same destination")
    for text in options.get("tmpfs") or []:
        destination, tmpfs = volumes.parse_tmpfs(text)
        mounts.append(spec.mount("tmpfs", "tmpfs", destination, *tmpfs))
    taken = {m["destination"] for m in mounts}
    for text in sorted(config.get("Volumes") or {}):
        destination = volumes.check_destination(text, "the image's volume " + text)
        if destination not in taken:
            chosen.setdefault(destination, volumes.parse(destination))
    for destination in sorted(chosen):
        entry = chosen[destination]
        if destination in taken:
            mounts = [m for m in mounts if m["destination"] != destination]
        _volume_source(paths, entry)
        flags = [] if privileged or "dev" in entry["options"] else ["nodev"]
        flags += ["ro"] if not entry["rw"] else []
        source = entry["source"]
        mounts.append(spec.mount("bind", source, destination, "rbind", *flags, *entry["options"]))
        record["mounts"].append(entry)
    # what lies deeper is mounted later: a volume on /etc must not hide /etc/hosts
    return sorted(mounts, key=lambda m: str(m["destination"]).count("/"))


def _volume_source(paths: Paths, entry: dict[str, Any]) -> None:
    """The host directory behind a mount of the record; only names are decided here."""
    if entry["type"] == "volume":
        if not entry["name"]:
            entry["name"], entry["anonymous"] = os.urandom(32).hex(), True
        entry["source"] = volumes.data_directory(paths, entry["name"])


def _device(text: str) -> dict[str, Any]:
    """--device HOST[:CONTAINER[:rwm]]."""
    import stat

    source, _, rest = text.partition(":")
    target = rest.partition(":")[0] or source
    try:
        found = os.stat(source)
    except OSError as e:
        raise InvalidArgument.from_os(f"device {source}", e) from e
    if not stat.S_ISCHR(found.st_mode) and not stat.S_ISBLK(found.st_mode):
        raise InvalidArgument(f"device {source}: not a device node")
    return {
        "path": volumes.check_destination(target, text),
        "source": source,
        "type": "c" if stat.S_ISCHR(found.st_mode) else "b",
        "major": os.major(found.st_rdev),
        "minor": os.minor(found.st_rdev),
        "fileMode": stat.S_IMODE(found.st_mode),
    }


def _all_devices() -> list[dict[str, Any]]:
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


def _write(
    paths: Paths,
    record: dict[str, Any],
    document: dict[str, Any],
    view: LayeredView,
    layers: list[str],
    *,
    durable: bool,
) -> None:
    record["layers"] = [os.path.relpath(layer, paths.root) for layer in layers]
    staging = Staging(paths, record["id"])
    made: list[str] = []
    staging.open()
    try:
        _take_name(paths, record)
        rootfs.prepare(staging.directory, layers)
        for entry in record["mounts"]:
            _make_source(paths, entry, view, made)
        # made now: on a full disk it could not be made when the container is removed
        os.close(os.open(staging.directory + "/lock", os.O_CREAT | os.O_CLOEXEC, 0o600))
        jsonfile.write(staging.directory + "/config.json", document, durable=durable)
        jsonfile.write(staging.directory + "/container.json", record, durable=durable)
        staging.commit(durable=durable)
    except BaseException:
        for name in made:
            volumes.remove(paths, name)
        state.release_name(paths, record["name"], record["id"])
        staging.discard()
        raise


def _take_name(paths: Paths, record: dict[str, Any]) -> None:
    if record["name"]:
        state.take_name(paths, record["name"], record["id"])
        return
    for _ in range(100):
        try:
            record["name"] = names.generate()
            state.take_name(paths, record["name"], record["id"])
            return
        except Conflict:
            continue
    record["name"] = names.generate() + record["id"][:6]
    state.take_name(paths, record["name"], record["id"])


def _make_source(paths: Paths, entry: dict[str, Any], view: LayeredView, made: list[str]) -> None:
    if entry["type"] == "bind":
        try:
            # as Docker: a directory that is missing on the host is made
            if not os.path.lexists(entry["source"]):
                os.makedirs(entry["source"], 0o755)
        except OSError as e:
            raise InvalidArgument.from_os(f"creating {entry['source']} for a mount", e) from e
        return
    data, new = volumes.ensure(paths, entry["name"], anonymous=entry.get("anonymous", False))
    if new:
        made.append(entry["name"])
        if entry["copy"]:
            view.copy_directory(entry["destination"], data)
