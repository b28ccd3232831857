"""One start of a container, from its files to a process; `Launch.carry_out` lists the steps."""

from __future__ import annotations

import os
import sys

import crun_py
from crun_py import events, notices
from crun_py.cgroup import group, manager
from crun_py.container import elsewhere, ending, namespaces, resources, restart
from crun_py.net import connection, etc
from crun_py.overlay import rootfs
from crun_py.runtime import container as contained
from crun_py.runtime import plan as p
from crun_py.runtime.check import check
from crun_py.runtime.launch import keep_open, labelled_pipes, launch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.cgroup.scope import Scope
    from crun_py.documents.spec import Spec
    from crun_py.state import Container


class Launch:
    """What a start opens, inside a `with`; what it makes beyond that is taken down by what it adds
    to `undo`, last first.

    The arguments are those of lifecycle.start.
    """

    def __init__(
        self,
        container: Container,
        undo: list[Callable[[], None]],
        *,
        client: int,
        keep: int,
        held: bool,
        rootless: bool,
        notify: str,
        explain: Callable[[str], None] | None,
    ) -> None:
        self._container, self._undo, self._explain = container, undo, explain
        self._client, self._keep = client, keep
        self._held, self._rootless = held, rootless
        self._notify, self._notify_fd = notify, -1
        self._spec: Spec
        self._connection = connection.Connection()
        self._own_ids = -1
        self._limits: dict[str, str] = {}
        """Files of the cgroup and what is to be written to them."""
        self._usual_limits: dict[str, str] = {}
        """The same, of those that nobody asked for: where there are such files."""
        self._scope: Scope | None = None
        self._cgroup: str | None = None
        self._cgroup_fd = -1
        self._joined: dict[str, int] = {}
        """Descriptors of namespaces, by the spec's types."""
        self._attached: dict[str, int] = {}
        """Descriptors of detached mounts, by their destinations; "user": the user namespace."""
        self._kept: list[int] = []
        self._lock_fd = -1

    def __enter__(self) -> Launch:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        for fd in (*self._joined.values(), *self._attached.values(), *self._kept, self._cgroup_fd,
                   self._notify_fd, self._lock_fd):  # fmt: skip
            if fd >= 0:
                os.close(fd)

    def carry_out(self) -> int:
        """The host pid of the container's first process."""
        self._lock_fd = elsewhere.hold(self._container)
        self._read_spec()
        self._ask_for_cgroup()
        self._make_user_namespace()
        self._connect()
        self._write_files()
        self._make_cgroup()
        self._limit()
        self._guard_devices()
        self._join_others()
        self._let_notify()
        self._prepare_mounts()
        self._show_secrets()
        plan = self._plan()
        self._tell_monitor(plan)
        pid = self._launch(plan)
        self._leave_cgroup()
        return pid

    def _read_spec(self) -> None:
        self._spec = self._container.spec()
        check(self._spec)
        if profile := self._spec["process"].get("apparmorProfile"):
            from crun_py.ns import apparmor

            apparmor.load(profile)

    def _make_user_namespace(self) -> None:
        if self._container.record.get("userns"):
            self._own_ids = self._attached["user"] = namespaces.user(self._container)

    def _connect(self) -> None:
        self._connection = connection.connect(
            self._container, rootless=self._rootless, userns=self._own_ids
        )
        self._undo.append(lambda: connection.disconnect(self._container))

    def _write_files(self) -> None:
        """hosts, resolv.conf and hostname; links are lines there and variables."""
        hosts: list[str] = []
        if self._container.record.get("links"):
            from crun_py.container import links

            hosts, variables = links.resolve(self._container, rootless=self._rootless)
            process = self._spec["process"]
            process["env"] = [*process["env"], *variables]
        etc.write(self._container, self._connection, hosts)
        if self._container.record.get("selinux"):
            from crun_py.container import labelling

            labelling.own_files(self._container, self._spec)

    def _show_secrets(self) -> None:
        """Files and variables, for this process alone: the files of the container have none."""
        if not self._container.record.get("secrets"):
            return
        from crun_py.container import secrets

        process = self._spec["process"]
        process["env"] = [*process["env"], *secrets.variables(self._container)]
        mounts = secrets.trees(self._container, self._attached)
        self._spec["mounts"] = [*self._spec["mounts"], *mounts]

    def _ask_for_cgroup(self) -> None:
        """What systemd is to make it makes while we go on."""
        record = self._container.record
        if record.get("pod") and record.get("cgroup_parent"):
            from crun_py.container import pod_group

            pod_group.ready(self._container, rootless=self._rootless)
        self._limits, self._usual_limits = resources.files(record, self._spec)
        asked, below = record.get("cgroup_manager", ""), record.get("cgroup_parent") or ""
        if below == "-" or manager.chosen(asked, below, rootless=self._rootless) != manager.SYSTEMD:
            return
        from crun_py.cgroup import scope, systemd

        title = f"crunpy container {record['name']}"
        files = self._usual_limits | self._limits
        try:
            asked_for = scope.ask(
                self._container.id,
                title,
                below,
                files,
                patience_s=record["config"]["stop_timeout"],
                rootless=self._rootless,
            )
        except systemd.Silent:
            if asked or below:
                raise
            return
        self._scope = asked_for
        self._undo.append(asked_for.release)

    def _from_systemd(self, scope: Scope) -> str | None:
        """The cgroup that it made; None when it does not answer, and nobody has named it."""
        from crun_py.cgroup.systemd import Silent

        record = self._container.record
        try:
            return scope.ready()
        except Silent:
            if record.get("cgroup_manager") or record.get("cgroup_parent"):
                raise
            scope.release()
            self._scope = None
            return None

    def _make_cgroup(self) -> None:
        below = self._container.record.get("cgroup_parent") or ""
        cgroup = self._from_systemd(self._scope) if self._scope else None
        if not cgroup and below != "-":
            cgroup = group.create(self._container.id, below)
        if not cgroup:
            _warn_systemd(self._container)
            return
        self._cgroup = cgroup
        self._undo.append(lambda: group.remove(cgroup))
        os.symlink(cgroup, self._container.run_directory + "/cgroup")
        self._cgroup_fd = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def _limit(self) -> None:
        usual = self._usual_limits
        most = usual | self._limits
        group.apply(self._cgroup, self._limits, usual)
        if self._scope and self._cgroup:
            self._scope.allow_for_us(self._cgroup, most.get("pids.max", ""))

    def _leave_cgroup(self) -> None:
        """The container is in it, and nobody else is to be."""
        if self._scope:
            self._scope.release()

    def _guard_devices(self) -> None:
        """Beside mounts that are nodev, which whoever may mount can make anew.  Not for a plain
        user: the kernel lets root alone do it, and our own rights are the limit anyway."""
        if not self._rootless:
            from crun_py.container import device_guard

            device_guard.set_up(self._container.record["host"], self._spec, self._cgroup)

    def _join_others(self) -> None:
        self._joined.update(namespaces.join(self._container))
        self._attached.update(namespaces.shared_mounts(self._container))

    def _let_notify(self) -> None:
        """A socket to the service manager whose unit we are started in."""
        if self._notify:
            from crun_py.container import notify

            self._notify_fd = notify.offer(self._container, self._spec, self._notify)

    def _prepare_mounts(self) -> None:
        """What cannot be mounted from inside."""
        record = self._container.record
        if any(entry.get("relabel") for entry in record["mounts"]):
            from crun_py.container import labelling

            labelling.again(self._container)
        if any(entry.get("mounted") for entry in record["mounts"]):
            from crun_py.container import volume_mounts

            volume_mounts.show(self._container)
            self._undo.append(lambda: volume_mounts.hide(self._container))
        if any("id_map" in entry for entry in record["mounts"]):
            from crun_py.container import id_maps

            id_maps.trees(self._container, self._spec, self._attached)
        if any("tmpcopyup" in entry.get("options", ()) for entry in self._spec["mounts"]):
            from crun_py.container import copied_up

            copied_up.trees(self._container, self._spec, self._attached)
        if self._own_ids >= 0:
            from crun_py.container import userns

            userns.prepare(self._container, self._spec, self._own_ids, self._attached)
        if any(entry.get("subpath") for entry in record["mounts"]):
            from crun_py.container import subpaths

            subpaths.trees(self._container, self._attached)
        if any("shared" in word for m in record["mounts"] for word in m["options"]):
            from crun_py.container import propagation

            propagation.trees(self._spec, self._attached)

    def _root(self) -> rootfs.RootFs | None:
        """The overlay that is to be mounted; None: the spec's root path is there."""
        container, record = self._container, self._container.record
        if own := container.own_root:
            self._spec["root"]["path"] = own
            return None
        if os.path.ismount(rootfs.merged(container.directory)):
            # `crunpy mount` shows it: one overlay, not two on the same writable layer
            self._spec["root"]["path"] = rootfs.merged(container.directory)
            return None
        return rootfs.describe(
            container.directory,
            [f"{container.paths.root}/{layer}" for layer in record["layers"]],
            volatile=record["auto_remove"],
            devices=bool(record["host"].get("privileged") or record["host"].get("device_rules")),
            context=container.mount_context,
        )

    def _plan(self) -> p.Plan:
        joined = self._joined
        if self._connection.namespace is not None:
            joined = {**joined, "network": self._connection.namespace}
        plan = contained.plan_for(
            self._spec,
            self._root(),
            joined=joined,
            attached=self._attached,
            seccomp=contained.seccomp_filter(self._spec, self._container.paths.root + "/cache"),
            reap=bool(self._container.record["host"].get("init")),
            stay=bool(self._container.record.get("infra")),
        )
        if self._own_ids >= 0:
            plan.add(p.SET_USERNS, a=self._own_ids)
        plan.add(p.SET_CLONE, a=contained.clone_flags(self._spec, joined), b=joined.get("pid", -1))
        self._kept = keep_open(plan, self._keep)
        if self._held:
            contained.hold(plan)
        return plan

    def _tell_monitor(self, plan: p.Plan) -> None:
        """What the monitor must know beside the container's own steps."""
        container, record = self._container, self._container.record
        config, log = record["config"], record["log"]
        plan.add(p.SET_ID, container.id)
        cgroup, standing = self._cgroup or "", self._scope.process if self._scope else 0
        plan.add(p.SET_CGROUP, cgroup, a=self._cgroup_fd, b=bool(cgroup), c=standing)
        if cgroup:
            plan.add(p.SET_OOM, *events.by_monitor(container, "oom"))
        plan.add(p.SET_CLIENT, a=self._client)
        plan.add(p.SET_RUNDIR, container.run_directory)
        if not record["auto_remove"]:
            plan.add(p.SET_STATEDIR, container.directory)
        if log["driver"] != "none":
            k8s = log["driver"] == "k8s-file"
            plan.add(p.SET_LOG, container.log_path, a=log["max_bytes"], b=log["max_files"], c=k8s)
        stdio = {"a": config["tty"], "b": config["open_stdin"], "c": config["stdin_once"]}
        words = labelled_pipes(record.get("selinux"), container.run_directory)
        plan.add(p.SET_STDIO, *words, **stdio)
        plan.add(p.SET_CLEANUP, *self._command("cleanup"))
        how, delay_ms = restart.for_monitor(container)
        if how:
            plan.add(p.SET_RESTART, a=how, b=delay_ms)
        if record.get("timeout"):
            plan.add(p.SET_TIMEOUT, a=record["timeout"] * 1000)
        tests = config.get("healthcheck")
        if tests:
            times = {"a": tests["interval_ms"], "b": tests["start_interval_ms"],
                     "c": tests["start_ms"]}  # fmt: skip
            plan.add(p.SET_HEALTH, *self._command("healthcheck", "run", "--timer"), **times)
        for fd, key in self._connection.held.items():
            plan.add(p.SET_HOLD, self._connection.relays.get(fd, ""), a=fd, b=key)
        plan.add(p.SET_HOLD, "", a=self._lock_fd, b=elsewhere.KEY)
        if self._notify_fd >= 0:
            plan.add(p.SET_NOTIFY, self._notify, a=self._notify_fd)
        if self._connection.dns_sockets:
            from crun_py.net import names

            udp, tcp = self._connection.dns_sockets
            known = names.directory(container.paths)
            plan.add(p.SET_DNS, known, *self._connection.dns_servers, a=udp, b=tcp)

    def _command(self, *words: str) -> list[str]:
        """A command that the monitor runs: `cleanup`, which it becomes at the end when nobody
        else cleans up, or `healthcheck`.  Being root in the container's user namespace it cannot
        see whether that is a plain user's: it is told."""
        main = os.path.join(os.path.abspath(crun_py.__path__[0]), "__main__.py")
        paths = self._container.paths
        roots = ["--root", paths.root, "--runroot", paths.run]
        rootless = ["--rootless"] if self._rootless else []
        return [sys.executable, "-I", main, *roots, *words, *rootless, self._container.id]

    def _launch(self, plan: p.Plan) -> int:
        if self._explain:
            for line in plan.describe():
                self._explain(line)
        inherit = self._connection.descriptors()
        inherit += [self._lock_fd]
        inherit += [fd for fd in (self._client, self._cgroup_fd, self._notify_fd) if fd >= 0]
        inherit += [*self._joined.values(), *self._attached.values(), *self._kept]
        inherit += [self._scope.process] if self._scope else []
        self._undo.append(lambda: ending.kill_left(self._container))
        return launch(plan, self._container.id[:12], inherit)


def _warn_systemd(container: Container) -> None:
    """systemd ends at once, without a word, where it may make no control groups."""
    from crun_py.container.record import is_systemd

    if is_systemd(container.record["host"].get("systemd", "true"), container.record["args"]):
        hint = group.hint()
        notices.warn(f"systemd in container {container.name} has no cgroup of its own: {hint}")
