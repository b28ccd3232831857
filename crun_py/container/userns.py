"""User namespaces: which ids a container's own ids are.

The record holds {"mode", "uids", "gids", "idmapped"}; none means the namespace that the
engine runs in.  podman-run(1), "--userns".
"""

from __future__ import annotations

import os

from crun_py import quantity, state
from crun_py.container import inside
from crun_py.errors import InvalidArgument, Unsupported
from crun_py.ns import idmap
from crun_py.ns.idmap import Ids
from crun_py.overlay import mapped
from crun_py.overlay.view import LayeredView
from crun_py.overlay.whiteout import holds_no_overlay
from crun_py.paths import in_user_namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.container import UserNamespace
    from crun_py.documents.spec import Spec
    from crun_py.model.container import Namespaces
    from crun_py.paths import Paths
    from crun_py.state import Container

    Map = list[list[int]]

_LEAST_AUTO = 1024
_KNOWN = "host, keep-id[:uid=N,gid=N], nomap, auto[:size=N], container:NAME"


def decide(
    paths: Paths, asked: Namespaces, layers: list[str]
) -> tuple[UserNamespace | None, list[str]]:
    """The record's entry (None: no namespace of the container's own), and the image's layers
    as the container is to have them: copies of them are made where they must be, but for those who
    are only looking (paths).  Raises InvalidArgument, Unsupported, CrunpyError.
    """
    found = _decide(paths, asked, LayeredView(layers[::-1]))
    if found is None or not layers or holds_no_overlay(paths.root):
        return found, layers  # a copy of the files is made anyway
    if not in_user_namespace():
        namespace = idmap.new_namespace(Ids(found["uids"], found["gids"]))
        try:
            found["idmapped"] = all(mapped.can_map(layer, namespace) for layer in layers)
        finally:
            os.close(namespace)
    if not found["idmapped"] and not paths.looking:
        layers = mapped.copies(layers, Ids(found["uids"], found["gids"]))
    return found, layers


def _decide(paths: Paths, asked: Namespaces, view: LayeredView) -> UserNamespace | None:
    text = asked.user
    mode, _, rest = text.partition(":")
    mapped_by_hand = bool(asked.uids or asked.gids or asked.subuid or asked.subgid)
    if mapped_by_hand and mode not in ("", "private"):
        raise InvalidArgument(f"--userns={text}: conflicts with --uidmap, --gidmap, --subuidname")
    if mapped_by_hand:
        uids, gids = _by_hand(asked)
    elif mode in ("", "host"):
        return None
    elif mode == "keep-id":
        uids, gids = _keep_id(rest)
    elif mode == "nomap":
        _users_only(mode)
        uids, gids = [[0, 1, _count("uid") - 1]], [[0, 1, _count("gid") - 1]]
    elif mode == "auto":
        uids = gids = _auto(paths, rest, view)
    elif mode == "container" and rest:
        other = state.find(paths, rest)
        found = other.record["userns"]
        if not found:
            raise InvalidArgument(
                f"--userns={text}: container {other.name} has no user namespace of its own"
            )
        return {**found, "mode": "container:" + other.id}
    else:
        raise InvalidArgument(f"user namespace {text!r}: not known", hint="known: " + _KNOWN)
    return {"mode": mode or "private", "uids": uids, "gids": gids, "idmapped": False}


def user_for(user: str, found: UserNamespace | None) -> str:
    """The user that is asked for, or else the one that keep-id implies."""
    if not found or found["mode"] != "keep-id" or user:
        return user
    own = next(row for row in found["uids"] if row[1] == 0)
    group = next(row for row in found["gids"] if row[1] == 0)
    return f"{own[0]}:{group[0]}"


def caller(paths: Paths, found: UserNamespace) -> str:
    """The name of the caller, whom keep-id lets keep the id, also in another container's namespace;
    "" without keep-id or a name."""
    mode = found["mode"]
    if mode.startswith("container:"):
        other = state.load(paths, mode.partition(":")[2]).record["userns"]
        mode = other["mode"] if other else ""
    if mode != "keep-id":
        return ""
    import pwd

    try:
        return pwd.getpwuid(idmap.own_map("uid")[0][1]).pw_name
    except (KeyError, IndexError):
        return ""


def prepare(container: Container, spec: Spec, namespace: int, attached: dict[str, int]) -> None:
    """Detached mounts, by their destinations, of all that root of `namespace` could not reach
    itself, for the store's directories are closed to it."""
    record = container.record
    idmapped = record["userns"] is not None and record["userns"]["idmapped"]
    if record.get("copied"):
        attached["/"] = mapped.tree_of(container.own_root, recursive=False)
    elif not record.get("rootfs"):
        where = container.paths.run + "/rootfs"
        own = namespace if idmapped else -1
        if os.path.ismount(inside.merged(container)):
            attached["/"] = mapped.tree_of(inside.merged(container), recursive=False)
        else:
            attached["/"] = mapped.detached(inside.describe(container), where, own)
    wanted = {entry["destination"] for entry in record["mounts"] if entry.get("idmap")}
    for entry in spec["mounts"]:
        destination = entry["destination"]
        if entry.get("type") == "bind" and destination not in attached:
            shown = namespace if destination in wanted else -1
            recursive = "rbind" in entry.get("options", ())
            attached[destination] = mapped.tree_of(
                entry.get("source", ""), recursive=recursive, userns=shown
            )


def _users_only(mode: str) -> None:
    if not in_user_namespace():
        raise Unsupported(
            f"--userns={mode}: for plain users only", hint="as root, --uidmap and --gidmap"
        )


def _count(kind: str) -> int:
    return sum(row[2] for row in idmap.own_map(kind))


def _keep_id(rest: str) -> tuple[Map, Map]:
    """The caller's ids are the same inside (or those named); all others are shifted."""
    _users_only("keep-id")
    wanted = {}
    for part in filter(None, rest.split(",")):
        key, _, value = part.partition("=")
        if key not in ("uid", "gid") or not quantity.is_number(value):
            raise InvalidArgument(f"--userns=keep-id:{rest}: not uid=N,gid=N")
        wanted[key] = int(value)
    maps = []
    for kind in ("uid", "gid"):
        # in our namespace the caller is 0, the others follow
        own = wanted.get(kind, idmap.own_map(kind)[0][1])
        total = _count(kind)
        below = min(own, total - 1)
        table = [[0, 1, below], [own, 0, 1], [own + 1, below + 1, total - below - 1]]
        maps.append([row for row in table if row[2] > 0])
    return maps[0], maps[1]


def _by_hand(asked: Namespaces) -> tuple[Map, Map]:
    tables: dict[str, Map] = {}
    for kind, given, name in (
        ("uid", asked.uids, asked.subuid),
        ("gid", asked.gids, asked.subgid),
    ):
        rows = [_row(row, kind) for row in given]
        if name:
            rows += _subordinate(f"/etc/sub{kind}", name)
        if rows:
            tables[kind] = rows
    for kind, other in (("uid", "gid"), ("gid", "uid")):
        if kind not in tables:
            tables[kind] = tables[other]
        if not any(row[0] == 0 for row in tables[kind]):
            raise InvalidArgument(f"{kind} map: id 0 of the container is not mapped")
    return tables["uid"], tables["gid"]


def _row(row: tuple[int, int, int], kind: str) -> list[int]:
    inside, outside, count = row
    text = f"{inside}:{outside}:{count}"
    # the last of 32 bits is no id: (uid_t)-1
    if min(row) < 0 or not count or max(inside, outside) + count > (1 << 32) - 1:
        raise InvalidArgument(f"{kind}map {text!r}: out of range")
    if in_user_namespace() and outside + count > _count(kind):
        raise InvalidArgument(
            f"{kind}map {text!r}: you have {_count(kind)} ids",
            hint="for a user, OUTSIDE counts the own ids: 0 is yourself, then /etc/subuid",
        )
    return [*row]


def _subordinate(file: str, name: str) -> Map:
    rows: Map = []
    inside = 0
    try:
        with open(file, encoding="utf-8", errors="replace") as f:
            for line in f:
                fields = line.strip().split(":")
                if len(fields) == 3 and fields[0] == name:
                    rows.append([inside, int(fields[1]), int(fields[2])])
                    inside += int(fields[2])
    except (FileNotFoundError, ValueError):
        rows = []
    if not rows:
        raise InvalidArgument(
            f"reading {file}: no ids for {name}",
            hint=f"as root: echo {name}:2147483647:2147483648 >> {file}",
        )
    if in_user_namespace():
        raise Unsupported("--subuidname: for root only; a user has the ids of its own line")
    return rows


def _auto(paths: Paths, rest: str, view: LayeredView) -> Map:
    """A range of ids that no other container with --userns=auto has."""
    size = 0
    for part in filter(None, rest.split(",")):
        key, _, value = part.partition("=")
        if key != "size" or not quantity.is_number(value) or not int(value):
            raise InvalidArgument(f"--userns=auto:{rest}: not size=N")
        size = int(value)
    size = size or max(_LEAST_AUTO, _highest(view) + 1)
    ranges = [[1, _count("uid") - 1]]
    if not in_user_namespace():
        ranges = [[row[1], row[2]] for row in _subordinate("/etc/subuid", "containers")]
    taken = sorted(
        (row[1], row[1] + row[2])
        for found in (container.record["userns"] for container in state.every(paths))
        for row in (found["uids"] if found and found["mode"] == "auto" else [])
    )
    for start, count in ranges:
        at = start
        for first, end in taken:
            if first < at + size and end > at:
                at = end
        if at + size <= start + count:
            return [[0, at, size]]
    raise Unsupported(
        f"--userns=auto: no {size} ids are left", hint="auto:size=N asks for fewer ids"
    )


def _highest(view: LayeredView) -> int:
    """The highest id that the image's passwd and group name, but for nobody's."""
    found = 0
    for path in ("/etc/passwd", "/etc/group"):
        for line in (view.read(path) or b"").split(b"\n"):
            fields = line.split(b":")
            if len(fields) > 2 and fields[2].isdigit() and int(fields[2]) < 65534:
                found = max(found, int(fields[2]))
    return found
