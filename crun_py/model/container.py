"""What a container is asked to be: `CreateRequest` and its parts.

Numbers are numbers (bytes, seconds, milliseconds: the name says which), paths of the host are
absolute, and nothing is left that depends on who asks: no variable, `~` or working directory.
"""

from __future__ import annotations

from crun_py.model.network import Join, PortMapping
from crun_py.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import KW_ONLY
    from typing import TypeAlias

    Mount: TypeAlias = "Bind | VolumeMount | Tmpfs | KernelMount | ImageMount"

KiB, MiB, GiB = 1 << 10, 1 << 20, 1 << 30
SHM_BYTES = 64 * MiB
STOP_TIMEOUT_S = 10
UNLIMITED = -1
"""For a limit: there is to be none, which is more than to leave it as it is (None)."""


@record
class IdMap:
    """Owners of files on a mount: rows of (first id as it is stored, first id that is shown,
    count).  relative: what is shown are ids of the container's user namespace, else the host's."""

    uids: tuple[tuple[int, int, int], ...] = ()
    gids: tuple[tuple[int, int, int], ...] = ()
    relative: bool = False


@record(kw_only=False)
class Bind:
    """A file or directory of the host.

    source: absolute, or "~" and relative ones as the caller of the library gives them.
    create: a missing source is made, a directory.  propagation: as mount(8) names it, "" for
    private.  flags: nosuid, noexec, dev …  recursive: what is mounted below it too.
    chown: its owner becomes the container's user.  overlay: changes go into a layer of the
    container's own.  idmapped: owners are shown through the container's user namespace, or
    through id_map.  read_only_below: read_only holds for what is mounted below it too.
    relabel: its files get a SELinux label that every container may use (shared) or this one alone
    (private); "" leaves them as they are, and so does a host without SELinux.
    mode: the options as they were written, for `inspect`.  subpath: what of it is mounted alone,
    made as a directory if it is missing; no link in it leads out of it.
    """

    source: str
    target: str
    _: KW_ONLY
    read_only: bool = False
    read_only_below: bool = True
    create: bool = False
    propagation: str = ""
    flags: tuple[str, ...] = ()
    recursive: bool = True
    chown: bool = False
    overlay: bool = False
    idmapped: bool = False
    id_map: IdMap | None = None
    mode: str = ""
    relabel: str = ""
    subpath: str = ""


@record(kw_only=False)
class VolumeMount:
    """A volume.

    subpath: a directory or file in it that is mounted alone, and must be there; create: or is made,
    as a directory.  name: "" for one that goes with the container.  copy: a new volume gets what
    the image has at the target.  labels, options: of the volume, if it is made for this (volume
    create).  overlay: what is written stays out of it, and goes with the container.
    relabel: as of a Bind.
    """

    name: str
    target: str
    _: KW_ONLY
    read_only: bool = False
    copy: bool = True
    flags: tuple[str, ...] = ()
    propagation: str = ""
    chown: bool = False
    idmapped: bool = False
    id_map: IdMap | None = None
    mode: str = ""
    labels: dict[str, str] = {}  # noqa: RUF012  # a record is not changed
    options: dict[str, str] = {}  # noqa: RUF012
    subpath: str = ""
    create: bool = False
    overlay: bool = False
    relabel: str = ""


@record(kw_only=False)
class Tmpfs:
    """Memory that looks like a directory.  options: as tmpfs(5) names them (size=64m, mode=1777);
    those that are not named there: nosuid, nodev and noexec, unless exec, suid or dev is.
    tmpcopyup: at each start it gets what the container's own files have there.  chown: it belongs
    to the container's user."""

    target: str
    options: tuple[str, ...] = ()
    chown: bool = False


@record(kw_only=False)
class KernelMount:
    """A file system that the kernel makes: kind is devpts (options uid, gid, mode, max, ptmxmode)
    or ramfs (mode); and ro, nosuid, noexec, nodev for both."""

    kind: str
    target: str
    options: tuple[str, ...] = ()


@record(kw_only=False)
class ImageMount:
    """The files of an image; changes, if it is writable, go with the container.

    subpath: a directory or file of it that is mounted alone, read-only."""

    image: str
    target: str
    _: KW_ONLY
    writable: bool = False
    subpath: str = ""


@record
class Limits:
    """What a container may use; None leaves it unlimited, or as it was.

    memory_swap_bytes: memory and swap together, UNLIMITED for any; usually twice memory_bytes.
    cpus: how many, 0.5 is half of one; conflicts with cpu_quota_us, which is of each
    cpu_period_us.  cpu_shares: 1024 is normal.  cpuset_cpus, cpuset_mems: lists like 0-2,5.
    pids: UNLIMITED for any number.
    block_weight: 10 to 1000.  block_weights, read_bytes, write_bytes, read_operations,
    write_operations: by paths of block devices, the last four a second.
    unified: files of the cgroup and what is written to them.
    """

    memory_bytes: int | None = None
    memory_swap_bytes: int | None = None
    memory_reservation_bytes: int | None = None
    cpus: float | None = None
    cpu_shares: int | None = None
    cpu_period_us: int | None = None
    cpu_quota_us: int | None = None
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    pids: int | None = None
    block_weight: int | None = None
    block_weights: dict[str, int] = {}  # noqa: RUF012
    read_bytes: dict[str, int] = {}  # noqa: RUF012
    write_bytes: dict[str, int] = {}  # noqa: RUF012
    read_operations: dict[str, int] = {}  # noqa: RUF012
    write_operations: dict[str, int] = {}  # noqa: RUF012
    unified: dict[str, str] = {}  # noqa: RUF012


@record(kw_only=False)
class Ulimit:
    """A limit of getrlimit(2).  name: nofile, nproc …; UNLIMITED for no limit."""

    name: str
    soft: int
    hard: int


@record(kw_only=False)
class Device:
    """A device node of the host.

    target: where it is in the container, "" for the same place.  access: some of "rwm"; "" for
    all.
    """

    source: str
    target: str = ""
    access: str = ""


@record(kw_only=False)
class DeviceRule:
    """Devices that the container's processes may open or make, beside those that it is given.

    type: c, b, or a for both.  major, minor: -1 for all.  access: some of "rwm" (m: make a node).
    """

    type: str = "a"
    major: int = -1
    minor: int = -1
    access: str = "rwm"

    def __str__(self) -> str:
        numbers = ("*" if n < 0 else str(n) for n in (self.major, self.minor))
        return f"{self.type} {':'.join(numbers)} {self.access}"


@record(kw_only=False)
class RestartPolicy:
    """When a container that ended is started again.

    name: no, on-failure, always, unless-stopped.  retries: of on-failure, 0 for any number.
    """

    name: str = "no"
    retries: int = 0


@record
class HealthCheck:
    """How a container's health is told; None for what the image says.

    test: the words CMD and a command, CMD-SHELL and a shell's line, or NONE.
    start_ms: the time it may take to start, when a bad test does not count.
    retries: bad ones in a row until it counts as unhealthy.
    on_failure: what is done then: none, kill, restart, stop.  disabled: no tests at all.
    """

    test: tuple[str, ...] | None = None
    interval_ms: int | None = None
    timeout_ms: int | None = None
    start_ms: int | None = None
    start_interval_ms: int | None = None
    retries: int | None = None
    on_failure: str = "none"
    disabled: bool = False


@record
class LogConfig:
    """What is kept of a container's output.

    driver: json-file, k8s-file or none.  max_bytes: of a file, 0 for no end; max_files: with the
    older ones.  labels, env: names of those that `logs --details` shows; tag: a word beside.
    """

    driver: str = "json-file"
    max_bytes: int = 10 * MiB
    max_files: int = 3
    labels: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    tag: str = ""


@record
class Security:
    """privileged: all capabilities and devices, nothing hidden.  default_capabilities: None for
    docker's.  seccomp: default, unconfined or the path of a profile.  mask, unmask: paths that
    are hidden, or not; unmask ALL: none.  proc_options: of the mount /proc (proc(5)).  apparmor:
    a profile, unconfined, or "" for ours.  labels: what is said of SELinux labels: disable,
    nested, user:…, role:…, type:…, level:…, filetype:….  options: how it was written, for
    `inspect`."""

    privileged: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    default_capabilities: tuple[str, ...] | None = None
    no_new_privileges: bool = False
    seccomp: str = "default"
    mask: tuple[str, ...] = ()
    unmask: tuple[str, ...] = ()
    proc_options: tuple[str, ...] = ()
    apparmor: str = ""
    labels: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@record
class Environment:
    """A container's variables, from the weakest to the strongest.

    inherited: of the caller's.  (Then come the image's.)  without_image: the image's are left out;
    without: these are.  variables: None takes the image's away.  merged: values in which $NAME and
    ${NAME} stand for the image's variables.
    """

    inherited: dict[str, str] = {}  # noqa: RUF012
    without_image: bool = False
    without: tuple[str, ...] = ()
    variables: dict[str, str | None] = {}  # noqa: RUF012
    merged: dict[str, str] = {}  # noqa: RUF012


@record
class Namespaces:
    """Whose a container's namespaces are: private, host or container:NAME; ipc also shareable and
    none.  user: "" for the engine's, host, keep-id[:uid=,gid=], nomap, auto[:size=] or
    container:NAME; uids, gids: maps of its own, as (inside, outside, count); subuid, subgid: the
    ids that /etc/subuid and /etc/subgid have for these names."""

    pid: str = "private"
    ipc: str = "private"
    uts: str = "private"
    cgroup: str = "private"
    user: str = ""
    uids: tuple[tuple[int, int, int], ...] = ()
    gids: tuple[tuple[int, int, int], ...] = ()
    subuid: str = ""
    subgid: str = ""


@record
class Networking:
    """mode: bridge, host, none, container:NAME or the name of a network, of which ip, ip6, mac and
    aliases are asked; or networks: what is asked of each of several.  hosts: lines for /etc/hosts,
    NAME:ADDRESS.  dns: addresses; keep_resolv_conf, keep_hosts: the image's stay.  links: other
    containers and what they are called inside.  ports: expose names those that the container
    listens on (80/tcp); publish_all: they are published on free ports."""

    mode: str = "bridge"
    ip: str = ""
    ip6: str = ""
    mac: str = ""
    aliases: tuple[str, ...] = ()
    networks: tuple[Join, ...] = ()
    ports: tuple[PortMapping, ...] = ()
    expose: tuple[str, ...] = ()
    publish_all: bool = False
    hosts: tuple[str, ...] = ()
    keep_hosts: bool = False
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    keep_resolv_conf: bool = False
    links: tuple[tuple[str, str], ...] = ()


@record(kw_only=False)
class SecretUse:
    """What a container gets of a secret.

    name: its name.  variable: it is the value of this variable, "" for a file.  target: that file,
    "" for /run/secrets/NAME, and a word for one in /run/secrets; uid, gid, mode: of the file.
    """

    name: str
    _: KW_ONLY
    variable: str = ""
    target: str = ""
    uid: int = 0
    gid: int = 0
    mode: int = 0o444


@record
class CreateRequest:
    """A container that is to be made.

    image: its name or id; rootfs: or a directory of the host, and rootfs_overlay: which is not
    changed.  command, entrypoint: None for the image's.
    stdin_once: its input ends with the first client's.  user: NAME|UID[:GROUP|GID], "" for the
    image's.  groups: further ones; keep_groups: the caller's own.  hostname: "" for the id.
    shm_bytes: of /dev/shm.  storage_bytes: what its writable layer may hold, 0 for no limit.
    umask: of its processes.  stop_signal: 0 for the image's.
    init: a small init is process 1.  systemd: true (if it is the command), false or always.
    restart: None for its pod's policy, or none.
    requires: containers that are started before.  timeout_s: it is killed then, 0 for never.
    timezone: "" for the image's, local, or a name like Europe/Berlin.
    device_rules: what may be opened beside devices.  cdi: devices by the names of their
    descriptions, VENDOR/CLASS=NAME.
    read_only: the root; read_only_tmpfs: but for /run, /tmp, /var/tmp.
    passwd: a user that the image lacks is added to its passwd and group, passwd_entry and
    group_entry: with these lines.  image_volumes: what the image's VOLUMEs are: bind, tmpfs or
    ignore.  volumes_from: mounts of other containers, NAME[:ro].  cgroup: whether it gets one;
    cgroup_parent: below this one, or this slice.  cgroup_manager: systemd or cgroupfs makes it,
    "" for systemd where it is there.  pid_file, monitor_pid_file, id_file: files of the host that
    the numbers are written to.
    secrets: what it gets of them.
    sdnotify: who tells the service manager that it is ready, where a command of a unit starts it:
    container, conmon, healthy or ignore.
    pids_optional: a limit of processes that the host cannot keep is no error.
    binds, mount_texts: how the mounts were written, for `inspect`; created_by: the command line;
    ineffective: what was asked for and cannot be had.  replace: a container of this name is
    removed first.  pod: it joins the namespaces of this one (its name or id; new:NAME: one that is
    made for it).  infra: it is the pod's container that holds them, and executes nothing.
    """

    image: str = ""
    rootfs: str = ""
    rootfs_overlay: bool = False
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    name: str = ""
    tty: bool = False
    open_stdin: bool = False
    stdin_once: bool = False
    auto_remove: bool = False
    environment: Environment = Environment()
    labels: dict[str, str] = {}  # noqa: RUF012
    annotations: dict[str, str] = {}  # noqa: RUF012
    mounts: tuple[Mount, ...] = ()
    volumes_from: tuple[str, ...] = ()
    image_volumes: str = "bind"
    workdir: str = ""
    user: str = ""
    groups: tuple[str, ...] = ()
    keep_groups: bool = False
    hostname: str = ""
    domainname: str = ""
    network: Networking = Networking()
    namespaces: Namespaces = Namespaces()
    security: Security = Security()
    limits: Limits = Limits()
    pids_optional: bool = False
    ulimits: tuple[Ulimit, ...] = ()
    sysctls: dict[str, str] = {}  # noqa: RUF012
    devices: tuple[Device, ...] = ()
    device_rules: tuple[DeviceRule, ...] = ()
    cdi: tuple[str, ...] = ()
    read_only: bool = False
    read_only_tmpfs: bool = False
    shm_bytes: int = SHM_BYTES
    storage_bytes: int = 0
    oom_score_adj: int = 0
    umask: int = 0o022
    stop_signal: int = 0
    stop_timeout_s: int = STOP_TIMEOUT_S
    init: bool = False
    systemd: str = "true"
    sdnotify: str = "container"
    restart: RestartPolicy | None = None
    health: HealthCheck = HealthCheck()
    log: LogConfig = LogConfig()
    timeout_s: int = 0
    timezone: str = ""
    passwd: bool = True
    passwd_entry: str = ""
    group_entry: str = ""
    requires: tuple[str, ...] = ()
    cgroup: bool = True
    cgroup_parent: str = ""
    cgroup_manager: str = ""
    pid_file: str = ""
    monitor_pid_file: str = ""
    id_file: str = ""
    secrets: tuple[SecretUse, ...] = ()
    binds: tuple[str, ...] = ()
    mount_texts: tuple[str, ...] = ()
    created_by: tuple[str, ...] = ()
    ineffective: dict[str, str] = {}  # noqa: RUF012
    replace: bool = False
    pod: str = ""
    infra: bool = False


@record
class ExecRequest:
    """One more command in a container that runs.

    environment: None takes a variable away.  workdir, user: "" for the container's.
    detach: nobody waits for its end.
    """

    command: tuple[str, ...]
    tty: bool = False
    open_stdin: bool = False
    detach: bool = False
    environment: dict[str, str | None] = {}  # noqa: RUF012
    workdir: str = ""
    user: str = ""
    privileged: bool = False


@record
class Client:
    """Who stays with a container, or a command in it, and passes its streams on.

    streams: stdin, stdout, stderr, or some of them; () for all that it has.  stdin, stdout, stderr:
    this process's descriptors for them.  sig_proxy: signals that we get are passed on.
    detach_keys: what is typed to leave it running, b"" for nothing.  keep: how many of our
    descriptors from 3 on the command gets.  relayed: stdin is a program's, which may stand for a
    terminal elsewhere.  sizes: a descriptor that gives sizes of that terminal, rows and columns in
    two bytes each; -1 for none.
    """

    streams: tuple[str, ...] = ()
    stdin: int = 0
    stdout: int = 1
    stderr: int = 2
    sig_proxy: bool = True
    detach_keys: bytes = b"\x10\x11"
    keep: int = 0
    relayed: bool = False
    sizes: int = -1
