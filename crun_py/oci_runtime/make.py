"""Creating a container of a bundle; `Making.carry_out` lists the steps."""

from __future__ import annotations

import os

from crun_py import clock, notices, ns, state
from crun_py._native import check as checked
from crun_py._native import lib, pidfd_open
from crun_py.cgroup import group
from crun_py.errors import CrunpyError, InvalidArgument
from crun_py.ns import idmap
from crun_py.oci_runtime import config, groups, hooks, listener
from crun_py.oci_runtime.state import Container, State, document
from crun_py.paths import host_uid, private_dir
from crun_py.record import record, replaced
from crun_py.runtime import container as contained
from crun_py.runtime import plan as p
from crun_py.runtime.launch import keep_open, launch_alone

_PR_SET_CHILD_SUBREAPER, _SIGKILL = 36, 9

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.documents.spec import Mount, Spec


@record
class Request:
    """What `create` asks for beside the bundle.

    console_socket: the path of a Unix socket that gets the terminal's master, "" for none.
    preserve: how many descriptors from 3 on the command gets.  keyring: a session keyring of its
    own.  systemd: systemd makes the cgroup.  rootless: this process is not the host's root.
    """

    bundle: str
    console_socket: str = ""
    preserve: int = 0
    keyring: bool = True
    systemd: bool = False
    rootless: bool = False


def create(root: str, container_id: str, request: Request, spec: Spec | None = None) -> int:
    """Make the container `container_id` of a runtime whose containers are below `root`; the pid
    of its first process, which waits for `life.start`.

    spec: that of the bundle, where it has been read already.
    Nothing is left when that fails.  Raises InvalidArgument, Conflict, Unsupported, CommandError
    and other CrunpyErrors.
    """
    bundle = os.path.abspath(request.bundle)
    container = Container(root, container_id)
    spec = spec or config.read(bundle, warn=notices.warn)
    if bool(request.console_socket) and not spec["process"].get("terminal"):
        raise InvalidArgument("console socket: given, but the process has no terminal")
    if spec["process"].get("terminal") and not request.console_socket:
        raise InvalidArgument("the process has a terminal: a console socket is needed")
    if os.geteuid() and all(n["type"] != "user" for n in spec["linux"]["namespaces"]):
        raise InvalidArgument(
            "creating a plain user's container: its configuration has no user namespace",
            hint="crunpy-oci spec --rootless writes one that has",
        )
    if (rdt := spec["linux"].get("intelRdt")) is not None:
        from crun_py.oci_runtime import resctrl

        resctrl.plan(container_id, rdt)  # refused before anything is there
    container.make()
    undo: list[Callable[[], None]] = [container.remove]
    try:
        with container.lock(), Making(container, spec, bundle, request, undo) as making:
            return making.carry_out()
    except BaseException:
        for step in reversed(undo):
            try:
                step()
            except CrunpyError as e:  # the others still must be done
                notices.warn(e.line())
        raise


def _after_all(container: Container, known: State, spec: Spec) -> None:
    """The hooks of the end, of a container that failed when its hooks had begun (runtime.md,
    "Lifecycle", steps 3 and 13)."""
    told = {**document(container, known), "status": "stopped", "pid": 0}
    hooks.run(hooks.wanted(spec, "poststop"), told, "poststop")


class Making:
    """What a creation opens, inside a `with`."""

    def __init__(
        self,
        container: Container,
        spec: Spec,
        bundle: str,
        request: Request,
        undo: list[Callable[[], None]],
    ) -> None:
        self._container, self._spec, self._request, self._undo = container, spec, request, undo
        self._state = State(
            id=container.id, bundle=bundle, rootfs=spec["root"]["path"],
            oci_version=spec["ociVersion"], created=clock.now(), owner=_owner(),
            annotations={**spec.get("annotations", {})},
        )  # fmt: skip
        self._fds: list[int] = []
        self._joined: dict[str, int] = {}
        self._attached: dict[str, int] = {}
        self._userns = self._fifo = self._console = -1
        self._group = groups.Group()

    def __enter__(self) -> Making:
        return self

    def __exit__(self, *_: object) -> None:
        for fd in self._fds:
            os.close(fd)

    def carry_out(self) -> int:
        """The pid of the first process."""
        self._container.write(self._state)
        self._open_namespaces()
        self._make_user_namespace()
        self._make_time_namespace()
        self._make_cgroup()
        self._make_resctrl()
        self._prepare_mounts()
        self._open_fifo()
        self._connect_console()
        plan = self._plan()
        pid = launch_alone(plan, self._container.id, self._inherited(), self._paused)
        self._undo.append(lambda: os.kill(pid, _SIGKILL))
        self._enter_resctrl(pid)
        self._group.leave()
        self._state = replaced(self._state, pid=pid, start_ticks=state.start_ticks(pid))
        self._container.write(self._state)
        return pid

    def _keep(self, fd: int) -> int:
        self._fds.append(fd)
        return fd

    def _open_namespaces(self) -> None:
        """Those that are there already."""
        for entry in self._spec["linux"]["namespaces"]:
            path, kind = entry.get("path", ""), entry["type"]
            if not path:
                continue
            try:
                fd = self._keep(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
            except OSError as e:
                raise InvalidArgument.from_os(f"opening the {kind} namespace {path}", e) from e
            if kind == "user":
                self._userns = fd
            elif kind == "time":  # whose children are in it, as a new one's are
                checked(lib.crunpy_setns(fd, ns.CLONE_NEWTIME), "setns")
            else:
                self._joined[kind] = fd

    def _make_user_namespace(self) -> None:
        linux = self._spec["linux"]
        own = any(n["type"] == "user" and not n.get("path") for n in linux["namespaces"])
        if not own:
            return
        uids, gids = (
            idmap.rows(found)
            for found in (linux.get("uidMappings", ()), linux.get("gidMappings", ()))
        )
        if not uids or not gids:
            raise InvalidArgument("linux.uidMappings, gidMappings: a user namespace needs both")
        self._userns = self._keep(idmap.new_namespace(idmap.Ids(uids, gids)))
        user = self._spec["process"]["user"]
        if os.geteuid() and not user.get("additionalGids"):
            user["keepGroups"] = True  # where setgroups(2) may be denied (user_namespaces(7))

    def _make_time_namespace(self) -> None:
        """What we start from here on is in it (time_namespaces(7))."""
        linux = self._spec["linux"]
        if not any(n["type"] == "time" and not n.get("path") for n in linux["namespaces"]):
            return
        checked(lib.crunpy_unshare(ns.CLONE_NEWTIME), "unshare")
        lines = [
            f"{clock} {offset.get('secs', 0)} {offset.get('nanosecs', 0)}\n"
            for clock, offset in linux.get("timeOffsets", {}).items()
        ]
        if lines:
            with open("/proc/self/timens_offsets", "w", encoding="ascii") as file:
                file.write("".join(lines))

    def _make_cgroup(self) -> None:
        linux, systemd = self._spec["linux"], self._request.systemd
        name, base = groups.own_name(self._container.id), group.base()
        if base and not systemd and not linux.get("cgroupsPath"):
            # nobody else knows the name: `delete` must, if we are killed
            self._state = replaced(self._state, cgroup=f"{base}/{name}")
            self._container.write(self._state)
        self._group = groups.make(
            self._container.id, linux, name, systemd=systemd, rootless=self._request.rootless
        )
        self._undo.append(self._group.remove)
        self._state = replaced(self._state, cgroup=self._group.path)
        self._container.write(self._state)

    def _make_resctrl(self) -> None:
        if (wanted := self._spec["linux"].get("intelRdt")) is None:
            return
        from crun_py.oci_runtime import resctrl

        rdt = resctrl.plan(self._container.id, wanted)
        # before it is there: `delete` must know of it, if we are killed
        self._state = replaced(self._state, resctrl=rdt.places, resctrl_made=rdt.made)
        self._container.write(self._state)
        resctrl.make(rdt, wanted)
        self._undo.append(lambda: resctrl.remove(rdt.made))

    def _enter_resctrl(self, pid: int) -> None:
        """Put the first process, which waits for the start, where its children are to be, too."""
        if self._state.resctrl:
            from crun_py.oci_runtime import resctrl

            resctrl.add(self._state.resctrl, pid)

    def _prepare_mounts(self) -> None:
        if "pid" not in self._joined and not any(map(_is_prepared, self._spec["mounts"])):
            return
        from crun_py.oci_runtime import prepared

        place = private_dir(self._container.directory + "/mount")
        self._attached = prepared.mounts(self._spec, self._joined, self._userns, place)
        self._fds += self._attached.values()

    def _open_fifo(self) -> None:
        os.mkfifo(self._container.fifo, 0o600)
        # open for both: no end of file comes before somebody has written
        self._fifo = self._keep(os.open(self._container.fifo, os.O_RDWR | os.O_CLOEXEC))

    def _connect_console(self) -> None:
        if self._request.console_socket:
            self._console = self._keep(console(self._request.console_socket))

    def _plan(self) -> p.Plan:
        spec = self._spec
        plan = contained.plan_for(
            spec, None, joined=self._joined, attached=self._attached,
            seccomp=contained.seccomp_filter(spec, ""), reap=False,
            keyring=self._request.keyring,
        )  # fmt: skip
        if hooks.wanted(spec, *hooks.RUNTIME, "createContainer"):
            at = next(i for i, step in enumerate(plan.steps) if step.op == p.CLEAR)
            plan.steps.insert(at, p.Step(p.PAUSE, 0, 0, 0, ()))
        if self._userns >= 0:
            plan.add(p.SET_USERNS, a=self._userns)
        flags = contained.clone_flags(spec, self._joined)
        plan.add(p.SET_CLONE, a=flags, b=self._joined.get("pid", -1))
        plan.add(p.SET_CGROUP, a=self._group.fd, c=self._group.standing)
        size = spec["process"].get("consoleSize", {"height": 0, "width": 0})
        window = size["height"] << 16 | size["width"]
        plan.add(p.SET_ALONE, a=self._fifo, b=self._console, c=window)
        self._fds += keep_open(plan, self._request.preserve)
        contained.hold(plan)
        return plan

    def _inherited(self) -> list[int]:
        return [*self._fds, *(fd for fd in (self._group.fd, self._group.standing) if fd > 0)]

    def _paused(self, _: int, pid: int, fd: int) -> None:
        known = replaced(self._state, pid=pid, start_ticks=state.start_ticks(pid))
        self._container.write(known)
        if fd >= 0:
            told = {**document(self._container, known), "status": "creating"}
            listener.tell(self._spec, told, pid, fd)
        else:
            self._run_hooks(known)

    def _run_hooks(self, known: State) -> None:
        pid = known.pid
        self._undo.append(lambda: _after_all(self._container, known, self._spec))
        told = {**document(self._container, known), "status": "creating"}
        for kind in hooks.RUNTIME:
            hooks.run(hooks.wanted(self._spec, kind), told, kind)
        inside = hooks.wanted(self._spec, "createContainer")
        if inside:
            pidfd = pidfd_open(pid)
            try:
                hooks.run(inside, told, "createContainer",
                          enter=hooks.entering(pidfd, ns.CLONE_NEWNS))  # fmt: skip
            finally:
                os.close(pidfd)


def _is_prepared(entry: Mount) -> bool:
    """Whether the first process cannot mount it by itself (oci_runtime/prepared.py)."""
    return "uidMappings" in entry or not _PREPARED.isdisjoint(entry.get("options", ()))


_PREPARED = frozenset(("tmpcopyup", "idmap", "ridmap"))


def console(path: str) -> int:
    """A connection to the socket that is to get a terminal's master.  Raises CrunpyError."""
    import socket

    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.connect(path)
    except OSError as e:
        sock.close()
        raise CrunpyError.from_os(f"connecting to the console socket {path}", e) from e
    return sock.detach()


def _owner() -> str:
    uid = host_uid()
    if uid == 0:
        return "root"
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def become_subreaper() -> None:
    """What a container's first process becomes the child of, when its maker leaves (prctl(2))."""
    checked(lib.crunpy_prctl(_PR_SET_CHILD_SUBREAPER, 1), "prctl")
