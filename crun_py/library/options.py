"""What a Python user says of a container, as what the engine is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TypeVar

from crun_py import clock, hints, quantity, signals
from crun_py.errors import InvalidArgument
from crun_py.library import create_options
from crun_py.library.create_options import (
    AnyMount,
    AnyPod,
    CreateOptions,
    Filters,
    Pathname,
    Port,
    Ports,
    Variables,
    Words,
)
from crun_py.model.container import (
    Bind,
    CreateRequest,
    Device,
    DeviceRule,
    Environment,
    ExecRequest,
    Limits,
    Namespaces,
    Networking,
    SecretUse,
    Security,
    Ulimit,
)
from crun_py.model.network import Join, PortMapping
from crun_py.model.pod import PodRequest
from crun_py.model.registry import PullRequest, RegistryAccess
from crun_py.net import ports as published
from crun_py.options import mounts as mount_texts
from crun_py.options import parts
from crun_py.record import replaced

T = TypeVar("T")


def requests(
    image: str, command: Words | None, given: CreateOptions
) -> tuple[CreateRequest, PullRequest]:
    """What `run` and `create` ask the engine for.  Raises InvalidArgument, TypeError for an option
    that there is not."""
    known = CreateOptions.__annotations__
    for name, value in given.items():
        if name not in known:
            raise TypeError(f"there is no option {name}")
        if name != "environment":  # whose values may be numbers, too
            hints.check(value, known[name].__forward_arg__, vars(create_options), name)
    usual = CreateRequest()
    entrypoint = given.get("entrypoint")
    rootfs = given.get("rootfs")
    restart, pod = given.get("restart", usual.restart), given.get("pod", "")
    stop_signal = given.get("stop_signal", 0)
    asked = several(given.get("devices", ()))
    nodes, cdi = parts.devices(one for one in asked if isinstance(one, str))
    request = CreateRequest(
        image="" if rootfs else image,
        rootfs=absolute(rootfs) if rootfs else "",
        command=words(command),
        entrypoint=None if entrypoint is None else words(entrypoint),
        name=given.get("name", ""),
        tty=given.get("tty", False),
        open_stdin=given.get("stdin_open", False),
        auto_remove=given.get("remove", False),
        replace=given.get("replace", False),
        environment=Environment(variables=variables(given.get("environment", ()))),
        labels={**given.get("labels", {})},
        annotations={**given.get("annotations", {})},
        mounts=_mounts(given),
        volumes_from=several(given.get("volumes_from", ())),
        workdir=given.get("working_dir", ""),
        user=str(given.get("user", "")),
        groups=several(given.get("groups", ())),
        hostname=given.get("hostname", ""),
        domainname=given.get("domainname", ""),
        network=_network(given),
        namespaces=_namespaces(given),
        security=_security(given),
        limits=_limits(given),
        ulimits=tuple(u if isinstance(u, Ulimit) else parts.ulimit(u)
                      for u in several(given.get("ulimits", ()))),
        sysctls={**given.get("sysctls", {})},
        devices=(*(one for one in asked if isinstance(one, Device)), *nodes),
        device_rules=tuple(r if isinstance(r, DeviceRule) else parts.device_rule(r)
                           for r in several(given.get("device_rules", ()))),
        cdi=cdi,
        read_only=given.get("read_only", False),
        shm_bytes=size(given.get("shm_size", usual.shm_bytes), "shm_size"),
        storage_bytes=size(given.get("storage_size", 0), "storage_size"),
        oom_score_adj=given.get("oom_score_adj", 0),
        umask=given.get("umask", usual.umask),
        stop_signal=signals.number(stop_signal) if isinstance(stop_signal, str) else stop_signal,
        stop_timeout_s=given.get("stop_timeout", usual.stop_timeout_s),
        init=given.get("init", False),
        secrets=tuple(
            SecretUse(one) if isinstance(one, str) else one
            for one in several(given.get("secrets", ()))
        ),
        systemd=given.get("systemd", usual.systemd),
        restart=parts.restart_policy(restart) if isinstance(restart, str) else restart,
        health=given.get("health", usual.health),
        log=given.get("log", usual.log),
        timeout_s=given.get("timeout", 0),
        timezone=given.get("timezone", ""),
        requires=several(given.get("requires", ())),
        cgroup_parent=given.get("cgroup_parent", ""),
        cgroup_manager=given.get("cgroup_manager", ""),
        binds=_volumes(given),
        pod=pod.info.id if isinstance(pod, AnyPod) else pod,
    )  # fmt: skip
    wanted = PullRequest(
        policy=given.get("pull", "missing"),
        platform=given.get("platform", ""),
        access=given.get("registry", RegistryAccess()),
    )
    return request, wanted


_OF_PODS = frozenset(
    "annotations cgroup_parent cpu_shares cpus cpuset_cpus devices dns dns_options dns_search "
    "extra_hosts hostname ip6_address ip_address labels limits links mac_address memory "
    "memory_swap mounts name namespaces network network_aliases networks no_new_privileges pid "
    "ports replace restart seccomp security shm_size sysctls tmpfs userns uts volumes "
    "volumes_from".split()
)
"""Those of CreateOptions that can be said of a pod."""


def pod(
    name: str,
    share: tuple[str, ...] | None,
    infra: bool,
    infra_name: str,
    exit_policy: str,
    given: CreateOptions,
) -> PodRequest:
    """What `pods.create` asks the engine for.  Raises InvalidArgument, TypeError."""
    if wrong := sorted(given.keys() - _OF_PODS):
        raise TypeError(f"a pod has no option {wrong[0]}")
    own, _ = requests("", None, given)
    return PodRequest(
        name=name or own.name,
        labels=own.labels,
        shared=share,
        infra=infra,
        container=replaced(
            own, name=infra_name, labels={}, limits=Limits(), cgroup_parent="", replace=False
        ),
        exit_policy=exit_policy,
        cgroup_parent=own.cgroup_parent,
        limits=own.limits,
        replace=own.replace,
    )


def exec_request(
    command: Words,
    *,
    environment: Variables = (),
    user: str | int = "",
    working_dir: str = "",
    privileged: bool = False,
    tty: bool = False,
    stdin_open: bool = False,
    detach: bool = False,
) -> ExecRequest:
    """What `exec` asks the engine for.  Raises InvalidArgument."""
    hints.check_call(exec_request, (), {**locals(), "environment": ()})
    return ExecRequest(
        command=words(command),
        tty=tty,
        open_stdin=stdin_open,
        detach=detach,
        environment=variables(environment),
        workdir=working_dir,
        user=str(user),
        privileged=privileged,
    )


def words(command: Words | None) -> tuple[str, ...]:
    """A command's words; a text is split as a shell does, () for None."""
    if command is None:
        return ()
    hints.check(command, "Words", globals(), "command")
    if not isinstance(command, str):
        return tuple(command)
    import shlex

    try:
        return tuple(shlex.split(command))
    except ValueError as e:
        raise InvalidArgument(f"command {command!r}: {e}") from None


def several(given: str | Iterable[T]) -> tuple[str | T, ...]:
    """The items of a list; a text stands for a list of it alone."""
    return (given,) if isinstance(given, str) else tuple(given)


def texts(given: Iterable[str], what: str) -> tuple[str, ...]:
    """As `several`, of texts.  Raises InvalidArgument for anything else."""
    hints.check(given, "Iterable[str]", globals(), what)
    return several(given)


def by_key(given: Mapping[str, str] | None, what: str) -> dict[str, str]:
    """A mapping of texts; None for an empty one.  Raises InvalidArgument for anything else."""
    hints.check(given, "Mapping[str, str] | None", globals(), what)
    return dict(given or {})


def filters(given: Filters) -> tuple[str, ...]:
    """KEY=VALUE of each filter."""
    hints.check(given, "Filters", globals(), "filters")
    if not isinstance(given, Mapping):
        return several(given)
    return tuple(f"{key}={one}" for key, values in given.items() for one in several(values))


def variables(given: Variables) -> dict[str, str | None]:
    """Variables of a container; of a text without = nothing is known here."""
    if isinstance(given, Mapping):
        return {str(key): str(value) for key, value in given.items()}
    found: dict[str, str | None] = {}
    for text in texts(given, "environment"):
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise InvalidArgument(f"environment {text!r}: not KEY=VALUE")
        found[key] = value
    return found


def absolute(path: Pathname) -> str:
    """A path of the host, of which ~ and the working directory are the caller's."""
    hints.check(path, "Pathname", globals(), "path")
    return os.path.abspath(os.path.expanduser(os.fspath(path)))


def host_path(path: Pathname) -> str:
    """As `absolute`, but `/` and `/.` at the end stay, which mean something to a copy."""
    hints.check(path, "Pathname", globals(), "path")
    text = os.path.expanduser(os.fspath(path))
    return text if text.startswith("/") else f"{os.getcwd()}/{text}"


def size(value: int | str, what: str) -> int:
    """Bytes; -1 for no limit."""
    if isinstance(value, str):
        return -1 if value == "-1" else quantity.size(value, what)
    hints.check(value, "int | str", globals(), what)
    if value < -1:
        raise InvalidArgument(f"{what} {value}: not a size")
    return value


def port(value: Port) -> tuple[int, str]:
    """80 or "53/udp" as number and protocol.  Raises InvalidArgument."""
    if isinstance(value, int):
        return value, "tcp"
    number, slash, protocol = value.partition("/")
    if not quantity.is_number(number) or not 0 < int(number) < 1 << 16:
        raise InvalidArgument(f"port {value!r}: not NUMBER[/PROTOCOL]")
    if slash and protocol.lower() not in ("tcp", "udp", "sctp"):
        raise InvalidArgument(f"port {value!r}: protocol {protocol!r} is not known")
    return int(number), protocol.lower() if slash else "tcp"


def ports(given: Ports) -> tuple[PortMapping, ...]:
    """Ports to publish.  Raises InvalidArgument."""
    found: list[PortMapping] = []
    if not isinstance(given, Mapping):
        for one in several(given):
            found += [one] if isinstance(one, PortMapping) else published.parse(str(one))
        return tuple(found)
    for inside, outside in given.items():
        number, protocol = port(inside)
        address, host = outside if isinstance(outside, tuple) else ("", outside)
        if isinstance(host, str):
            address, _, text = host.rpartition(":")
            host = quantity.whole(text, "host port", 0, 65535)
        found.append(
            PortMapping(
                container_port=number, protocol=protocol, host_ip=address, host_port=host or 0
            )
        )
    return tuple(found)


def _volumes(given: CreateOptions) -> tuple[str, ...]:
    """Texts as `-v` takes."""
    volumes = given.get("volumes", ())
    if not isinstance(volumes, Mapping):
        return several(volumes)
    return tuple(
        ":".join((source, to)) if isinstance(to, str)
        else ":".join((source, to["bind"], *([to["mode"]] if "mode" in to else [])))
        for source, to in volumes.items()
    )  # fmt: skip


def _mounts(given: CreateOptions) -> tuple[AnyMount, ...]:
    found: list[AnyMount] = [mount_texts.volume(text) for text in _volumes(given)]
    for one in given.get("mounts", ()):
        if isinstance(one, Bind):
            one = replaced(one, source=absolute(one.source))
        found.append(one)
    tmpfs = given.get("tmpfs", ())
    pairs = tmpfs.items() if isinstance(tmpfs, Mapping) else ((path, "") for path in several(tmpfs))
    return (*found, *(mount_texts.tmpfs(f"{path}:{text}") for path, text in pairs))


def _network(given: CreateOptions) -> Networking:
    mode = given.get("network", "bridge")
    asked = mode if isinstance(mode, Networking) else Networking(mode=mode)
    joins = (Join(one) if isinstance(one, str) else one for one in given.get("networks", ()))
    changes = {
        "networks": tuple(joins) or None,
        "ip": given.get("ip_address"),
        "ip6": given.get("ip6_address"),
        "mac": given.get("mac_address"),
        "aliases": _tuple(given.get("network_aliases")),
        "ports": ports(given["ports"]) if "ports" in given else None,
        "publish_all": given.get("publish_all_ports"),
        "hosts": tuple(f"{name}:{ip}" for name, ip in given.get("extra_hosts", {}).items()) or None,
        "dns": _tuple(given.get("dns")),
        "dns_search": _tuple(given.get("dns_search")),
        "dns_options": _tuple(given.get("dns_options")),
        "links": tuple(given.get("links", {}).items()) or None,
    }
    return replaced(asked, **{name: value for name, value in changes.items() if value is not None})


def _tuple(given: Iterable[str] | None) -> tuple[str, ...] | None:
    return None if given is None else several(given)


def _namespaces(given: CreateOptions) -> Namespaces:
    changes = {
        "pid": given.get("pid"), "ipc": given.get("ipc"), "uts": given.get("uts"),
        "cgroup": given.get("cgroupns"), "user": given.get("userns"),
    }  # fmt: skip
    asked = given.get("namespaces", Namespaces())
    return replaced(asked, **{name: value for name, value in changes.items() if value is not None})


def _security(given: CreateOptions) -> Security:
    seccomp = given.get("seccomp")
    if seccomp is not None and seccomp not in ("default", "unconfined"):
        seccomp = absolute(seccomp)
    changes = {
        "privileged": given.get("privileged"),
        "cap_add": _tuple(given.get("cap_add")),
        "cap_drop": _tuple(given.get("cap_drop")),
        "no_new_privileges": given.get("no_new_privileges"),
        "seccomp": seccomp,
    }
    asked = given.get("security", Security())
    return replaced(asked, **{name: value for name, value in changes.items() if value is not None})


def _limits(given: CreateOptions) -> Limits:
    memory, swap = given.get("memory"), given.get("memory_swap")
    changes = {
        "memory_bytes": None if memory is None else size(memory, "memory"),
        "memory_swap_bytes": None if swap is None else size(swap, "memory_swap"),
        "cpus": given.get("cpus"),
        "cpu_shares": given.get("cpu_shares"),
        "cpuset_cpus": given.get("cpuset_cpus"),
        "pids": given.get("pids_limit"),
    }
    asked = given.get("limits", Limits())
    return replaced(asked, **{name: value for name, value in changes.items() if value is not None})


def point_ns(when: float | str | None) -> int | None:
    """A point in time, seconds since 1970 or a text (RFC 3339, or a span ago like 5m), in ns."""
    if when is None:
        return None
    return clock.parse_point(when) if isinstance(when, str) else int(when * 10**9)
