"""crunpy create: options of a container, the same as run's, and the pull that may precede."""

from __future__ import annotations

import os

from crun_py import caller
from crun_py.cli import reach
from crun_py.cli.container import create_request
from crun_py.cli.output import write, write_error, write_warning
from crun_py.engine import create as engine
from crun_py.errors import Conflict
from crun_py.model.registry import Missing, PullRequest
from crun_py.options import foreign
from crun_py.paths import configuration
from crun_py.record import replaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from crun_py.engine.context import Context, Showing
    from crun_py.model.container import CreateRequest
    from crun_py.options.containers_conf import Defaults
    from crun_py.values import Values

ARGUMENTS = "IMAGE [COMMAND...]"
MIXED = False
OPTIONS = (
    ("-i --interactive", "flag", "Keep standard input open", ""),
    ("-t --tty", "flag", "Give the container a terminal", ""),
    ("-a --attach", "list", "Attach to stdin, stdout or stderr only (run)", "STREAM"),
    ("--rm", "flag", "Remove the container when it ends", ""),
    ("--name", "value", "Name of the container", "NAME"),
    ("-p --publish", "list", "Publish a port: [[IP:]HOSTPORT:]PORT[/PROTOCOL]", "SPEC"),
    ("-P --publish-all", "flag", "Publish all exposed ports on free host ports", ""),
    ("--expose", "list", "A port that the container listens on", "PORT"),
    ("-e --env", "list", "Set a variable; KEY alone copies it from here", "KEY=VALUE"),
    ("--env-file", "list", "Read variables from a file", "FILE"),
    ("-v --volume", "list", "Mount: [SOURCE:]DESTINATION[:OPTIONS]", "SPEC"),
    ("--tmpfs", "list", "Mount a tmpfs: DESTINATION[:OPTIONS]", "SPEC"),
    ("-w --workdir", "value", "Working directory in the container", "DIR"),
    ("-u --user", "value", "User or id: NAME|UID[:GROUP|GID]", "USER"),
    ("--group-add", "list", "A further group", "GROUP"),
    ("--entrypoint", "value", "Replace the image's entry point", "COMMAND"),
    ("-h --hostname", "value", "Host name in the container", "NAME"),
    (
        "--network --net",
        "list",
        "bridge, host, none, container:NAME or networks: NAME[:ip=,alias=,mac=,interface_name=]",
        "NETWORK",
    ),
    ("--ip", "value", "Address on the network", "ADDRESS"),
    ("--ip6", "value", "IPv6 address on the network", "ADDRESS"),
    ("--link-local-ip", "list", "A further address on the network, of 169.254.0.0/16", "ADDRESS"),
    ("--mac-address", "value", "Hardware address on the network", "MAC"),
    ("--add-host", "list", "A line for /etc/hosts: NAME:ADDRESS", "SPEC"),
    ("--dns", "list", "Name server", "ADDRESS"),
    ("--dns-search", "list", "Search domain", "DOMAIN"),
    ("--dns-option --dns-opt", "list", "Resolver option", "OPTION"),
    ("--read-only", "switch", "Mount the root file system read-only", ""),
    ("--cap-add", "list", "Add a capability", "NAME"),
    ("--cap-drop", "list", "Drop a capability", "NAME"),
    ("--privileged", "flag", "All capabilities and devices, nothing masked", ""),
    (
        "--security-opt",
        "list",
        "no-new-privileges, seccomp=, mask=, unmask=, proc-opts= …",
        "OPT",
    ),
    ("--ulimit", "list", "A resource limit: NAME=SOFT[:HARD]", "SPEC"),
    ("--sysctl", "list", "A kernel setting of the container's namespaces", "KEY=VALUE"),
    ("--device", "list", "A host device, HOST[:CONTAINER], or of CDI: VENDOR/CLASS=NAME", "SPEC"),
    ("--device-cgroup-rule", "list", "Devices that may be opened: c 42:* rmw", "RULE"),
    ("--gpus", "value", "all, or device=NAME,…: CDI devices nvidia.com/gpu=…", "GPUS"),
    ("-m --memory", "value", "Memory limit", "SIZE"),
    ("--memory-swap", "value", "Limit of memory and swap together (twice --memory)", "SIZE"),
    ("--memory-reservation", "value", "Memory that is protected", "SIZE"),
    ("--cpus", "value", "How many CPUs it may use", "NUMBER"),
    ("-c --cpu-shares", "value", "Relative CPU weight (1024 is normal)", "N"),
    ("--cpuset-cpus", "value", "CPUs it may run on", "LIST"),
    ("--pids-limit", "value", "How many processes it may have (-1: any number)", "N"),
    ("--shm-size", "value", "Size of /dev/shm", "SIZE"),
    ("--storage-opt", "list", "size=: what its writable layer may hold (project quotas)", "OPT"),
    ("--oom-score-adj", "value", "Preference of the OOM killer", "N"),
    ("--umask", "value", "File mode mask", "MODE"),
    ("-l --label", "list", "Set a label", "KEY=VALUE"),
    ("--stop-signal", "value", "Signal that asks it to end", "SIGNAL"),
    ("--stop-timeout", "value", "Seconds until SIGKILL", "SECONDS"),
    ("--init", "switch", "Run a small init as process 1", ""),
    ("--restart", "value", "no, on-failure[:N], always or unless-stopped", "POLICY"),
    ("--health-cmd", "value", "A shell's command that tells whether it is well", "COMMAND"),
    ("--health-interval", "value", "Time between health checks (30s; disable: none)", "TIME"),
    ("--health-timeout", "value", "Time that one may take (30s)", "TIME"),
    ("--health-retries", "value", "Bad ones in a row until it counts as unhealthy (3)", "N"),
    ("--health-start-period", "value", "Time to start, when bad ones do not count (0s)", "TIME"),
    ("--health-start-interval", "value", "Time between checks until then (5s)", "TIME"),
    ("--health-on-failure", "value", "When unhealthy: none, kill, restart or stop", "ACTION"),
    ("--no-healthcheck", "flag", "Without the image's health check", ""),
    ("--log-driver", "value", "json-file, k8s-file or none", "DRIVER"),
    ("--log-opt", "list", "max-size=, max-file=, labels=, env=, tag=", "KEY=VALUE"),
    ("--annotation", "list", "Set an annotation of the OCI spec", "KEY=VALUE"),
    ("--label-file", "list", "Read labels from a file", "FILE"),
    ("--mount", "list", "type=bind|volume|tmpfs|image,source=,destination=, …", "SPEC"),
    ("--volumes-from", "list", "Mount the volumes of another container", "CONTAINER[:ro]"),
    ("--image-volume", "value", "The image's volumes: bind, tmpfs or ignore", "HOW"),
    ("--read-only-tmpfs", "switch", "With --read-only: /run, /tmp, /var/tmp can be written", ""),
    ("--rootfs", "flag", "The first argument is a directory, not an image", ""),
    ("--userns", "value", "User namespace: host, keep-id, nomap, auto, container:NAME", "MODE"),
    ("--uidmap", "list", "Map user ids: INSIDE:OUTSIDE:COUNT", "MAP"),
    ("--gidmap", "list", "Map group ids: INSIDE:OUTSIDE:COUNT", "MAP"),
    ("--subuidname", "value", "Map the ids that /etc/subuid has for this name", "NAME"),
    ("--subgidname", "value", "Map the ids that /etc/subgid has for this name", "NAME"),
    ("--pid", "value", "Process namespace: private, host or container:NAME", "MODE"),
    ("--ipc", "value", "IPC namespace: private, host, none or container:NAME", "MODE"),
    ("--uts", "value", "Host name namespace: private, host or container:NAME", "MODE"),
    ("--cgroupns", "value", "Cgroup namespace: private or host", "MODE"),
    ("--domainname", "value", "NIS domain name in the container", "NAME"),
    ("--network-alias", "list", "A further name on the network", "NAME"),
    ("--link", "list", "Know another container by a name: NAME[:ALIAS]", "SPEC"),
    ("--no-hosts", "flag", "Leave the image's /etc/hosts as it is", ""),
    ("--env-host", "flag", "Pass all our variables on", ""),
    ("--env-merge", "list", "Set a variable from others: PATH=${PATH}:/opt", "KEY=VALUE"),
    ("--http-proxy", "switch", "Pass our proxy variables on (true)", ""),
    ("--unsetenv", "list", "Leave a variable of the image out", "KEY"),
    ("--unsetenv-all", "flag", "Leave all variables of the image out", ""),
    ("--passwd", "switch", "Add a user that the image lacks to its passwd and group (true)", ""),
    (
        "--passwd-entry",
        "value",
        "The line for passwd: $USERNAME:*:$UID:$GID:$NAME:$HOME:/bin/sh",
        "LINE",
    ),
    ("--group-entry", "value", "The line for group: $GROUPNAME:x:$GID:$USERNAME", "LINE"),
    ("--tz", "value", "Time zone: local, or a name like Europe/Berlin", "ZONE"),
    ("--timeout", "value", "Seconds until it is killed", "SECONDS"),
    ("--systemd", "value", "Set up for systemd: true (if it is the command), false, always", "HOW"),
    (
        "--sdnotify",
        "value",
        "Who tells systemd that it is ready: container, conmon, healthy, ignore",
        "MODE",
    ),
    ("--requires", "list", "A container that is started before", "CONTAINER"),
    ("--secret", "list", "A secret: NAME[,type=mount|env,target=,uid=,gid=,mode=]", "SPEC"),
    ("--replace", "flag", "Remove a container of this name first", ""),
    ("--pod", "value", "Join a pod, or with new:NAME one that is made for it", "POD"),
    ("--pod-id-file", "value", "The pod whose id is in this file", "FILE"),
    ("--pidfile", "value", "Write the process id to a file", "FILE"),
    ("--conmon-pidfile", "value", "Write the monitor's process id to a file", "FILE"),
    ("--cpu-period", "value", "Microseconds that --cpu-quota is of", "N"),
    ("--cpu-quota", "value", "Microseconds of CPU in each period", "N"),
    ("--cpuset-mems", "value", "Memory nodes it may use", "LIST"),
    ("--blkio-weight", "value", "Relative weight of disk input and output (10-1000)", "N"),
    ("--blkio-weight-device", "list", "The same for one disk: DEVICE:WEIGHT", "SPEC"),
    ("--device-read-bps", "list", "Limit of bytes read a second: DEVICE:SIZE", "SPEC"),
    ("--device-write-bps", "list", "Limit of bytes written a second: DEVICE:SIZE", "SPEC"),
    ("--device-read-iops", "list", "Limit of reads a second: DEVICE:N", "SPEC"),
    ("--device-write-iops", "list", "Limit of writes a second: DEVICE:N", "SPEC"),
    ("--cgroup-conf", "list", "Write to a file of the cgroup: memory.high=1G", "FILE=VALUE"),
    ("--cgroup-parent", "value", "Make the cgroup below this one", "PATH"),
    ("--cgroups", "value", "enabled, or disabled: no cgroup at all", "HOW"),
    ("--arch", "value", "Architecture of the image", "ARCH"),
    ("--os", "value", "Operating system of the image", "OS"),
    ("--variant", "value", "Variant of the image's architecture", "VARIANT"),
    ("--pull", "value", "missing, always or never", "POLICY"),
    ("--platform", "value", "OS/ARCH of the image", "PLATFORM"),
    *reach.OPTIONS,
    ("--cidfile", "value", "Write the container id to a file", "FILE"),
    ("-q --quiet", "flag", "No progress while pulling", ""),
    *foreign.OPTIONS,
)


def with_defaults(values: Values, context: Context) -> tuple[Values, Defaults | None]:
    """The options' values, of those not given what containers.conf says, and the rest that it says;
    None when there is none.

    Raises InvalidArgument, which names the file.
    """
    files = configuration()
    if not files:
        return values, None
    from crun_py.cli import checks
    from crun_py.options import containers_conf

    def check(key: str, value: str) -> None:
        if key == "detach_keys":
            checks.one("exec", (("--detach-keys", "value", "", "KEYS"),), key, value)
        else:
            checks.one("create", OPTIONS, key, value)

    tell = context.explain or (lambda line: None)
    defaults = containers_conf.apply(values, files, check, tell)
    for name, value in defaults.own_environment.items():
        os.environ.setdefault(name, value)
    caller.has(os.environ)
    return defaults.values, defaults


def asked(
    values: Values, arguments: list[str], context: Context, defaults: Defaults | None
) -> tuple[CreateRequest, PullRequest]:
    """The options as requests; what cannot be had is warned of."""
    request = create_request.request(values, arguments)
    if defaults:
        request = defaults.completed(request)
    if context.cgroup_manager:
        request = replaced(request, cgroup_manager=context.cgroup_manager)
    for line in foreign.warnings(values):
        write_warning(line)
    policy = values.text("pull") or "missing"
    context.showing, context.report = _showing(values), _reporting(values)
    if policy == "missing" and not reach.says_anything(values):
        return request, PullRequest()  # the usual way: nothing that only a pull needs is loaded

    return request, reach.pull_request(values, policy)


def _showing(values: Values) -> Callable[[], AbstractContextManager[Showing]]:
    def show() -> AbstractContextManager[Showing]:
        from crun_py.cli import progress

        return progress.display(progress.kind_of(values), progress.PULLED)

    return show


def _reporting(values: Values) -> Callable[[object], None]:
    def report(told: object) -> None:
        if isinstance(told, Missing) and not values.flag("quiet"):
            write_error(f"Unable to find image '{told.name}' locally")

    return report


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Create and print the id."""
    values, defaults = with_defaults(values, context)
    request, wanted = asked(values, arguments, context, defaults)
    subnet = defaults.subnet if defaults else ""
    try:
        write(engine.make(context, request, wanted, subnet=subnet).id)
    except Conflict as e:
        e.exit_code = 1  # as Docker: a name that is taken; `run` says 125
        raise
    return 0
