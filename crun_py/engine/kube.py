"""Kubernetes' manifests: what they ask for is made (`play`), and taken away (`down`); containers as
manifests (`generate`)."""

from __future__ import annotations

from functools import partial

from crun_py import notices, pods, state
from crun_py.container import ending
from crun_py.container import pods as made
from crun_py.engine import (
    containers,
    create,
    kube_volumes,
    pod_making,
    run,
    secrets,
    waiting,
)
from crun_py.engine import pods as engine_pods
from crun_py.engine import volumes as stored
from crun_py.errors import CrunpyError, InvalidArgument, NotFound, Unsupported
from crun_py.kube import plan as plans
from crun_py.kube import text
from crun_py.kube.node import Node
from crun_py.kube.settings import SECRETS
from crun_py.model.container import LogConfig
from crun_py.model.kube import Played, PlayedPod, TakenDown
from crun_py.model.registry import RegistryAccess
from crun_py.quadlet.keys import UPDATES
from crun_py.record import replaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crun_py.engine.context import Context
    from crun_py.kube.generation import Part
    from crun_py.model.kube import KubeContainer, KubePlan, KubePod
    from crun_py.model.network import Join, PortMapping
    from crun_py.model.pod import PodRequest

CALLS = ("play", "down", "generate")
_NOWHERE = "/nonexistent"


def play(
    context: Context,
    manifest: bytes,
    *,
    what: str = "the manifest",
    config_maps: Sequence[bytes] = (),
    networks: Sequence[Join] = (),
    mode: str = "",
    ports: Sequence[PortMapping] = (),
    annotations: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
    log: LogConfig | None = None,
    access: RegistryAccess | None = None,
    start: bool = True,
    replace: bool = False,
) -> Played:
    """Make what a manifest asks for: volumes, secrets, and pods with their containers.

    what: its name in errors.  config_maps: manifests of further ConfigMaps.  networks: that the
    pods are on, or a mode; ports: published by the first pod, instead of what the manifest says of
    the same ports of its containers.
    annotations, labels: for all containers; those that ask for updates (io.containers.autoupdate,
    with /CONTAINER for one) are labels, too.  start: the pods run then.  replace: those of their
    names are removed first.  What has no effect is a warning.

    Raises InvalidArgument, NotFound, Conflict, and the errors of pulls and starts; nothing that was
    made is left then.
    """
    objects = text.documents(manifest, what)
    maps = [one for data in config_maps for one in text.documents(data, "a ConfigMap")]
    asked = log or LogConfig()

    def planned(directory: str) -> KubePlan:
        return plans.plan(objects, maps, lambda name: _kept(context, name),
                          lambda name: directory, asked)  # fmt: skip

    plan = planned(_NOWHERE)
    if not (plan.pods or plan.claims or plan.secrets):
        raise NotFound(f"reading {what}: there is nothing in it to be made")
    for note in plan.notes:
        notices.warn(note)
    if replace:
        down(context, manifest, what=what)
    undo: list[Callable[[], object]] = []
    try:
        for claim in plan.claims:
            if not stored.exists(context, claim.name):
                undo.append(partial(_remove_volume, context, claim.name))
                pod_making.in_own_process(
                    partial(stored.create, context, claim.name, labels=claim.labels),
                    f"volume {claim.name}",
                )
        found = []
        for number, pod in enumerate(plan.pods):
            request = _pod_request(pod, networks, mode, ports if number == 0 else (), begun=start)

            def again(directory: str, number: int = number) -> KubePod:
                return planned(directory).pods[number]

            more = annotations or {}, labels or {}
            one = _Pod(context, request, again, *more, access or RegistryAccess())
            undo.append(one.remove)
            found.append(one.play(start))
        # the last thing, for those that are replaced could not be given back
        for secret in plan.secrets:
            secrets.remove(context, secret.name, missing_ok=True)
            secrets.create(context, secret.name, secret.data)
    except BaseException:
        for step in reversed(undo):
            ending.warn_on_error(step)
        raise
    return Played(pods=tuple(found), volumes=tuple(claim.name for claim in plan.claims),
                  secrets=tuple(secret.name for secret in plan.secrets))  # fmt: skip


def _remove_volume(context: Context, name: str) -> None:
    """One that may not have come to be."""
    if stored.exists(context, name):
        pod_making.in_own_process(partial(stored.remove, context, name), f"volume {name}")


def _kept(context: Context, name: str) -> Node | None:
    """The manifest of a Secret that is kept as a secret of this name."""
    try:
        data = secrets.read(context, name)
    except CrunpyError:
        return None
    found = text.documents(data, f"secret {name}")
    if len(found) != 1 or found[0].get("kind") != SECRETS:
        return None
    return Node(found[0], f"Secret {name}")


def _pod_request(
    pod: KubePod, networks: Sequence[Join], mode: str, ports: Sequence[PortMapping], *, begun: bool
) -> PodRequest:
    own = pod.pod.container
    said = {(port.container_port, port.protocol) for port in ports}
    kept = [p for p in own.network.ports if (p.container_port, p.protocol) not in said]
    network = replaced(own.network, ports=(*kept, *ports))
    if networks and network.mode != "host":
        network = replaced(network, networks=tuple(networks))
    elif mode:
        network = replaced(network, mode=mode, ports=() if mode == "host" else network.ports)
    # the end of the last init container must not be that of the pod
    policy = "continue" if pod.begun and begun else pod.pod.exit_policy
    return replaced(pod.pod, container=replaced(own, network=network), exit_policy=policy)


class _Pod:
    """One pod on its way: each container is made in a process of its own."""

    def __init__(
        self,
        context: Context,
        request: PodRequest,
        planned: Callable[[str], KubePod],
        annotations: dict[str, str],
        labels: dict[str, str],
        access: RegistryAccess,
    ) -> None:
        self._context, self._request, self._planned = context, request, planned
        self._annotations, self._labels, self._access = annotations, labels, access
        self._id = ""

    def play(self, start: bool) -> PlayedPod:
        """Make it, and let it run."""
        context, name = self._context, self._request.name
        self._id = pod_making.in_own_process(
            lambda: pod_making.create(context, self._request).id, f"pod {name}"
        )
        directory = f"{context.paths.pod(self._id)}/volumes"
        pod = self._planned(directory)
        kube_volumes.write(pod, directory)
        self._group = kube_volumes.Group(context.paths, pod.group, directory)
        if pod.begun and not start:
            notices.warn(f"pod {name}: its init containers run by `kube play` alone")
        for one in pod.begun if start else ():
            self._begin(one)
        made_containers = tuple(self._make(one) for one in pod.containers)
        if start:
            made.let_end(pods.load(context.paths, self._id), pod.pod.exit_policy)
            engine_pods.start(context, self._id)
        return PlayedPod(id=self._id, containers=made_containers)

    def remove(self) -> None:
        """What there is of it."""
        if self._id:
            pod_making.remove(self._context, self._id, force=True, missing_ok=True)

    def _make(self, one: KubeContainer) -> str:
        """Make a container; its id."""
        annotations = {**one.request.annotations, **self._annotations}
        own = one.request.name.removeprefix(f"{self._request.name}-")
        policy = annotations.get(f"{UPDATES}/{own}", annotations.get(UPDATES))
        updates = {UPDATES: policy} if policy else {}
        request = replaced(
            one.request,
            pod=self._id,
            annotations=annotations,
            labels={**one.request.labels, **self._labels, **updates},
            created_by=self._request.created_by,
        )
        wanted = replaced(one.pull, access=self._access)

        def make() -> str:
            container = create.make(self._context, request, wanted)
            if one.non_root and not container.spec()["process"]["user"]["uid"]:
                raise InvalidArgument(
                    f"container {request.name}: it has runAsNonRoot, and would run as root",
                    hint="runAsUser",
                )
            self._group.give(container.record, request.mounts)
            return container.id

        try:
            container_id = pod_making.in_own_process(make, f"container {request.name}")
            self._group.given(request.mounts)
            return container_id
        except (InvalidArgument, Unsupported) as e:
            raise type(e)(f"{one.where}: {e.message}", hint=e.hint) from e

    def _begin(self, one: KubeContainer) -> None:
        """Run an init container to its end, and remove it.  Raises CrunpyError when it fails."""
        context = self._context
        container_id = self._make(one)
        pod_making.in_own_process(lambda: run.start(context, container_id), "init container")
        code = waiting.wait(context, container_id)
        name = one.request.name
        if code:
            raise CrunpyError(f"init container {name}: exit code {code}")
        pod_making.in_own_process(
            lambda: containers.remove(context, container_id, volumes=True), "init container"
        )


def down(
    context: Context, manifest: bytes, *, what: str = "the manifest", force: bool = False
) -> TakenDown:
    """Stop and remove the pods that a manifest made, and its secrets; force: its volumes, too.

    What is not there is no error.  Raises InvalidArgument, Conflict.
    """
    named = plans.names(text.documents(manifest, what))
    stopped, removed = [], []
    for name in named[plans.PODS]:
        if engine_pods.exists(context, name):
            stopped.append(engine_pods.stop(context, name))
            removed.append(engine_pods.remove(context, name, force=True))
    gone = [name for name in named[SECRETS] if secrets.remove(context, name, missing_ok=True)]
    volumes = []
    for name in named[plans.CLAIMS] if force else ():
        if stored.exists(context, name):
            _remove_volume(context, name)
            volumes.append(name)
    return TakenDown(stopped=tuple(stopped), removed=tuple(removed), volumes=tuple(volumes),
                     secrets=tuple(gone))  # fmt: skip


def generate(
    context: Context, names: Sequence[str], *, deployment: bool = False, service: bool = False
) -> str:
    """The manifest of containers (one pod of all of them), pods, and volumes.

    deployment: pods as Deployments.  service: with a Service for each pod's ports.  What a manifest
    cannot say is a warning.  Raises NotFound.
    """
    from crun_py.kube import generation

    alone: list[state.Container] = []
    found: list[tuple[dict[str, object], list[str]]] = []
    claims = []
    for name in names:
        if engine_pods.exists(context, name):
            pod = pods.find(context.paths, name)
            members = pod.containers()
            common = next((c.record for c in members if c.record.get("infra")), None)
            parts = [_part(c) for c in members if not c.record.get("infra")]
            if not parts:
                raise NotFound(f"pod {name}: it has no containers")
            labels = pod.record["labels"]
            found.append(generation.pod(pod.name, labels, parts, common, pod.record["shared"]))
        elif stored.exists(context, name) and not containers.exists(context, name):
            info = stored.inspect(context, name)
            claims.append(generation.claim(name, info.labels))
        else:
            container = state.find(context.paths, name)
            if container.record.get("pod"):
                raise InvalidArgument(f"container {name}: it is of a pod, which is to be named")
            alone.append(container)
    if alone:
        title = f"{alone[0].name}-pod"
        found.append(generation.pod(title, {}, [_part(c) for c in alone], None, ()))
    objects = [*claims]
    for made_pod, notes in found:
        for note in notes:
            notices.warn(f"the manifest does not say: {note}")
        objects.append(generation.deployment(made_pod) if deployment else made_pod)
        if service and (one := generation.service(made_pod)):
            objects.append(one)
    return generation.HEAD + text.written(objects)


def _part(container: state.Container) -> Part:
    """A container with its image's configuration."""
    from crun_py.kube.generation import Part
    from crun_py.oci.store.images import ImageStore

    image_id = container.record["image_id"]
    image = ImageStore(container.paths).lookup("sha256:" + image_id) if image_id else None
    return Part(container.record, (image.config.get("config") or {}) if image else {})
