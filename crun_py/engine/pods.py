"""Pods: made, listed, changed and removed, each function one of them.

What is done to several containers is done in a process for each where a plain user asks: each has a
user namespace of its own to be entered.
"""

from __future__ import annotations

from crun_py import pods, state
from crun_py.container import pods as made
from crun_py.engine import pod_making
from crun_py.errors import Conflict, CrunpyError, InvalidArgument, NotFound
from crun_py.model.container import Limits, RestartPolicy
from crun_py.model.pod import PodContainer, PodInfo, PodInfra, PodLine, PodRequest
from crun_py.record import from_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TypeVar

    from crun_py.engine.context import Context
    from crun_py.model.pruned import Pruned
    from crun_py.model.running import ProcessTable
    from crun_py.model.stats import Stats
    from crun_py.pods import Pod
    from crun_py.state import Container

    T = TypeVar("T")

CALLS = ("create", "exists", "names", "named", "inspect", "infos", "start", "stop", "restart",
         "kill", "pause", "unpause", "remove", "prune", "processes", "lines", "usage")  # fmt: skip
_SIGKILL = 9
_COLUMNS = ("user", "pid", "ppid", "pcpu", "etime", "tty", "time", "args")
"""podman-pod-top(1)'s."""


def create(context: Context, request: PodRequest) -> PodInfo:
    """Make a pod, whose containers are still to come.

    Raises InvalidArgument, Conflict (its name is taken), NotFound, Unsupported.
    """
    return _info(pod_making.create(context, request))


# ---- what there is ----


def exists(context: Context, name: str) -> bool:
    """Whether there is a pod of this name or id.  Raises InvalidArgument."""
    try:
        pods.resolve(context.paths, name)
    except NotFound:
        return False
    return True


def names(context: Context) -> tuple[str, ...]:
    """The names of all pods, the newest first."""
    return tuple(pod.name for pod in pods.every(context.paths))


def named(
    context: Context, given: Sequence[str], everything: bool = False, *, latest: bool = False
) -> list[str]:
    """The pods that a call is about: those named, all, or the newest.

    Raises InvalidArgument when none is named, NotFound when there is no newest.
    """
    if everything:
        return pods.ids(context.paths)
    if latest:
        found = pods.every(context.paths)
        if not found:
            raise NotFound("there is no pod")
        return [found[0].id]
    if not given:
        raise InvalidArgument("no pod given", hint="names, --all or --latest")
    return [*given]


def inspect(context: Context, name: str) -> PodInfo:
    """What is known of a pod.  Raises NotFound, InvalidArgument."""
    return _info(pods.find(context.paths, name))


def infos(context: Context, filters: Sequence[str] = ()) -> tuple[PodInfo, ...]:
    """All pods, or those that `filters` (KEY=VALUE, as `pod ps` takes them) mean, newest first.

    Raises InvalidArgument.
    """
    from crun_py.show import pod_list

    wanted = pod_list.Filters(context.paths, [*filters])
    by_pod: dict[str, list[Container]] = {}
    for container in state.every(context.paths)[::-1]:
        if pod_id := container.record.get("pod"):
            by_pod.setdefault(pod_id, []).append(container)
    every = (_info(pod, by_pod.get(pod.id, [])) for pod in pods.every(context.paths))
    return tuple(info for info in every if wanted.match(info))


def _info(pod: Pod, members: list[Container] | None = None) -> PodInfo:
    from crun_py.container import health
    from crun_py.show import listing

    found = []
    infra = None
    members = pod.containers() if members is None else members
    for container in pods.in_order(members):
        status = container.status()
        own = bool(container.record.get("infra"))
        infra = container if own else infra
        words = listing.status_text(status, health.of(container, status))
        found.append(PodContainer(id=container.id, name=container.name, state=status.state,
                                  status=words, infra=own))  # fmt: skip
    record = pod.record
    kept = record.get("restart")
    return PodInfo(
        id=pod.id,
        name=pod.name,
        state=pods.state_of([c.state for c in found]),
        created_at=record["created"],
        labels=record["labels"],
        shared=tuple(record["shared"]),
        infra=_infra(infra) if infra else None,
        exit_policy=record["exit_policy"],
        hostname=infra.record["hostname"] if infra else record["hostname"],
        cgroup_parent=record["cgroup_parent"],
        limits=from_json(Limits, record["limits"]),
        containers=tuple(found),
        created_by=tuple(record["create_command"]),
        restart=RestartPolicy(kept["name"], kept["max"]) if kept else None,
    )


def _infra(found: Container) -> PodInfra:
    from crun_py.model.network import PortMapping

    network, words = found.record["network"], found.record["namespaces"]
    first = network["networks"][0] if network["networks"] else None
    return PodInfra(
        id=found.id,
        network=network["mode"],
        networks=tuple(found.networks),
        ports=tuple(from_json(PortMapping, port) for port in network["ports"]),
        ip=first["ip"] if first else "",
        mac=first["mac"] if first else "",
        dns=tuple(network["dns"]),
        dns_search=tuple(network["dns_search"]),
        dns_options=tuple(network["dns_option"]),
        hosts=tuple(network["add_host"]),
        pid=words["pid"],
        uts=words["uts"],
        user=found.record["host"].get("userns", ""),
    )


def running(context: Context, given: Sequence[str]) -> list[Container]:
    """The containers of pods that run.  Raises NotFound."""
    found = [pods.find(context.paths, name) for name in given]
    return [c for pod in found for c in pod.containers() if c.status().running]


def logging(context: Context, name: str, only: str = "") -> list[Container]:
    """The containers of a pod whose output is kept, the infra container's is not; only: this one
    of them.  Raises NotFound."""
    pod = pods.find(context.paths, name)
    found = [c for c in pod.containers() if not c.record.get("infra")]
    if not only:
        return found
    wanted = state.find(context.paths, only)
    if wanted.id not in {c.id for c in found}:
        raise NotFound(f"container {only}: it is none of pod {pod.name}")
    return [wanted]


def lines(
    context: Context,
    name: str,
    *,
    follow: bool = False,
    tail: int | None = None,
    since_ns: int | None = None,
    until_ns: int | None = None,
) -> Iterator[PodLine]:
    """What the containers of a pod wrote, as of engine.logs, by time; follow: as it comes.  Raises
    NotFound, Unsupported."""
    from crun_py.engine import logs

    called = {container.id: container.name for container in logging(context, name)}
    entries = logs.together(
        [*called],
        lambda one: logs.read(
            context, one, follow=follow, tail=tail, since_ns=since_ns, until_ns=until_ns
        ),
        follow=follow,
    )
    for container_id, entry in entries:
        yield PodLine(container=called[container_id], stream=entry.stream, time=entry.time,
                      text=entry.text)  # fmt: skip


def usage(context: Context, name: str, *, interval_s: float = 1) -> Iterator[tuple[Stats, ...]]:
    """What the containers of a pod that run use, again and again.  Raises NotFound."""
    from crun_py.engine import usage as used

    return used.measured(lambda: running(context, [name]), interval_s)


def processes(context: Context, name: str, columns: Sequence[str] = ()) -> ProcessTable:
    """The processes of a pod's running containers.

    columns: as of inspection.processes; podman's usual ones unless any are given.  Raises NotFound,
    Conflict when none runs, InvalidArgument.
    """
    from crun_py.engine import inspection
    from crun_py.model.running import ProcessTable

    wanted = [*columns] or [*_COLUMNS]
    titles: list[str] = []
    rows: list[tuple[str, ...]] = []
    for container in running(context, [name]):

        def act(name: str = container.id) -> list[list[str]]:
            found = inspection.processes(context, name, wanted)
            return [[*found.titles], *([*row] for row in found.processes)]

        titles, *found = pod_making.in_own_process(act, f"container {container.name}")
        rows += [tuple(row) for row in found]
    if not titles:
        raise Conflict(f"listing processes of pod {name}: none of its containers is running")
    return ProcessTable(titles=tuple(titles), processes=tuple(rows))


# ---- what is done to them ----


def start(context: Context, name: str) -> str:
    """Start a pod's containers, the infra container first; those that run already stay as they
    are, but for what they share: where the infra container has ended they are started anew.  The
    pod's id.

    Raises NotFound, and the errors of all that did not start as one: those that did run on, but the
    infra container does not stay for nobody's sake.
    """
    from crun_py.engine import run

    pod = pods.find(context.paths, name)
    alive = _alive(pod)
    before = {c.id for c in alive}
    if pod.record["shared"] and pod.record["infra"] not in before:
        pod_making.each(pod.name, alive, lambda one: _stop(context, one), "stopping")
    try:
        pod_making.each(
            pod.name, pod.containers(), lambda one: run.start(context, one.id), "starting"
        )
    except CrunpyError:
        alive = _alive(pod)
        if len(alive) == 1 and alive[0].record.get("infra") and alive[0].id not in before:
            pod_making.in_own_process(
                lambda: _stop(context, alive[0]), f"container {alive[0].name}"
            )
        raise
    made.event(pod, "start")
    return pod.id


def stop(
    context: Context, name: str, *, timeout_s: int | None = None, missing_ok: bool = False
) -> str:
    """Stop a pod's containers for good, the infra container last.  timeout_s: as for containers.
    The pod's id, "" where there is none and missing_ok.  Raises NotFound."""
    from crun_py.engine import containers

    if missing_ok and not exists(context, name):
        return ""
    pod = pods.find(context.paths, name)

    def act(container: Container) -> None:
        containers.stop(context, container.id, timeout_s=timeout_s)

    pod_making.each(pod.name, pod.containers()[::-1], act, "stopping")
    made.event(pod, "stop")
    return pod.id


def _alive(pod: Pod) -> list[Container]:
    """Its containers that run, or will in a moment."""
    return [c for c in pod.containers() if c.status().alive or c.status().state == "restarting"]


def _stop(context: Context, container: Container) -> None:
    from crun_py.engine import containers

    containers.stop(context, container.id)


def restart(context: Context, name: str, *, timeout_s: int | None = None) -> str:
    """Stop a pod's containers and start them all.  timeout_s: as for `stop`.  The pod's id.  Raises
    as `start`."""
    stop(context, name, timeout_s=timeout_s)
    return start(context, name)


def kill(context: Context, name: str, signal: int = _SIGKILL) -> str:
    """Send `signal` to the containers of a pod that run.  The pod's id.  Raises NotFound."""
    from crun_py.engine import containers

    pod = pods.find(context.paths, name)
    running = [c for c in pod.containers()[::-1] if c.status().alive]

    def act(container: Container) -> None:
        if container.status().alive:  # with the infra container others may end
            containers.kill(context, container.id, signal)

    pod_making.each(pod.name, running, act, "killing")
    made.event(pod, "kill")
    return pod.id


def pause(context: Context, name: str) -> str:
    """Freeze the processes of a pod's running containers.  The pod's id.  Raises NotFound,
    Unsupported without a freezer."""
    return _frozen(context, name, "pause", "running")


def unpause(context: Context, name: str) -> str:
    """Let the processes of a pod's paused containers go on.  The pod's id.  Raises as `pause`."""
    return _frozen(context, name, "unpause", "paused")


def _frozen(context: Context, name: str, word: str, wanted: str) -> str:
    from crun_py.engine import containers

    pod = pods.find(context.paths, name)
    found = [c for c in pod.containers() if c.status().state == wanted]
    act = containers.pause if word == "pause" else containers.unpause
    pod_making.each(
        pod.name, found, lambda container: act(context, container.id), word[:-1] + "ing"
    )
    made.event(pod, word)
    return pod.id


def remove(
    context: Context,
    name: str,
    *,
    force: bool = False,
    timeout_s: int | None = None,
    missing_ok: bool = False,
) -> str:
    """Remove a pod and its containers; its id, "" where there is none and missing_ok.

    force: those that run are killed first, or with timeout_s stopped; a damaged pod goes, too.
    Raises NotFound, Conflict when one runs and force is not given.
    """
    return pod_making.remove(context, name, force=force, timeout_s=timeout_s, missing_ok=missing_ok)


def prune(context: Context, filters: Sequence[str] = (), *, dry_run: bool = False) -> Pruned:
    """Remove the pods that do not run, with their containers; their ids.

    filters: until=, label=, label!=.  dry_run: nothing is removed, the answer is what would be.
    Raises InvalidArgument.
    """
    from crun_py.container import prune as pruning
    from crun_py.model.pruned import Pruned

    wanted = pruning.parse(filters)
    gone = []
    for pod in pods.every(context.paths):
        record = pod.record
        if not pruning.fits(record["created"], record["labels"], wanted):
            continue
        if _info(pod).state not in ("Exited", "Stopped"):  # podman-pod-prune(1)
            continue
        try:
            gone.append(pod.id if dry_run else remove(context, pod.id))
        except (NotFound, CrunpyError):
            continue  # somebody else removes it, or has started it
    return Pruned(names=tuple(gone), freed_bytes=0)
