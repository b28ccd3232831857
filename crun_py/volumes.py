"""Volumes: directories that outlive containers.

ROOT/volumes/NAME/volume.json   {"version", "name", "created", "labels", "anonymous"}
ROOT/volumes/NAME/_data         its content
"""

from __future__ import annotations

import errno
import os

from crun_py import jsonfile, ns
from crun_py.errors import Conflict, CorruptState, CrunpyError, InvalidArgument, NotFound
from crun_py.paths import Paths, private_dir
from crun_py.shapes import VOLUME
from crun_py.staging import unclaimed
from crun_py.tree import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.documents.container import MountEntry
    from crun_py.documents.volume import Volume

PASSED = {"nosuid", "noexec", "nodev", "dev", "suid", "exec"}
RELABEL = {"z": "shared", "Z": "private"}
"""Options of a mount that give its files another SELinux label, and who may then use them."""
PROPAGATION = {"private", "rprivate", "slave", "rslave", "shared", "rshared"}


def borrow(mounts: list[MountEntry], text: str) -> list[MountEntry]:
    """The mounts of another container's record, as --volumes-from CONTAINER[:OPTIONS] takes
    them over.  An anonymous volume goes with the last container that has it."""
    options = text.partition(":")[2].split(",") if ":" in text else []
    unknown = [o for o in options if o not in ("ro", "rw", "z", "Z")]
    if unknown:
        raise InvalidArgument(f"volumes-from {text!r}: option {unknown[0]!r} is not known")
    relabel = next((RELABEL[o] for o in options if o in RELABEL), "")
    found: list[MountEntry] = []
    for entry in mounts:
        if entry["type"] in ("bind", "volume"):
            own: MountEntry = {**entry, "copy": False, "rw": entry["rw"] and "ro" not in options}
            if relabel:
                own["relabel"] = relabel
            found.append(own)
    return found


def check_destination(path: str, what: str) -> str:
    """A clean absolute path inside the container.  Raises InvalidArgument."""
    parts = path.split("/")
    if not path.startswith("/") or ".." in parts or "\0" in path:
        raise InvalidArgument(f"mount {what!r}: destination {path!r} must be an absolute path")
    clean = "/" + "/".join(p for p in parts if p not in ("", "."))
    if clean == "/":
        raise InvalidArgument(f"mount {what!r}: destination must not be /")
    return clean


_PROC_FILES = frozenset(
    "cpuinfo diskstats loadavg meminfo slabinfo stat swaps uptime net/dev sys/crypto/fips_enabled "
    "sys/kernel/ns_last_pid".split()
)
"""What one may cover below /proc: it says how much there is of something."""


def check_place(destination: str, what: str, source: str | None = None) -> None:
    """Raises InvalidArgument for what would cover the kernel's own files: the guards of /proc and
    /sys could be set aside so (CVE-2019-16884, CVE-2019-19921).

    source: of a bind: the host's own /proc and /sys may be put there, and what is in /sys.
    """
    top = next((d for d in ("/proc", "/sys") if f"{destination}/".startswith(d + "/")), "")
    if not top or destination[len(top) + 1 :] in _PROC_FILES:
        return
    path = os.path.abspath(source) if source else ""
    if source and (top == "/sys" or f"{path}/".startswith("/proc/")):
        return
    raise InvalidArgument(f"mount {what!r}: nothing may cover {destination}, the kernel's own")


def check_name(name: str) -> str:
    """`name` if a volume may have it.  Raises InvalidArgument."""
    good = name.isascii() and all(c.isalnum() or c in "_.-" for c in name)
    if not good or len(name) > 255 or not name or not name[0].isalnum():
        raise InvalidArgument(
            f"volume name {name!r}: not allowed",
            hint="a-z A-Z 0-9 _ . -, beginning with a letter or digit; a path begins with / or ./",
        )
    return name


def data_directory(paths: Paths, name: str) -> str:
    """Where the content of volume `name` is."""
    return f"{paths.volumes}/{name}/_data"


def names(paths: Paths) -> list[str]:
    """The names of all volumes, in order."""
    try:
        found = os.listdir(paths.volumes)
    except FileNotFoundError:
        return []
    return sorted(n for n in found if n[0] != "." and os.path.isdir(data_directory(paths, n)))


def about(paths: Paths, name: str) -> Volume:
    """volume.json of a volume.  Raises NotFound; of a damaged one only the name is known."""
    if not name or "/" in name or not os.path.isdir(data_directory(paths, name)):
        raise NotFound(f"no such volume: {name}", hint="crunpy volume ls lists them")
    known: Volume = {"name": name, "created": "", "labels": {}, "anonymous": False}
    try:
        found: Volume = jsonfile.read(f"{paths.volumes}/{name}/volume.json", VOLUME)
    except (FileNotFoundError, CorruptState):
        return known
    return {**known, **found}


def resolve(paths: Paths, text: str) -> str:
    """The volume that a name or the unique beginning of one means.  Raises NotFound."""
    known = names(paths)
    if text in known:
        return text
    found = [name for name in known if text and name.startswith(text)]
    if len(found) > 1:
        raise InvalidArgument(f"volume {text}: {len(found)} volumes begin so")
    return found[0] if found else about(paths, text)["name"]


def new_name() -> str:
    """A name for a volume that was given none."""
    return os.urandom(32).hex()


_STAGE, _GONE = ".new-", ".gone-"


def staged(paths: Paths, owner: str) -> str:
    """Where container `owner`, in the making, prepares a volume; swept with it."""
    return f"{paths.volumes}/{_STAGE}{owner}"


class Filling:
    """An absent path below the volumes, for `ensure`; nothing is left of it afterwards."""

    def __init__(self, paths: Paths, owner: str) -> None:
        self._stage = staged(paths, owner)
        self._lock = jsonfile.Lock(private_dir(paths.volumes) + "/.lock", shared=True)

    def __enter__(self) -> str:
        self._lock.__enter__()
        return self._stage

    def __exit__(self, *_: object) -> None:
        remove_tree(self._stage)
        self._lock.__exit__(None, None, None)


def sweep(paths: Paths) -> None:
    """Remove what killed commands left of volumes in the making, or being removed."""
    if not os.path.isdir(paths.volumes):
        return
    try:
        with jsonfile.Lock(paths.volumes + "/.lock", timeout_s=0):
            for name in os.listdir(paths.volumes):
                if name.startswith((_STAGE, _GONE)):
                    remove_tree(f"{paths.volumes}/{name}")
    except Conflict:
        return  # somebody is at it


def ensure(
    paths: Paths,
    name: str,
    stage: str,
    fill: Callable[[str], None] | None,
    *,
    anonymous: bool = False,
    labels: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
) -> bool:
    """Make volume `name` unless it is there; whether it was made just now.

    stage: from `Filling`: the volume is prepared there and appears whole, by a rename.
    fill:  puts into the data directory what a container has at that place, if nobody has used
           the volume before; None: that is left to its first container.
    options: what is mounted in the place of a directory of its own, see options_of.
    """
    directory = f"{paths.volumes}/{check_name(name)}"
    if os.path.isdir(directory + "/_data"):
        if fill:
            _first_use(paths, name, stage, fill)
        return False
    from crun_py.clock import now

    about: Volume = {"version": 1, "name": name, "created": now(), "labels": labels or {},
                             "anonymous": anonymous}  # fmt: skip
    if options:
        about["options"] = options
    if fill is None and not mounted_instead(options or {}):
        about["unused"] = True
    try:
        private_dir(stage)
        jsonfile.write(stage + "/volume.json", about)
        size = int((options or {}).get(SIZE, "0"))
        _prepare_data(stage + "/_data", fill, size)
        while True:
            try:
                os.rename(stage, directory)
                _tell(paths, "create", name)
                return True
            except OSError as e:
                if e.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            if os.path.isdir(directory + "/_data"):
                return False  # another one was faster
            remove_tree(directory)  # half removed
    except OSError as e:
        raise CrunpyError.from_os(f"creating volume {name}", e) from e


def options_of(paths: Paths, name: str) -> dict[str, str]:
    """The driver's options of a volume (type, device, o), docker volume create(1), which say
    what is mounted in its place; {} for one whose files are its own, or that is not there."""
    try:
        found = jsonfile.read(f"{paths.volumes}/{check_name(name)}/volume.json", VOLUME)
    except (FileNotFoundError, CorruptState):
        return {}
    return mounted_instead(found.get("options", {}))


SIZE = "size"
"""An option of the driver: how many bytes a volume may hold."""


def mounted_instead(options: dict[str, str]) -> dict[str, str]:
    """Those of a volume's options that say what is mounted in its place."""
    return {key: value for key, value in options.items() if key != SIZE}


def _prepare_data(data: str, fill: Callable[[str], None] | None, size: int = 0) -> None:
    os.mkdir(data, 0o755)
    os.chmod(data, 0o755)
    if os.path.exists(ns.SELINUX_FS + "/enforce"):
        _label(data)
    if size:
        from crun_py import quota

        quota.limit([data], size)
    if fill:
        fill(data)


def _label(data: str) -> None:
    """What containers may use, each of them, and what is made in it has that from it."""
    from crun_py.ns import selinux

    file = selinux.contexts().get("file") if selinux.enabled() else None
    if file:
        os.setxattr(data, selinux.XATTR, selinux.shared(file).encode())


def _first_use(paths: Paths, name: str, stage: str, fill: Callable[[str], None]) -> None:
    """Fill a volume that `volume create` made and no container has had, unless it has content."""
    file = f"{paths.volumes}/{name}/volume.json"
    try:
        if not jsonfile.read(file, VOLUME).get("unused"):
            return
        with jsonfile.Lock(f"{paths.volumes}/{name}/lock"):
            about: Volume = jsonfile.read(file, VOLUME)
            if about.pop("unused", None) and not os.listdir(data_directory(paths, name)):
                _prepare_data(stage, fill, int(about.get("options", {}).get(SIZE, "0")))
                os.rename(stage, data_directory(paths, name))  # in place of the empty one
            jsonfile.write(file, about)
    except (FileNotFoundError, CorruptState):
        return  # removed just now, or made by hand: what it holds is its own
    except OSError as e:
        raise CrunpyError.from_os(f"filling volume {name}", e) from e


def mounted_type(options: dict[str, str]) -> str:
    """The type of the file system that is mounted in the place of a volume's directory, "" for
    none: a directory of the host that takes its place is no mount of its own."""
    kind = options.get("type", "none")
    return "" if kind in ("none", "bind") else kind


def remove(paths: Paths, name: str, users: Callable[[str], list[str]]) -> None:
    """Remove volume `name` and its content.

    users: gives what has a volume, in words; asked while no creation can begin.  Raises
    NotFound, Conflict when something has it.
    """
    directory = f"{paths.volumes}/{check_name(name)}"
    trash = f"{paths.volumes}/{_GONE}{os.urandom(8).hex()}"
    with unclaimed(paths):
        if not os.path.isdir(directory):
            raise NotFound(f"no such volume: {name}")
        if found := users(name):
            raise Conflict(f"removing volume {name}: {found[0]} has it")
        if os.path.ismount(directory + "/_data"):
            from crun_py.overlay import mount

            mount.unmount(directory + "/_data")
        os.rename(directory, trash)
    _tell(paths, "destroy", name)
    remove_tree(trash)


def _tell(paths: Paths, action: str, name: str) -> None:
    from crun_py import events

    events.emit(paths, "volume", action, name, {"driver": "local"})
