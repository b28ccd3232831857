"""`explain`: what `run` or `create` would make, by the code that they decide with; nothing is made,
pulled or taken."""

from __future__ import annotations

import os

from crun_py import jsonfile, notices, state, volumes
from crun_py.cgroup import group, manager
from crun_py.container import create as made
from crun_py.container import resources
from crun_py.engine import create, pull
from crun_py.errors import NotFound, Unsupported
from crun_py.model.spec import DEFAULT_SECCOMP, OPTIONAL_SYSCTLS
from crun_py.net import config, connection
from crun_py.ns import caps
from crun_py.ns.idmap import Ids, own_map
from crun_py.oci.reference import has_transport
from crun_py.oci.store.images import ImageStore
from crun_py.paths import Paths
from crun_py.record import from_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.container.create import Decision
    from crun_py.documents import explanation as documents
    from crun_py.documents.container import Port
    from crun_py.documents.explanation import Explanation
    from crun_py.engine.context import Context
    from crun_py.model.container import CreateRequest
    from crun_py.model.network import Network
    from crun_py.model.registry import PullRequest
    from crun_py.oci.store.image import Image

CALLS = ("told",)
ID = "0" * 64
"""Stands for the id, which a container gets when it is made."""


class Explained:
    """What a container would be: as `create` decides it, and as a document.

    image: None with --rootfs.
    """

    __slots__ = ("decision", "document", "image", "paths")

    def __init__(
        self, paths: Paths, image: Image | None, decision: Decision, document: Explanation
    ) -> None:
        self.paths, self.image = paths, image
        self.decision, self.document = decision, document


def explain(
    context: Context, request: CreateRequest, wanted: PullRequest, *, subnet: str = ""
) -> Explained:
    """What would be made of `request`.

    This process becomes root of a user namespace, if it is a plain user's.  wanted: as for a pull,
    which is not done.  subnet: of the default network, if that would be made.  Raises as
    create.make, NotFound when the image is not in the store, Unsupported for a pod that would be
    made.
    """
    context.paths = Paths(context.paths.root, context.paths.run, looking=True)
    create.check(request)
    request = _of_pod(context, request)
    if request.name and not request.replace:
        state.refuse_taken(context.paths, request.name, ID)
    request = create.placed(context, request)
    context.enter()
    image = None if request.rootfs else _image(context.paths, request.image, wanted)
    decision = made.decide(context.paths, image, request, ID)
    for line in create.warnings(request, image):
        notices.warn(line)
    document = _document(context, request, image, decision, subnet)
    return Explained(context.paths, image, decision, document)


def told(context: Context, request: CreateRequest, wanted: PullRequest) -> bytes:
    """The document of `explain` as JSON, for another process."""
    return jsonfile.dumps(explain(context, request, wanted).document).encode()


def _of_pod(context: Context, request: CreateRequest) -> CreateRequest:
    if not request.pod:
        return request
    if request.pod.startswith("new:"):
        name = request.pod.removeprefix("new:")
        raise Unsupported(
            f"explaining a container of pod {name}: the pod is to be made with it",
            hint=f"crunpy pod create {name}",
        )
    from crun_py.engine import pod_making

    return pod_making.joined(context, request)


def _image(paths: Paths, name: str, wanted: PullRequest) -> Image:
    """The image as it is in the store.  Raises NotFound, and as ImageStore.lookup."""
    pull.checked(wanted.policy)
    found = None
    if not has_transport(name):
        found = ImageStore(paths).lookup(name, wanted.platform)
    if found is None or (wanted.platform and not pull.fits(found, wanted.platform)):
        platform = f"--platform {wanted.platform} " if wanted.platform else ""
        raise NotFound(
            f"finding image {name}: not in this store", hint=f"crunpy pull {platform}{name}"
        )
    return found


def _document(
    context: Context,
    request: CreateRequest,
    image: Image | None,
    decision: Decision,
    subnet: str,
) -> Explanation:
    record, spec = decision.record, decision.document
    linux = spec["linux"]
    found: Explanation = {
        "rootless": context.rootless,
        "name": record["name"],
        "hostname": "" if record["hostname"] == ID[:12] else record["hostname"],
        "domainname": record["domainname"],
        "image": _image_document(request, image),
        "root": _root(decision),
        "process": _process(decision),
        "capabilities": _capabilities(decision),
        "namespaces": linux["namespaces"],
        "ids": {
            "own": record["userns"],
            "engine": {"uids": own_map("uid"), "gids": own_map("gid")},
        },
        "mounts": _mounts(context.paths, decision),
        "masked": linux.get("maskedPaths", []),
        "readonly": linux.get("readonlyPaths", []),
        "devices": linux.get("devices", []),
        "sysctls": linux.get("sysctl", {}),
        "cgroup": _cgroup(decision, rootless=context.rootless),
        "network": _network(context, decision, subnet),
        "life": {
            "remove": record["auto_remove"],
            "init": bool(record["host"].get("init")),
            "restart": record["restart"],
            "stop_signal": record["config"]["stop_signal"],
            "stop_timeout": record["config"]["stop_timeout"],
            "timeout": record["timeout"],
            "log": record["log"],
            "health": record["config"]["healthcheck"],
        },
        "labels": record["config"]["labels"],
        "annotations": {
            key: value
            for key, value in spec.get("annotations", {}).items()
            if key not in (DEFAULT_SECCOMP, OPTIONAL_SYSCTLS)
        },
        "secrets": record.get("secrets", []),
        "links": record["links"],
        "requires": record["requires"],
        "ineffective": record["host"].get("ineffective", {}),
    }
    if pod := record.get("pod"):
        found["pod"] = pod
    return found


def _image_document(request: CreateRequest, image: Image | None) -> documents.Image | None:
    if image is None:
        return None
    about = image.config
    return {
        "name": request.image,
        "id": "sha256:" + image.id,
        "digest": image.digest,
        "platform": f"{about.get('os') or ''}/{about.get('architecture') or ''}",
    }


def _root(decision: Decision) -> documents.Root:
    record, layers = decision.record, decision.layers
    kind = "directory" if not layers else "copy" if record.get("copied") else "overlay"
    return {
        "kind": kind,
        "layers": layers or [record["rootfs"]],
        "read_only": decision.document["root"].get("readonly", False),
        "size": record["host"].get("storage_bytes", 0),
    }


def _process(decision: Decision) -> documents.Process:
    process, config, user = decision.document["process"], decision.record["config"], decision.user
    own, engine = Ids.of(decision.record), Ids(own_map("uid"), own_map("gid"))
    uid, gid = engine.outside(*(own.outside(user.uid, user.gid) if own else (user.uid, user.gid)))
    return {
        "args": process["args"],
        "cwd": process["cwd"],
        "user": {
            "uid": user.uid,
            "gid": user.gid,
            "groups": user.gids,
            "host_uid": uid,
            "host_gid": gid,
        },
        "umask": process["user"].get("umask", 0),
        "environment": process["env"],
        "terminal": config["tty"],
        "stdin": config["open_stdin"],
        "no_new_privileges": process.get("noNewPrivileges", False),
        "oom_score_adj": process.get("oomScoreAdj", 0),
        "limits": process.get("rlimits", []),
        "seccomp": _seccomp(decision),
        "apparmor": process.get("apparmorProfile", ""),
        "selinux": process.get("selinuxLabel", ""),
    }


def _seccomp(decision: Decision) -> str:
    if decision.document.get("annotations", {}).get(DEFAULT_SECCOMP):
        return "default"
    if "seccomp" not in decision.document["linux"]:
        return "unconfined"
    asked = decision.request.security.seccomp
    return "nesting" if asked == "default" else asked


def _capabilities(decision: Decision) -> documents.Capabilities:
    sets = decision.document["process"]["capabilities"]
    bounding, usual = sets["bounding"], decision.request.security.default_capabilities
    default = [caps.canonical(name) for name in (caps.DEFAULT if usual is None else usual)]
    return {
        "bounding": bounding,
        "effective": sets["effective"],
        "added": [name for name in bounding if name not in default],
        "dropped": [name for name in default if name not in bounding],
    }


def _mounts(paths: Paths, decision: Decision) -> list[documents.Mount]:
    """The secrets' are beside: they are made at each start."""
    kept = {entry["destination"]: entry for entry in decision.record["mounts"]}
    asked = {volumes.check_destination(m.target, m.target) for m in decision.request.mounts}
    own = paths.container(ID) + "/"
    found: list[documents.Mount] = []
    for mount in decision.document["mounts"]:
        target, source = mount["destination"], mount.get("source", "")
        kind, name, new = mount.get("type", ""), "", False
        what = "tmpfs" if kind == "tmpfs" and target in asked else "engine"
        if entry := kept.get(target):
            what, name = entry["type"], entry["name"]
            if what == "volume":
                new = not os.path.isdir(volumes.data_directory(paths, name))
                name = "" if entry.get("anonymous") else name
            elif what == "bind":
                new = not os.path.lexists(source)
        elif source.startswith(own):
            what, new, source = "file", True, source.removeprefix(own)
        found.append({
            "destination": target, "what": what, "type": kind, "source": source,
            "options": mount.get("options", []), "name": name, "new": new,
        })  # fmt: skip
    return found


def _cgroup(decision: Decision, *, rootless: bool) -> documents.Cgroup:
    record = decision.record
    asked, usual = resources.files(record, decision.document)
    below = record["cgroup_parent"]
    if below == "-":
        return {"manager": "", "path": "", "asked": {}, "usual": {}, "lacking": []}
    name = manager.chosen(record.get("cgroup_manager", ""), below, rootless=rootless)
    base = manager.base(name, rootless=rootless)
    if base is None and not below:
        return {"manager": "", "path": "", "asked": asked, "usual": {}, "lacking": [*asked]}
    top = f"{group.mount_point() or ''}/{below.strip('/')}" if below else base or ""
    lacking = group.lacking(top, asked)
    without = group.lacking(top, usual)
    usual = {key: text for key, text in usual.items() if key not in asked and key not in without}
    own = manager.unit("ID") if name == manager.SYSTEMD else "ID"
    path = f"{below.strip('/')}/{own}" if below else f"{base}/{own}"
    return {"manager": name, "path": path, "asked": asked, "usual": usual, "lacking": lacking}


# ---- networks ----


def _network(context: Context, decision: Decision, subnet: str) -> documents.Networking:
    asked = decision.record["network"]
    networks = [_known(context.paths, join["network"], subnet) for join in asked["networks"]]
    names = [network.name for network, _ in networks]
    way = _way(asked["mode"], names, rootless=context.rootless)
    found: documents.Networking = {
        "mode": asked["mode"],
        "way": way,
        "networks": [],
        "ports": asked["ports"] if way in ("bridge", "hub", "helper") else [],
        "table": "",
        "rules": [],
        "hosts": asked["add_host"],
        "dns": asked["dns"],
    }
    if way not in ("bridge", "hub"):
        return found
    for (network, new), join in zip(networks, asked["networks"], strict=True):
        found["networks"].append({
            "name": network.name, "driver": network.kind, "new": new,
            "internal": network.internal, "bridge": network.interface or network.parent,
            "subnets": [s.subnet for s in network.subnets],
            "gateways": [s.gateway for s in network.subnets if s.gateway],
            "join": join,
        })  # fmt: skip
    if way == "bridge":
        first = next((n for n, _ in networks if n.publishes), None)
        found["table"] = next((n.table for n, _ in networks if n.kind == "bridge"), "")
        found["rules"] = [
            *(f"set bridges: {n.interface}" for n, new in networks if new),
            *(_rule(port, first) for port in found["ports"] if first and not _is_relayed(port)),
        ]
    return found


def _known(paths: Paths, name: str, subnet: str) -> tuple[Network, bool]:
    """A network, and whether it would be made."""
    there = config.every(paths)
    if known := next((n for n in there if n.name == name), None):
        return known, False
    from crun_py.model.network import NetworkRequest, Subnet

    request = NetworkRequest(name=name, subnets=(Subnet(subnet),) if subnet else ())
    return config.decided(paths, request, there), True


def _way(mode: str, names: list[str], *, rootless: bool) -> str:
    word = mode.partition(":")[0]
    if word in ("host", "none"):
        return word
    if word in ("container", "ns"):
        return "shared"
    if word in connection.HELPERS or (rootless and not connection.on_hub(names)):
        return "helper"
    return "hub" if rootless else "bridge"


def _is_relayed(port: Port) -> bool:
    from crun_py.model.network import PortMapping
    from crun_py.net import ports

    return ports.is_relayed(from_json(PortMapping, port))


def _rule(port: Port, network: Network) -> str:
    """The element of the table's maps that a published port is (net/nft_table)."""
    inside = f"ADDRESS . {port['container_port']}"
    if network.only_routed:
        return f"set open: ADDRESS . {port['protocol']} . {port['container_port']}"
    outside = f"{port['protocol']} . {port['host_port'] or 'PORT'}"
    address = port["host_ip"] or network.bridge.host_ip
    if address in ("", "0.0.0.0", "::"):
        return f"map ports: {outside} : {inside}"
    return f"map address_ports: {address} . {outside} : {inside}"
