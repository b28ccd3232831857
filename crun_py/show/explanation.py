"""What `explain` says for people: sections, in each a word and what is true of it."""

from __future__ import annotations

from crun_py import signals
from crun_py.errors import printable
from crun_py.show.stats import binary_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from crun_py.documents.explanation import (
        Cgroup,
        Explanation,
        Ids,
        Life,
        Mount,
        Networking,
        Process,
        Root,
    )

    Row = tuple[str, str]

_INDENT = "  "


def lines(found: Explanation) -> Iterator[str]:
    """The lines of a document.  What is empty or as always is left out, and nothing of what
    strangers wrote drives the terminal."""
    sections = (
        ("Image", _image(found)),
        ("Container", _container(found)),
        ("Process", _process(found["process"])),
        ("Environment", _pairs(found["process"]["environment"])),
        ("Capabilities", _capabilities(found)),
        ("Namespaces", _namespaces(found)),
        ("Mounts", _mounts(found["mounts"])),
        ("Devices", _devices(found)),
        ("Cgroup", _cgroup(found["cgroup"])),
        ("Network", _network(found["network"])),
        ("Life", _life(found["life"])),
        ("Labels", [*found["labels"].items()]),
        ("Annotations", [*found["annotations"].items()]),
        ("Without effect", [*found["ineffective"].items()]),
    )
    first = True
    for title, rows in sections:
        told = [row for row in rows if row[1]]
        if not told:
            continue
        if not first:
            yield ""
        first = False
        yield title
        yield from _aligned(told)


def _aligned(rows: list[Row]) -> Iterator[str]:
    """A word that several rows in succession have is said once."""
    width = max(len(printable(word)) for word, _ in rows)
    before = None
    for word, value in rows:
        shown = "" if word == before else printable(word)
        yield f"{_INDENT}{shown.ljust(width)}  {printable(value)}"
        before = word


def _each(word: str, values: Iterable[str]) -> list[Row]:
    return [(word, value) for value in values]


def _pairs(values: Iterable[str]) -> list[Row]:
    """KEY=VALUE each; one that is empty is told, too."""
    return [(key, value or '""') for key, _, value in (text.partition("=") for text in values)]


def _image(found: Explanation) -> list[Row]:
    image, root = found["image"], found["root"]
    about = [] if image is None else [
        ("name", image["name"]), ("id", image["id"]), ("digest", image["digest"]),
        ("platform", image["platform"]),
    ]  # fmt: skip
    return [*about, ("root", _root(root)), *_each("layers", root["layers"])]


def _root(root: Root) -> str:
    how = {
        "overlay": "an overlay on the layers, with a writable layer of its own",
        "copy": "a copy of the layers: the store holds no overlay",
        "directory": "the directory itself",
    }[root["kind"]]
    size = f", of at most {binary_size(root['size'])}" if root["size"] else ""
    return how + size + (", mounted read-only" if root["read_only"] else "")


def _container(found: Explanation) -> list[Row]:
    return [
        ("name", found["name"] or "made up"),
        ("host name", found["hostname"] or "the first 12 digits of its id"),
        ("domain name", found["domainname"]),
        ("pod", found.get("pod", "")),
        *_each("starts first", found["requires"]),
        *((f"knows {link['alias']}", f"container {link['id'][:12]}") for link in found["links"]),
    ]


def _process(process: Process) -> list[Row]:
    user = process["user"]
    ids = f"{user['uid']}:{user['gid']}"
    groups = [str(gid) for gid in user["groups"] if gid != user["gid"]]
    outside = f"{user['host_uid']}:{user['host_gid']}"
    streams = [
        word
        for word, there in (("a terminal", process["terminal"]), ("open stdin", process["stdin"]))
        if there
    ]
    return [
        ("command", _command(process["args"])),
        ("directory", process["cwd"]),
        ("user", ids + (f", groups {' '.join(groups)}" if groups else "")),
        ("on the host", "" if outside == ids else outside),
        ("umask", f"{process['umask']:04o}"),
        ("streams", " and ".join(streams)),
        *(
            (limit["type"].removeprefix("RLIMIT_").lower(), _limit(limit["soft"], limit["hard"]))
            for limit in process["limits"]
        ),
        ("oom score", str(process["oom_score_adj"] or "")),
        ("privileges", "no new ones" if process["no_new_privileges"] else ""),
        ("seccomp", process["seccomp"]),
        ("apparmor", process["apparmor"]),
        ("selinux", process["selinux"]),
    ]


def _command(words: list[str]) -> str:
    import shlex

    return shlex.join(words)


def _limit(soft: int, hard: int) -> str:
    texts = ["unlimited" if number >= 1 << 63 else str(number) for number in (soft, hard)]
    return texts[0] if soft == hard else ":".join(texts)


def _capabilities(found: Explanation) -> list[Row]:
    sets = found["capabilities"]

    def short(names: list[str]) -> str:
        return " ".join(name.removeprefix("CAP_").lower() for name in names)

    differ = sets["effective"] != sets["bounding"]
    return [
        ("may have" if differ else "has", short(sets["bounding"]) or "none"),
        ("has", (short(sets["effective"]) or "none") if differ else ""),
        ("more than usual", short(sets["added"])),
        ("less than usual", short(sets["dropped"])),
    ]


def _namespaces(found: Explanation) -> list[Row]:
    kinds = ("mount", "pid", "network", "ipc", "uts", "cgroup", "user")
    own = {entry["type"]: entry.get("path", "its own") for entry in found["namespaces"]}
    rows = [(kind, own.get(kind, "the host's")) for kind in kinds if kind != "user"]
    return [*rows, *_ids(found["ids"]), *found["sysctls"].items()]


def _ids(ids: Ids) -> list[Row]:
    """In words: of the container's own namespace, and of the one that the engine is in."""
    own, engine = ids["own"], ids["engine"]
    is_host = engine["uids"] == [[0, 0, (1 << 32) - 1]]
    where = "the host's" if is_host else "the engine's"
    rows: list[Row] = [("user", f"its own ({own['mode']})" if own else where)]
    if own:
        rows += _each("user ids", (_range(row, where) for row in own["uids"]))
        rows += _each("group ids", (_range(row, where) for row in own["gids"]))
        shown = "are shown through it" if own["idmapped"] else "have copies with other owners"
        rows.append(("layers", shown))
    if not is_host:
        name = "engine's " if own else ""
        rows += _each(name + "user ids", (_range(row, "the host's") for row in engine["uids"]))
        rows += _each(name + "group ids", (_range(row, "the host's") for row in engine["gids"]))
    return rows


def _range(row: list[int], whose: str) -> str:
    inside, outside, count = row
    if count == 1:
        return f"{inside} is {whose} {outside}"
    return f"{inside}-{inside + count - 1} are {whose} {outside}-{outside + count - 1}"


def _mounts(mounts: list[Mount]) -> list[Row]:
    return [(entry["destination"], _mounted(entry)) for entry in mounts]


def _mounted(entry: Mount) -> str:
    options = [word for word in entry["options"] if word not in ("bind", "rbind")]
    what = {
        "engine": f"bind of {entry['source']}" if entry["type"] == "bind" else entry["type"],
        "tmpfs": "tmpfs",
        "file": f"the container's {entry['source']}",
        "bind": f"bind of {entry['source']}" + (", which is made" if entry["new"] else ""),
        "volume": _volume(entry),
        "image": f"image {entry['name']}",
    }[entry["what"]]
    if entry["type"] == "overlay":
        options = [word for word in options if "dir=" not in word]
    return what + (f" ({','.join(options)})" if options else "")


def _volume(entry: Mount) -> str:
    if not entry["name"]:
        return "a new volume, which goes with the container" if entry["new"] else "a volume"
    return f"volume {entry['name']}" + (", which is made" if entry["new"] else "")


def _devices(found: Explanation) -> list[Row]:
    devices = found["devices"]
    return [
        *((d["path"], f"{d['type']} {d['major']}:{d['minor']}") for d in devices),
        ("hidden", " ".join(found["masked"])),
        ("read-only", " ".join(found["readonly"])),
    ]


def _cgroup(cgroup: Cgroup) -> list[Row]:
    lacking = " ".join(cgroup["lacking"])
    return [
        ("made by", cgroup["manager"] or "nobody: there is none"),
        ("path", cgroup["path"]),
        *_files(cgroup["asked"]),
        ("cannot be had", f"{lacking}: no controller here" if lacking else ""),
        *((name, f"{value} (usual)") for name, value in cgroup["usual"].items()),
    ]


def _files(files: dict[str, str]) -> list[Row]:
    return [(name, line) for name, text in files.items() for line in text.split("\n")]


_WAYS = {
    "bridge": "interfaces on bridges of the host",
    "hub": "interfaces on bridges in the user's own namespace, which slirp4netns leads out of",
    "helper": "an interface of pasta or slirp4netns",
    "host": "the host's own",
    "none": "none but its loopback",
    "shared": "another's namespace",
}


def _network(found: Networking) -> list[Row]:
    rows = [("mode", found["mode"]), ("way", _WAYS[found["way"]])]
    for network in found["networks"]:
        join = network["join"]
        about = [network["driver"]]
        about += [f"bridge {network['bridge']}"] if network["bridge"] else []
        about += [", ".join(network["subnets"])]
        about += ["internal"] if network["internal"] else []
        about += ["made with it"] if network["new"] else []
        name = network["name"]
        rows += [
            (f"on {name}", ", ".join(about)),
            (f"on {name}", "gateway " + ", ".join(network["gateways"])
             if network["gateways"] and not network["internal"] else ""),
            (f"on {name}", f"address {join['ip'] or 'the next free one'}"
             + (f", {join['ip6']}" if join["ip6"] else "")),
            (f"on {name}", f"hardware address {join['mac']}" if join["mac"] else ""),
            (f"on {name}", "names " + " ".join(join["aliases"]) if join["aliases"] else ""),
        ]  # fmt: skip
    for port in found["ports"]:
        host = str(port["host_port"] or "a free one")
        if port["host_last"]:
            host = f"a free one of {port['host_port']}-{port['host_last']}"
        address = f"[{port['host_ip']}]" if ":" in port["host_ip"] else port["host_ip"] or "*"
        rows.append((f"port {port['container_port']}/{port['protocol']}", f"{address}:{host}"))
    return [
        *rows,
        ("firewall", f"nftables table {found['table']}" if found["table"] else ""),
        *_each("firewall", found["rules"]),
        *_each("hosts", found["hosts"]),
        *_each("name server", found["dns"]),
    ]


def _life(life: Life) -> list[Row]:
    restart, log, health = life["restart"], life["log"], life["health"]
    times = f" at most {restart['max']} times" if restart["max"] else ""
    kept = (
        f"{log['driver']}, {log['max_files']} files of {binary_size(log['max_bytes'])}"
        if log["driver"] != "none" and log["max_bytes"]
        else log["driver"]
    )
    return [
        ("at its end", "it is removed" if life["remove"] else "it stays"),
        ("restart", restart["name"] + times),
        ("stop", f"{signals.name(life['stop_signal'])}, SIGKILL {_patience(life['stop_timeout'])}"),
        ("killed", f"after {life['timeout']} s" if life["timeout"] else ""),
        ("process 1", "a small init" if life["init"] else ""),
        ("log", kept),
        ("health check", _command(health["test"]) if health else ""),
        ("every", f"{health['interval_ms'] / 1000:g} s" if health else ""),
    ]


def _patience(seconds: int) -> str:
    return "never" if seconds < 0 else f"after {seconds} s"
