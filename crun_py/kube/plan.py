"""All that a manifest asks for."""

from __future__ import annotations

from crun_py.errors import InvalidArgument
from crun_py.kube import pod as pods
from crun_py.kube.node import Node
from crun_py.kube.settings import MAPS, SECRETS, Settings
from crun_py.model.kube import KubeClaim, KubePlan, KubePod, KubeSecret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from crun_py.model.container import LogConfig

    Object = dict[str, object]

PODS, DEPLOYMENTS, CLAIMS = "Pod", "Deployment", "PersistentVolumeClaim"


def plan(
    objects: Sequence[Object],
    maps: Sequence[Object],
    kept: Callable[[str], Node | None],
    directory: Callable[[str], str],
    log: LogConfig,
) -> KubePlan:
    """What objects of a manifest ask for.

    maps: further ConfigMaps.  kept: as of Settings.  directory: gives where the own volumes of the
    pod of a name are.  Raises InvalidArgument, NotFound.
    """
    from crun_py.kube.text import written

    settings = Settings(kept)
    notes: list[str] = []
    found: list[KubePod] = []
    claims, secrets = [], []
    nodes = [(_kind(one), one, Node(one, _title(one))) for one in objects]
    for one in maps:
        if _kind(one) != MAPS:
            raise InvalidArgument(f"{_title(one)}: a ConfigMap was expected")
        settings.add(MAPS, Node(one, _title(one)))
    for kind, one, node in nodes:
        if kind in (MAPS, SECRETS):
            name = settings.add(kind, node)
            if kind == SECRETS:
                secrets.append(KubeSecret(name=name, data=written([one]).encode()))
    for kind, _, node in nodes:
        if kind == CLAIMS:
            node.known("apiVersion", "kind", "spec", "status")
            about = node.node("metadata")
            about.known("annotations", "namespace", "creationTimestamp")
            claims.append(KubeClaim(name=about.needed("name"), labels=about.pairs("labels")))
        elif kind == PODS:
            name = node.node("metadata").needed("name")
            found.append(pods.pod(node, name, settings, directory(name), log))
        elif kind == DEPLOYMENTS:
            template, name = _template(node, notes)
            found.append(pods.pod(template, name, settings, directory(name), log))
        elif kind in (MAPS, SECRETS):
            node.node("metadata").known("labels", "annotations", "namespace", "creationTimestamp")
        else:
            notes.append(f"{node.where}: objects of this kind are passed over")
            continue
        notes += [f"{place}: it has no effect here" for place in node.unknown()]
    names = [one.pod.name for one in found]
    if len({*names}) < len(names):
        raise InvalidArgument("two pods of the manifest have one name")
    return KubePlan(pods=tuple(found), claims=tuple(claims), secrets=tuple(secrets),
                    notes=tuple(dict.fromkeys(notes)))  # fmt: skip


def names(objects: Sequence[Object]) -> dict[str, list[str]]:
    """The names of what objects make, by kind: pods (of deployments, too), claims and secrets."""
    found: dict[str, list[str]] = {PODS: [], CLAIMS: [], SECRETS: []}
    for one in objects:
        kind = _kind(one)
        name = Node(one, _title(one)).node("metadata").text("name")
        if kind == DEPLOYMENTS:
            found[PODS].append(f"{name}-pod")
        elif kind in found and name:
            found[kind].append(name)
    return found


def _template(node: Node, notes: list[str]) -> tuple[Node, str]:
    """The pod of a Deployment, and its name."""
    node.known("apiVersion", "kind", "status")
    metadata, spec = node.node("metadata"), node.node("spec")
    metadata.known("labels", "annotations", "namespace", "creationTimestamp")
    spec.known("selector", "strategy", "revisionHistoryLimit", "progressDeadlineSeconds")
    name = metadata.needed("name")
    replicas = spec.number("replicas")
    if replicas not in (None, 1):
        notes.append(f"{spec.where}.replicas: one pod is made, and not {replicas}")
    return spec.node("template"), f"{name}-pod"


def _kind(one: Mapping[str, object]) -> str:
    kind = one.get("kind")
    if not isinstance(kind, str) or not isinstance(one.get("apiVersion"), str):
        raise InvalidArgument("a document of the manifest has no apiVersion and kind")
    return kind


def _title(one: Mapping[str, object]) -> str:
    """An object in errors: Pod web."""
    metadata = one.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else ""
    return f"{one.get('kind')} {name}".strip()[:80]
