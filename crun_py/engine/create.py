"""`create`: the image is found or pulled, and a container made of it that nothing runs yet."""

from __future__ import annotations

import os

from crun_py import notices, state
from crun_py.apart import apart
from crun_py.container import create as made
from crun_py.container import lifecycle
from crun_py.engine import pull, usual
from crun_py.errors import InvalidArgument, NotFound
from crun_py.model.registry import PullRequest
from crun_py.record import replaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.engine.context import Context
    from crun_py.model.container import CreateRequest
    from crun_py.oci.store.image import Image
    from crun_py.state import Container


def make(
    context: Context,
    request: CreateRequest,
    wanted: PullRequest,
    *,
    subnet: str = "",
    before: Callable[[], None] | None = None,
) -> Container:
    """Make a container; wanted: how its image is obtained.

    This process becomes root of a user namespace, if it is a plain user's.  subnet: of the default
    network, if that is made now.  before: is called when all is there and nothing is made yet.
    Raises InvalidArgument, NotFound, Conflict (name), and the errors of a pull.
    """
    check(request)
    if request.pod:
        from crun_py.engine import pod_making

        if new := request.pod.startswith("new:"):
            request = pod_making.create_for(context, request)
        try:
            return _made(context, pod_making.joined(context, request), wanted, subnet, before)
        except BaseException:
            if new:
                pod_making.remove(context, request.pod, force=True)
            raise
    return _made(context, request, wanted, subnet, before)


def check(request: CreateRequest) -> None:
    """Raises InvalidArgument for what is wrong whatever the image is."""
    made.check(request)
    if request.id_file and os.path.exists(request.id_file):
        raise InvalidArgument(f"cidfile {request.id_file}: exists already", hint="remove it first")


def placed(context: Context, request: CreateRequest) -> CreateRequest:
    """`request` with the network of containers that ask for none in particular."""
    if request.pod or not usual.is_enough(request.network):
        return request
    network = replaced(request.network, mode=usual.network(context))
    return replaced(request, network=network)


def warnings(request: CreateRequest, image: Image | None) -> list[str]:
    """What of a request will not be as somebody may expect it."""
    found = []
    if request.network.mode == "host" and request.network.ports:
        found.append("published ports are discarded when using host network mode")
    if image and (foreign := _foreign(image)):
        found.append(foreign)
    return found


def _made(
    context: Context,
    request: CreateRequest,
    wanted: PullRequest,
    subnet: str,
    before: Callable[[], None] | None,
) -> Container:
    if request.replace:
        _remove(request.name, context)
    request = placed(context, request)
    asked = request.namespaces
    networks = [f"network:{name}" for name in made.networks(request.network)]
    if networks and not request.rootfs and _must_fetch(context, request.image, wanted):
        # nobody else is to wait for it: see net/hub.py
        apart(lambda: _obtain(context, request.image, wanted))
        wanted = PullRequest()
    context.enter(
        request.network.mode, *networks, asked.pid, asked.ipc, asked.uts, asked.cgroup, asked.user
    )
    # an address or a port that it must have may be that of any container
    asked_of = request.network
    few = not (asked_of.ports or asked_of.ip or asked_of.ip6 or asked_of.networks)
    lifecycle.sweep(context.paths, rootless=context.rootless, few=few, name=request.name)
    if subnet and not context.rootless:
        from crun_py.model.network import NetworkRequest, Subnet
        from crun_py.net import config

        default = NetworkRequest(name=config.DEFAULT, subnets=(Subnet(subnet),))
        config.create(context.paths, default, exist_ok=True)
    image = None if request.rootfs else pull.needed(context, request.image, wanted)
    if before:
        before()
    container = (
        made.in_pod(context.paths, image, request)
        if request.pod
        else made.create(context.paths, image, request)
    )
    for line in warnings(request, image):
        notices.warn(line)
    if request.id_file:
        from crun_py import outfile

        outfile.write(request.id_file, container.id.encode())
    return container


def _must_fetch(context: Context, name: str, wanted: PullRequest) -> bool:
    """Whether a plain user's image is to be pulled."""
    from crun_py.ns import user
    from crun_py.oci.reference import has_transport

    if not user.needed() or has_transport(name) or wanted.policy == "never":
        return False
    from crun_py.oci.store.images import ImageStore

    return wanted.policy != "missing" or ImageStore(context.paths).lookup(name) is None


def _obtain(context: Context, name: str, wanted: PullRequest) -> None:
    context.enter()
    pull.needed(context, name, wanted)


_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def _foreign(image: Image) -> str:
    """A warning where the image is for another processor than this host's, else ""."""
    machine = _MACHINES.get(os.uname().machine)
    wanted = image.config.get("architecture")
    if not machine or not wanted or wanted == machine or (machine, wanted) == ("amd64", "386"):
        return ""
    return f"the image is for linux/{wanted}, this host is linux/{machine}: it may not run"


def _remove(name: str, context: Context) -> None:
    """Remove the container of this name, if there is one."""
    from crun_py.container import ending, inside

    if not name:
        raise InvalidArgument("--replace: no name given", hint="--name NAME")
    try:
        old = state.find(context.paths, name)
    except NotFound:
        return

    def act() -> None:
        inside.become_root(old)
        ending.remove(old, force=True)

    apart(act)
