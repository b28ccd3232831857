"""Volumes: directories that outlive containers, and what -v and --tmpfs mean.

ROOT/volumes/NAME/volume.json   {"version", "name", "created", "labels", "anonymous"}
ROOT/volumes/NAME/_data         its content
"""

from __future__ import annotations

import os

from crun_py import jsonfile
from crun_py.errors import CrunpyError, InvalidArgument, NotFound
from crun_py.paths import Paths, private_dir
from crun_py.tree import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_OPTIONS = {"rw", "ro", "z", "Z", "nocopy", "copy", "consistent", "cached", "delegated", "rbind",
            "bind", "U", "O", "idmap"}  # fmt: skip
PASSED = {"nosuid", "noexec", "nodev", "dev", "suid", "exec"}
PROPAGATION = {"private", "rprivate", "slave", "rslave", "shared", "rshared"}


def parse(text: str) -> dict[str, Any]:
    """One -v option: [SOURCE:]DESTINATION[:OPTIONS] as a mount of the record.

    {"type": "bind"|"volume", "name", "source", "destination", "rw", "options", "copy"};
    the source of a volume is filled in when it is made.  Raises InvalidArgument.
    """
    parts = text.split(":")
    if len(parts) > 3 or not all(parts):
        raise InvalidArgument(f"volume {text!r}: not [SOURCE:]DESTINATION[:OPTIONS]")
    options = parts[2].split(",") if len(parts) == 3 else []
    source, destination = ("", parts[0]) if len(parts) == 1 else (parts[0], parts[1])
    destination = check_destination(destination, text)
    unknown = [o for o in options if o not in _OPTIONS | PASSED | PROPAGATION]
    if unknown:
        raise InvalidArgument(f"volume {text!r}: option {unknown[0]!r} is not known")
    is_path = source.startswith(("/", "./", "../", "~")) or source in (".", "..")
    if not is_path and source:
        check_name(source)
    if "O" in options and not is_path:
        raise InvalidArgument(
            f"volume {text!r}: O is for directories of the host", hint="a path begins with / or ./"
        )
    flags = {"chown": "U" in options, "overlay": "O" in options, "idmap": "idmap" in options}
    return {
        **{name: True for name, wanted in flags.items() if wanted},
        "type": "bind" if is_path else "volume",
        "name": "" if is_path else source,
        "source": os.path.abspath(os.path.expanduser(source)) if is_path else "",
        "destination": destination,
        "rw": "ro" not in options,
        "options": [o for o in options if o in PASSED | PROPAGATION],
        "copy": "nocopy" not in options,
        "create": True,
    }


def borrow(mounts: list[dict[str, Any]], text: str) -> list[dict[str, Any]]:
    """The mounts of another container's record, as --volumes-from CONTAINER[:OPTIONS] takes
    them over.  An anonymous volume goes with the last container that has it."""
    options = text.partition(":")[2].split(",") if ":" in text else []
    unknown = [o for o in options if o not in ("ro", "rw", "z", "Z")]
    if unknown:
        raise InvalidArgument(f"volumes-from {text!r}: option {unknown[0]!r} is not known")
    return [
        {**entry, "copy": False, "rw": entry["rw"] and "ro" not in options}
        for entry in mounts
        if entry["type"] in ("bind", "volume")
    ]


def check_destination(path: str, what: str) -> str:
    """A clean absolute path inside the container.  Raises InvalidArgument."""
    parts = path.split("/")
    if not path.startswith("/") or ".." in parts or "\0" in path:
        raise InvalidArgument(f"mount {what!r}: destination {path!r} must be an absolute path")
    clean = "/" + "/".join(p for p in parts if p not in ("", "."))
    if clean == "/":
        raise InvalidArgument(f"mount {what!r}: destination must not be /")
    return clean


def parse_tmpfs(text: str) -> tuple[str, list[str]]:
    """One --tmpfs option: DESTINATION[:OPTIONS] as destination and mount options."""
    path, _, given = text.partition(":")
    options = [o for o in given.split(",") if o]
    bad = [o for o in options if not o.replace("=", "").replace("%", "").isalnum()]
    if bad:
        raise InvalidArgument(f"tmpfs {text!r}: option {bad[0]!r} is not known")
    keys = {o.partition("=")[0] for o in options}
    defaults = [] if "exec" in keys else ["noexec"]
    defaults += ["nosuid", "nodev"] + ([] if "mode" in keys else ["mode=1777"])
    return check_destination(path, text), defaults + options


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


def new_name() -> str:
    """A name for a volume that was given none."""
    return os.urandom(32).hex()


def ensure(
    paths: Paths, name: str, *, anonymous: bool = False, labels: dict[str, str] | None = None
) -> tuple[str, bool]:
    """The data directory of volume `name`, and whether it was made just now."""
    directory = f"{paths.volumes}/{check_name(name)}"
    data = directory + "/_data"
    if os.path.isdir(data):
        return data, False
    private_dir(directory)
    from crun_py.clock import now

    about = {"version": 1, "name": name, "created": now(), "labels": labels or {},
             "anonymous": anonymous}  # fmt: skip
    jsonfile.write(directory + "/volume.json", about)
    try:
        os.mkdir(data, 0o755)
    except FileExistsError:
        return data, False
    except OSError as e:
        raise CrunpyError.from_os(f"creating volume {name}", e) from e
    os.chmod(data, 0o755)
    return data, True


def remove(paths: Paths, name: str) -> None:
    """Remove volume `name` and its content.  Raises NotFound."""
    directory = f"{paths.volumes}/{check_name(name)}"
    if not os.path.isdir(directory):
        raise NotFound(f"no such volume: {name}")
    remove_tree(directory)
