"""Settings files of other engines that are not read here: where each setting goes now."""

from __future__ import annotations

import shlex

from crun_py import jsonfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from crun_py.doctor.host import Host
    from crun_py.model.system import Finding

_OLD = {
    "/etc/sysconfig/docker": ("other_args", "OPTIONS"),
    "/etc/sysconfig/docker-network": ("DOCKER_NETWORK_OPTIONS",),
    "/etc/sysconfig/docker-storage": ("DOCKER_STORAGE_OPTIONS",),
    "/etc/default/docker": ("DOCKER_OPTS",),
}
"""Files of shell variables with options of Docker's daemon, and which variables."""

_READ = {"registry-mirrors", "insecure-registries", "labels"}
"""What is read of daemon.json as it is (oci/registry/registries, show/info)."""

_ELSEWHERE = {
    "bip": "crunpy network create --subnet …, and containers.conf: [network] default_subnet",
    "cgroup-parent": "crunpy run --cgroup-parent",
    "data-root": "CRUNPY_ROOT, or crunpy --root",
    "default-address-pools": "containers.conf: [network] default_subnet_pools",
    "default-runtime": "no setting: containers have no runtime of another's",
    "default-shm-size": "containers.conf: [containers] shm_size",
    "default-ulimits": "containers.conf: [containers] default_ulimits",
    "dns": "containers.conf: [containers] dns_servers",
    "dns-opts": "containers.conf: [containers] dns_options",
    "dns-search": "containers.conf: [containers] dns_searches",
    "exec-opts": "containers.conf: [engine] cgroup_manager",
    "graph": "CRUNPY_ROOT, or crunpy --root",
    "host": "crunpy system service SOCKET",
    "hosts": "crunpy system service SOCKET",
    "icc": "crunpy network create -o com.docker.network.bridge.enable_icc=false",
    "init": "containers.conf: [containers] init",
    "insecure-registry": "registries.conf: [[registry]] insecure = true",
    "insecure-registries": "registries.conf: [[registry]] insecure = true",
    "ip-masq": "crunpy network create -o com.docker.network.bridge.enable_ip_masquerade=false",
    "ipv6": "crunpy network create --ipv6",
    "label": '/etc/docker/daemon.json: "labels"',
    "log-driver": "containers.conf: [containers] log_driver",
    "log-level": "no setting: crunpy --debug",
    "log-opt": "containers.conf: [containers] log_size_max",
    "log-opts": "containers.conf: [containers] log_size_max",
    "max-concurrent-downloads": "no setting: what the processors can do",
    "mtu": "crunpy network create -o mtu=",
    "registry-mirror": "registries.conf: [[registry.mirror]] of docker.io",
    "seccomp-profile": "containers.conf: [containers] seccomp_profile",
    "selinux-enabled": "no setting: as the machine is",
    "storage-driver": "no setting: it is overlay",
    "storage-opt": "crunpy run --storage-opt size=",
    "storage-opts": "crunpy run --storage-opt size=",
    "userns-remap": "crunpy run --userns auto",
}
"""Options of Docker's daemon, and what says the same here."""

_NAMES = {"H": "host", "D": "log-level", "g": "graph", "l": "log-level", "s": "storage-driver"}


def old_files(host: Host) -> Iterator[Finding]:
    """What stands in Docker's old files of options."""
    for path, variables in _OLD.items():
        for line in host.lines(path):
            key, found, value = line.removeprefix("export ").partition("=")
            if not found or key.strip() not in variables:
                continue
            try:
                words = shlex.split(value)
                words = shlex.split(" ".join(words))
            except ValueError as e:
                yield host.warning("settings", f"{path}: {key}: {e}")
                continue
            for name, said in _options(words):
                yield _moved(host, f"{path}: {key.strip()}", name, said)


def _options(words: list[str]) -> Iterator[tuple[str, str]]:
    """(name, value) of each option of a daemon's command line."""
    i = 0
    while i < len(words):
        word, i = words[i], i + 1
        if not word.startswith("-"):
            continue
        name, with_value, value = word.lstrip("-").partition("=")
        if not with_value and i < len(words) and not words[i].startswith("-"):
            value, i = words[i], i + 1
        yield _NAMES.get(name, name), value


def _moved(host: Host, where: str, name: str, value: str) -> Finding:
    place = _ELSEWHERE.get(name, "no setting here: there is no daemon")
    said = f" {value}" if value else ""
    return host.warning("settings", f"{where}: {name}{said}: now {place}", _command(name, value))


def _command(name: str, value: str) -> str:
    """The command that says the same here; only for what needs no decision."""
    bare = shlex.quote(value.partition("://")[2].rstrip("/") or value)
    insecure = "true" if value.startswith("http://") else "false"
    file = "/etc/containers/registries.conf.d/50-from-docker.conf"
    made = "mkdir -p /etc/containers/registries.conf.d"
    if name == "registry-mirror" and value:
        table = '[[registry]]\\nlocation = "docker.io"\\n[[registry.mirror]]\\nlocation = "%s"\\n'
        return f"{made} && printf '{table}insecure = {insecure}\\n' {bare} >> {file}"
    if name == "insecure-registry" and value:
        table = '[[registry]]\\nlocation = "%s"\\ninsecure = true\\n'
        return f"{made} && printf '{table}' {bare} >> {file}"
    return ""


def daemon_json(host: Host) -> Iterator[Finding]:
    """What stands in Docker's daemon.json, of which some is read."""
    path = "/etc/docker/daemon.json"
    text = host.text(path)
    if not text:
        return
    try:
        found = jsonfile.loads(text.encode())
    except ValueError as e:
        yield host.warning("settings", f"{path}: no JSON, so nothing of it is read: {e}")
        return
    if not isinstance(found, dict):
        yield host.warning("settings", f"{path}: no JSON object, so nothing of it is read")
        return
    if used := sorted(found.keys() & _READ):
        yield host.ok("settings", f"{path}: {', '.join(used)} hold here too")
    for name in sorted(found.keys() - _READ):
        yield _moved(host, path, name, "")
