"""Pods begin and end: what makes one, what a container gets that joins, and removal."""

from __future__ import annotations

import os
from functools import partial

from crun_py import pods
from crun_py.container import pods as made
from crun_py.errors import CommandError, CorruptState, CrunpyError, InvalidArgument, NotFound
from crun_py.model.container import Networking
from crun_py.model.pod import PodRequest
from crun_py.record import replaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from crun_py.engine.context import Context
    from crun_py.model.container import CreateRequest
    from crun_py.pods import Pod
    from crun_py.state import Container

    T = TypeVar("T")


def create(context: Context, request: PodRequest) -> Pod:
    """Make a pod, whose containers are still to come.

    Raises InvalidArgument, Conflict (its name is taken), NotFound, Unsupported.
    """
    from crun_py.container import lifecycle

    made.check(request)
    if request.id_file and os.path.exists(request.id_file):
        raise InvalidArgument(
            f"pod id file {request.id_file}: exists already",
            hint="another pod may be using it: remove it first",
        )
    if request.replace:
        if not request.name:
            raise InvalidArgument("--replace: no name given", hint="--name NAME")
        remove(context, request.name, force=True, missing_ok=True)
    context.enter()
    lifecycle.sweep(context.paths, rootless=context.rootless, few=True, name=request.name)
    pod = made.make(context.paths, request, rootless=context.rootless)
    if request.id_file:
        from crun_py import outfile

        outfile.write(request.id_file, pod.id.encode())
    return pod


def create_for(context: Context, request: CreateRequest) -> CreateRequest:
    """Make the pod that `request` asks for (pod: new:NAME), which gets what that says of the
    network, the host name and the user namespace; what is left for the container."""
    name = request.pod.partition(":")[2]
    own = type(request)(
        network=request.network,
        hostname=request.hostname,
        namespaces=type(request.namespaces)(
            user=request.namespaces.user, uids=request.namespaces.uids,
            gids=request.namespaces.gids, subuid=request.namespaces.subuid,
            subgid=request.namespaces.subgid,
        ),
    )  # fmt: skip
    asked = PodRequest(name=name, container=own, created_by=request.created_by)
    pod_id = in_own_process(lambda: create(context, asked).id, f"pod {name}")
    return replaced(
        request,
        pod=pod_id,
        network=Networking(),
        hostname="",
        namespaces=replaced(request.namespaces, user="", uids=(), gids=(), subuid="", subgid=""),
    )


def joined(context: Context, request: CreateRequest) -> CreateRequest:
    """What a container of a pod is asked for.  Raises NotFound, InvalidArgument for what is the
    pod's to say."""
    return made.joined(pods.find(context.paths, request.pod), request)


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
    from crun_py.engine import containers

    try:
        pod_id = pods.resolve(context.paths, name)
    except NotFound:
        if missing_ok:
            return ""
        raise
    pod = None
    try:
        pod = pods.load(context.paths, pod_id)
    except (CorruptState, NotFound):
        if not force:
            raise
    members = pods.members(context.paths, pod_id)
    running = [c for c in members[::-1] if c.status().alive or c.status().state == "restarting"]
    patience_s = 0 if timeout_s is None else timeout_s

    def end(container: Container) -> None:
        containers.stop(context, container.id, timeout_s=patience_s)

    if force or all(c.record.get("infra") for c in running):
        each(name, running, end, "stopping")

    def act() -> None:
        context.enter()
        if pod:
            made.remove(pod, force=force)
        else:
            made.discard(context.paths, pod_id)

    in_own_process(act, f"pod {name}")
    return pod_id


def in_own_process(act: Callable[[], T], doing: str) -> T:
    """What `act` returns; in a process of its own where a plain user asks, which enters a user
    namespace."""
    from crun_py.apart import apart
    from crun_py.ns import user

    return apart(act, doing) if user.needed() else act()


def each(
    pod_name: str, containers: list[Container], act: Callable[[Container], None], doing: str
) -> None:
    """`act` on each container.  Raises the errors of all as one, after the last."""
    errors: list[CrunpyError] = []
    for container in containers:
        try:
            in_own_process(partial(act, container), f"container {container.name}")
        except NotFound as e:
            if os.path.isdir(container.directory):  # else it was removed, as those of --rm are
                errors.append(e)
        except CrunpyError as e:
            errors.append(e)
    if errors:
        if len(errors) == 1:
            raise errors[0]
        kinds = {type(e) for e in errors}
        kind = kinds.pop() if len(kinds) == 1 and CommandError not in kinds else CrunpyError
        words = "; ".join(e.message for e in errors)
        raise kind(f"{doing} pod {pod_name}: {words}", hint=errors[0].hint)
