"""crunpy pod create."""

from __future__ import annotations

import sys

from crun_py import quantity
from crun_py.cli.container import create_request
from crun_py.cli.container.create import OPTIONS as OF_CONTAINERS
from crun_py.cli.output import write, write_warning
from crun_py.engine import pods
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument
from crun_py.model.container import SHM_BYTES, CreateRequest
from crun_py.model.pod import PodRequest
from crun_py.options import environment, parts
from crun_py.record import replaced
from crun_py.values import Values, destination

ARGUMENTS = "[NAME]"
_SHARED_OPTIONS = (
    "publish", "network", "network-alias", "hostname", "add-host", "no-hosts", "dns",
    "dns-option", "dns-search", "ip", "ip6", "link-local-ip", "mac-address", "pid", "uts",
    "userns", "uidmap", "gidmap", "subuidname", "subgidname", "volume", "volumes-from", "device",
    "gpus", "security-opt", "shm-size", "sysctl", "label", "label-file", "memory", "memory-swap",
    "cpus", "cpu-shares", "cpuset-cpus", "cpuset-mems", "blkio-weight", "blkio-weight-device",
    "device-read-bps", "device-write-bps", "cgroup-parent", "restart",
)  # fmt: skip


def _of_containers() -> tuple[tuple[str, str, str, str], ...]:
    """Those options that are the same as of a container's, with their words."""
    by_name = {
        word[2:]: entry
        for entry in OF_CONTAINERS
        for word in entry[0].split()
        if word.startswith("--")
    }
    return tuple(by_name[name] for name in _SHARED_OPTIONS)


_OF_CONTAINERS = _of_containers()
_KEYS = [destination(entry[0]) for entry in _OF_CONTAINERS]
OPTIONS = (
    ("-n --name", "value", "Name of the pod", "NAME"),
    (
        "--share",
        "value",
        "What its containers share: ipc,net,uts (and pid, cgroup), or none",
        "KINDS",
    ),
    ("--share-parent", "switch", "Its containers' groups are below the pod's (true)", ""),
    ("--infra", "switch", "With a container that holds what they share (true)", ""),
    ("--infra-name", "value", "Name of that container", "NAME"),
    ("--infra-image", "value", "No effect: that container has no image", "IMAGE"),
    ("--infra-command", "value", "No effect: that container has no command", "COMMAND"),
    ("--infra-conmon-pidfile", "value", "Write its monitor's process id to a file", "FILE"),
    ("--exit-policy", "value", "When the last container ends: continue, or stop the pod", "HOW"),
    ("--pod-id-file", "value", "Write the pod's id to a file", "FILE"),
    ("--replace", "flag", "Remove a pod of this name first", ""),
    *_OF_CONTAINERS,
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Make a pod and print its id."""
    asked = request(values, arguments)
    own = replaced(asked.container, cgroup_manager=context.cgroup_manager)
    write(pods.create(context, replaced(asked, container=own)).id)
    return 0


def request(values: Values, arguments: list[str]) -> PodRequest:
    """What the options ask for.  Raises InvalidArgument."""
    if values.text("name") and arguments:
        raise InvalidArgument("cannot specify --name and NAME at the same time")
    infra = values.switch("infra") is not False
    for name, given in (("image", values.text("infra_image")),
                        ("command", values.text("infra_command"))):  # fmt: skip
        if given:
            what = "its container executes nothing" if infra else "there is no such container"
            write_warning(f"--infra-{name} has no effect: a pod needs no image here, {what}")
    lines = [
        line for path in values.texts("label_file") for line in environment.lines_of(path, "label")
    ]
    devices, cdi = parts.devices(values.texts("device"), values.text("gpus"))
    of_container = Values(OF_CONTAINERS).with_those_of(values, _KEYS)
    own = CreateRequest(
        name=values.text("infra_name"),
        hostname=values.text("hostname"),
        network=create_request.networking(of_container),
        namespaces=create_request.namespaces(of_container),
        mounts=create_request.mounted(of_container),
        volumes_from=tuple(values.texts("volumes_from")),
        devices=devices,
        cdi=cdi,
        security=parts.security(values.texts("security_opt")),
        sysctls=environment.pairs(values.texts("sysctl"), "sysctl"),
        shm_bytes=quantity.size(values.text("shm_size"), "shm size")
        if values.text("shm_size")
        else SHM_BYTES,
        monitor_pid_file=create_request.absolute(values.text("infra_conmon_pidfile")),
        binds=tuple(values.texts("volume")),
        restart=create_request.restart(of_container),
    )
    return PodRequest(
        name=arguments[0] if arguments else values.text("name"),
        labels=environment.labels([*lines, *values.texts("label")], "label"),
        shared=_shared(values),
        infra=infra,
        container=own,
        exit_policy=values.text("exit_policy") or "continue",
        cgroup_parent=values.text("cgroup_parent"),
        limits=create_request.limits(of_container),
        id_file=create_request.absolute(values.text("pod_id_file")),
        replace=values.flag("replace"),
        created_by=tuple(sys.argv),
    )


def _shared(values: Values) -> tuple[str, ...] | None:
    """--share, None when it is not given."""
    text = values.maybe("share")
    if text is None:
        return None
    words = [word.strip().lower() for word in text.split(",")]
    return tuple(word for word in words if word and word != "none")
