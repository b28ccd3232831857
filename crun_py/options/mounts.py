"""What -v and --tmpfs say, docker's and podman's, as mounts.  Pure.

Consistency means nothing here and is accepted.
"""

from __future__ import annotations

from crun_py.errors import InvalidArgument
from crun_py.model.container import Bind, Tmpfs, VolumeMount
from crun_py.options import parts
from crun_py.options.paths import host_path
from crun_py.volumes import PASSED, PROPAGATION, RELABEL, check_destination, check_name, check_place

_OPTIONS = {"rw", "ro", "z", "Z", "nocopy", "copy", "consistent", "cached", "delegated", "rbind",
            "bind", "U", "O", "idmap"}  # fmt: skip


def volume(text: str) -> Bind | VolumeMount:
    """One -v option: [SOURCE:]DESTINATION[:OPTIONS].  A path of the host begins with / ./ ../ or ~
    and is made absolute.  Raises InvalidArgument."""
    words = text.split(":")
    if len(words) > 3 or not all(words):
        raise InvalidArgument(f"volume {text!r}: not [SOURCE:]DESTINATION[:OPTIONS]")
    mode = words[2] if len(words) == 3 else ""
    options = mode.split(",") if mode else []
    source, destination = ("", words[0]) if len(words) == 1 else (words[0], words[1])
    destination = check_destination(destination, text)
    is_path = source.startswith(("/", "./", "../", "~")) or source in (".", "..")
    check_place(destination, text, source=host_path(source) if is_path else None)
    id_map = next((o[len("idmap=") :] for o in options if o.startswith("idmap=")), "")
    options = ["idmap" if o.startswith("idmap=") else o for o in options]
    unknown = [o for o in options if o not in _OPTIONS | PASSED | PROPAGATION]
    if unknown:
        raise InvalidArgument(f"volume {text!r}: option {unknown[0]!r} is not known")
    for first, second in (("ro", "rw"), ("copy", "nocopy"), ("exec", "noexec"),
                          ("dev", "nodev"), ("suid", "nosuid"), ("z", "Z")):  # fmt: skip
        if first in options and second in options:
            raise InvalidArgument(f"volume {text!r}: {first} and {second} exclude each other")
    if len({o for o in options if o in PROPAGATION}) > 1:
        raise InvalidArgument(f"volume {text!r}: more than one propagation")
    flags = tuple(o for o in options if o in PASSED)
    propagation = next((o for o in options if o in PROPAGATION), "")
    relabel = next((RELABEL[o] for o in options if o in RELABEL), "")
    if is_path:
        return Bind(
            source=host_path(source), target=destination,
            read_only="ro" in options, create=True, propagation=propagation, flags=flags,
            chown="U" in options, overlay="O" in options, idmapped="idmap" in options, mode=mode,
            id_map=parts.mount_id_map(id_map, text), relabel=relabel,
        )  # fmt: skip
    return VolumeMount(
        name=check_name(source) if source else "", target=destination, mode=mode,
        read_only="ro" in options, copy="nocopy" not in options, flags=flags,
        propagation=propagation, chown="U" in options, idmapped="idmap" in options,
        id_map=parts.mount_id_map(id_map, text), overlay="O" in options, relabel=relabel,
    )  # fmt: skip


def tmpfs(text: str) -> Tmpfs:
    """One --tmpfs option: DESTINATION[:OPTIONS].  Raises InvalidArgument."""
    path, _, given = text.partition(":")
    options = tuple(o for o in given.split(",") if o and o != "U")
    bad = [o for o in options if not o.replace("=", "").replace("%", "").isalnum()]
    if bad:
        raise InvalidArgument(f"tmpfs {text!r}: option {bad[0]!r} is not known")
    destination = check_destination(path, text)
    if not destination.startswith("/sys/"):
        check_place(destination, text)
    return Tmpfs(target=destination, options=options, chown="U" in given.split(","))
