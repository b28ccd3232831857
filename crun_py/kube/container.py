"""A container of a manifest's pod as what the engine is asked for."""

from __future__ import annotations

import os

from crun_py.errors import InvalidArgument
from crun_py.kube.amounts import amount, ceiled
from crun_py.kube.settings import MAPS, SECRETS
from crun_py.model.container import (
    Bind,
    CreateRequest,
    Environment,
    HealthCheck,
    Limits,
    Namespaces,
    RestartPolicy,
    Security,
)
from crun_py.model.registry import PullRequest
from crun_py.record import replaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.kube.node import Node
    from crun_py.kube.pod import Surroundings
    from crun_py.model.container import Mount

_POLICIES = {"Always": "always", "OnFailure": "on-failure", "Never": "no"}
_PULLS = {"": "missing", "IfNotPresent": "missing", "Always": "newer", "Never": "never"}
_CONDITIONS = ("livenessProbe", "readinessProbe", "startupProbe")


def container(
    node: Node, around: Surroundings, *, first: bool = False
) -> tuple[CreateRequest, PullRequest]:
    """A container; first: it is an init container.  Raises InvalidArgument, NotFound."""
    name = label(node)
    node.known("terminationMessagePath", "terminationMessagePolicy", "resizePolicy")
    node.known("stdinOnce")
    policy = around.restart_policy
    if policy not in _POLICIES:
        raise InvalidArgument(
            f"{around.where}.restartPolicy {policy!r}: not one of {', '.join(_POLICIES)}"
        )
    own = node.node("securityContext")
    around.say_ports(node.nodes("ports"))
    pull = node.text("imagePullPolicy")
    if pull not in _PULLS:
        raise InvalidArgument(f"{node.where}.imagePullPolicy {pull!r}: not one of Kubernetes'")
    image = node.needed("image")
    request = CreateRequest(
        image=image,
        name=f"{around.name}-{name}",
        # what a manifest calls command is the image's entry point, and args its command
        entrypoint=tuple(_expanded(node.texts("command"), node, around)) or None,
        command=tuple(_expanded(node.texts("args"), node, around)),
        workdir=node.text("workingDir"),
        environment=Environment(variables=_variables(node, around)),
        labels=around.labels,
        annotations=around.annotations,
        mounts=_mounts(node, around),
        tty=bool(node.truth("tty")),
        open_stdin=bool(node.truth("stdin")),
        user=_user(own, around),
        groups=around.groups,
        read_only=bool(own.truth("readOnlyRootFilesystem")),
        security=_security(own),
        limits=_limits(node.node("resources")),
        health=HealthCheck() if first else _health(node, policy),
        restart=RestartPolicy("no" if first else _POLICIES[policy]),
        stop_timeout_s=around.stop_timeout_s,
        log=around.log,
        namespaces=Namespaces(),
    )
    tag = image.rpartition("/")[2]
    newest = ":" not in tag or tag.endswith(":latest")
    asked = _PULLS[pull] if pull or not newest or "@" in tag else "newer"
    return request, PullRequest(policy=asked)


def label(node: Node) -> str:
    """The name of an object, which is a label of the domain name system (RFC 1123)."""
    name = node.needed("name")
    good = name.isascii() and name == name.lower() and name.replace("-", "a").isalnum()
    if not good or len(name) > 63 or "-" in (name[0], name[-1]):
        raise InvalidArgument(
            f"{node.where}.name {name[:80]!r}: not a label of at most 63 of a-z 0-9 -"
        )
    return name


def _mounts(node: Node, around: Surroundings) -> tuple[Mount, ...]:
    found: dict[str, Mount] = {}
    for one in node.nodes("volumeMounts"):
        mount = around.mount(one)
        place = os.path.normpath(mount.target)
        if place in found:
            raise InvalidArgument(f"{one.where}.mountPath {mount.target!r}: it is there twice")
        found[place] = mount
    return tuple(found.values())


def _variables(node: Node, around: Surroundings) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for one in node.nodes("envFrom"):
        prefix = one.text("prefix")
        for kind, key in ((MAPS, "configMapRef"), (SECRETS, "secretRef")):
            if key in one:
                about = one.node(key)
                values = around.settings.variables(
                    kind, about.needed("name"), bool(about.truth("optional")), about.where
                )
                found |= {prefix + key: value for key, value in values.items()}
    for one in node.nodes("env"):
        name = one.needed("name")
        if "=" in name or "\0" in name:
            raise InvalidArgument(f"{one.where}.name: {name!r} cannot be a variable's name")
        value: str | None = one.text("value")
        if "valueFrom" in one:
            value = _value_from(one.node("valueFrom"), node, around)
        elif value:
            value = _put_in(value, found)
        if value is not None:
            found[name] = value
    return found


def _value_from(source: Node, node: Node, around: Surroundings) -> str | None:
    for kind, key in ((MAPS, "configMapKeyRef"), (SECRETS, "secretKeyRef")):
        if key in source:
            return around.settings.value(kind, source.node(key))
    if "fieldRef" in source:
        about = source.node("fieldRef")
        about.known("apiVersion")
        return around.field(about.needed("fieldPath"), about.where)
    if "resourceFieldRef" in source:
        about = source.node("resourceFieldRef")
        kind, _, what = about.needed("resource").partition(".")
        text = node.node("resources").node(kind).text(what) or "0"
        finest = 1000 if what == "cpu" else 1
        return str(ceiled(text, about.where, about.text("divisor"), finest=finest))
    raise InvalidArgument(f"{source.where}: it names none of the sources that are known")


def _put_in(text: str, variables: dict[str, str | None]) -> str:
    """$(NAME) stands for a variable that was defined before; $$ for a dollar."""
    import re

    def one(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        value = variables.get(match[1])
        return match[0] if value is None else value

    return re.sub(r"\$\$|\$\(([-._a-zA-Z0-9]+)\)", one, text)


def _expanded(words: list[str], node: Node, around: Surroundings) -> list[str]:
    if not any("$" in word for word in words):
        return words
    variables = _variables(node, around)
    return [_put_in(word, variables) for word in words]


def _user(own: Node, around: Surroundings) -> str:
    user, group = own.number("runAsUser"), own.number("runAsGroup")
    user = around.user if user is None else user
    group = around.group if group is None else group
    if group is not None:
        return f"{user or 0}:{group}"
    return "" if user is None else str(user)


def _security(own: Node) -> Security:
    capabilities = own.node("capabilities")
    allowed = own.truth("allowPrivilegeEscalation")
    profile = own.node("seccompProfile")
    seccomp = profile.text("type")
    privileged = bool(own.truth("privileged"))
    return Security(
        privileged=privileged,
        cap_add=tuple(capabilities.texts("add")),
        cap_drop=tuple(capabilities.texts("drop")),
        no_new_privileges=allowed is False,
        seccomp="unconfined" if seccomp == "Unconfined" else "default",
        options=("no-new-privileges",) if allowed is False else (),
    )


def _limits(resources: Node) -> Limits:
    most, least = resources.node("limits"), resources.node("requests")
    cpu, memory = most.text("cpu"), most.text("memory")
    asked, kept = least.text("cpu"), least.text("memory")
    shares = int(amount(asked, f"{least.where}.cpu") * 1024) if asked else 0
    return Limits(
        cpus=amount(cpu, f"{most.where}.cpu") or None if cpu else None,
        memory_bytes=int(amount(memory, f"{most.where}.memory")) or None if memory else None,
        memory_reservation_bytes=int(amount(kept, f"{least.where}.memory")) or None
        if kept
        else None,
        cpu_shares=min(max(shares, 2), 262144) if shares else None,
    )


def _health(node: Node, policy: str) -> HealthCheck:
    """One check is made of the probes: the liveness probe's, or else another one's."""
    probes = {key: node.node(key) for key in _CONDITIONS if key in node}
    if not probes:
        return HealthCheck()
    key = next(k for k in _CONDITIONS if k in probes)
    made = _probe(probes[key], node)
    if "startupProbe" in probes and key != "startupProbe":
        start = probes["startupProbe"]
        _probe(start, node)  # looked at, for its times alone count
        tries = (start.number("failureThreshold") or 3) * (start.number("periodSeconds") or 10)
        made = replaced(made, start_ms=(made.start_ms or 0) + tries * 1000)
    ends = key == "livenessProbe" and policy != "Never"
    return replaced(made, on_failure="restart" if ends else "none")


def _probe(probe: Node, node: Node) -> HealthCheck:
    probe.known("successThreshold", "terminationGracePeriodSeconds")
    if "exec" in probe:
        test = ("CMD", *probe.node("exec").texts("command"))
    elif "httpGet" in probe:
        get = probe.node("httpGet")
        scheme, host = get.text("scheme", "HTTP").lower(), get.text("host", "localhost")
        url = f"{scheme}://{host}:{_port(get, node)}{get.text('path', '/')}"
        test = ("CMD", "curl", "-f", "-k", "-s", "-o", "/dev/null", url)
        if not (host + get.text("path")).isprintable() or scheme not in ("http", "https"):
            raise InvalidArgument(f"{get.where}: it makes no URL")
    elif "tcpSocket" in probe:
        socket = probe.node("tcpSocket")
        test = ("CMD", "nc", "-z", socket.text("host", "localhost"), _port(socket, node))
    else:
        raise InvalidArgument(f"{probe.where}: only exec, httpGet and tcpSocket are possible")
    return HealthCheck(
        test=test,
        interval_ms=(probe.number("periodSeconds") or 10) * 1000,
        timeout_ms=(probe.number("timeoutSeconds") or 1) * 1000,
        start_ms=(probe.number("initialDelaySeconds") or 0) * 1000,
        retries=probe.number("failureThreshold") or 3,
    )


def _port(about: Node, node: Node) -> str:
    """A port's number, for that or for the name of one of the container's."""
    text = about.needed("port")
    if text.isdecimal():
        return text
    for one in node.nodes("ports"):
        if one.text("name") == text:
            return one.needed("containerPort")
    raise InvalidArgument(f"{about.where}.port: no port is called {text}")


def binds(mounts: tuple[Mount, ...]) -> tuple[str, ...]:
    """How -v would say the binds, for `inspect`."""
    return tuple(
        f"{os.path.join(m.source, m.subpath)}:{m.target}" + ":ro" * m.read_only
        for m in mounts
        if isinstance(m, Bind)
    )
