# Written by tools/blocking.py from crun_py/aio: change it there.

"""One container."""

from __future__ import annotations

from crun_py.blocking.inside import Inside
from crun_py.library import options
from crun_py.library.create_options import Ports
from crun_py.library.values import PublishedPorts, expect
from crun_py.model.container import Limits, RestartPolicy
from crun_py.model.running import HealthChecked
from crun_py.model.state import ContainerInfo
from crun_py.options.parts import restart_policy


class Container(Inside):
    """A container.  As a context manager it is removed at the end of the block, with its anonymous
    volumes, whatever became of it.

    info: what was known of it when it was last looked at, by `reload` or by what was done to it
    here; the other attributes are taken from there.
    """

    def __repr__(self) -> str:
        return f"<Container {self.info.name} {self.id[:12]} {self.info.state}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Container) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def name(self) -> str:
        """Its name."""
        return self.info.name

    @property
    def state(self) -> str:
        """created, initialized, running, paused, stopping, restarting, exited or unknown."""
        return self.info.state

    @property
    def running(self) -> bool:
        """Whether its processes are there."""
        return self.info.running

    @property
    def exit_code(self) -> int:
        """Of its last end; 0 before."""
        return self.info.exit_code

    @property
    def labels(self) -> dict[str, str]:
        """Its labels and its image's."""
        return dict(self.info.labels)

    @property
    def ports(self) -> PublishedPorts:
        """Where its published ports are on the host: `ports[80].host_port`."""
        return PublishedPorts(self.info.ports)

    @property
    def ip_address(self) -> str:
        """On its network, "" while it does not run or where it has none of its own."""
        return self.info.ip_address

    def reload(self) -> ContainerInfo:
        """What is true now.  Raises NotFound when it has been removed."""
        self.info = expect(ContainerInfo, self._worker.call("status.container", self.id))
        return self.info

    # ---- its life ----

    def init(self) -> None:
        """Make all that it needs but let its command wait, until `start`.  Raises Conflict."""
        self._worker.call("run.init", self.id)
        self.reload()

    def start(self) -> None:
        """Start it; nothing if it runs.  Raises CommandError when its command cannot be run."""
        self._worker.call("run.start", self.id)
        self.reload()

    def stop(self, timeout: int | None = None, *, signal: int | None = None) -> None:
        """Stop it; nothing if it does not run.

        timeout: seconds until SIGKILL, -1 for never; signal: what asks it to end.  None for what
        it was created with.
        """
        self._worker.call("containers.stop", self.id, timeout_s=timeout, signal=signal)
        if not self.info.auto_remove:
            self.reload()

    def restart(self, timeout: int | None = None, *, signal: int | None = None) -> None:
        """Stop it if it runs, and start it.  timeout, signal: as for `stop`."""
        self._worker.call("containers.restart", self.id, timeout_s=timeout, signal=signal)
        self.reload()

    def kill(self, signal: int = 9) -> None:
        """Send a signal to its first process.  Raises Conflict when it does not run."""
        self._worker.call("containers.kill", self.id, signal)

    def pause(self) -> None:
        """Let its processes stand still.  Raises Unsupported without a cgroup v2."""
        self._worker.call("containers.pause", self.id)
        self.reload()

    def unpause(self) -> None:
        """Let them go on."""
        self._worker.call("containers.unpause", self.id)
        self.reload()

    def rename(self, name: str) -> None:
        """Give it another name.  Raises Conflict when that is taken."""
        self._worker.call("containers.rename", self.id, name)
        self.reload()

    def update(
        self, limits: Limits | None = None, *, restart: str | RestartPolicy | None = None
    ) -> None:
        """Change its limits and restart policy, now and for later starts."""
        policy = restart_policy(restart) if isinstance(restart, str) else restart
        self._worker.call("containers.update", self.id, limits or Limits(), policy)

    def publish(self, ports: Ports) -> PublishedPorts:
        """Publish more ports, while it runs; ports as of `run`.

        Raises Conflict when one is taken, Unsupported where its network cannot.
        """
        self._worker.call("networks.publish", self.id, options.ports(ports))
        self.reload()
        return self.ports

    def unpublish(self, ports: Ports) -> None:
        """Publish ports no more: all that lead to a port of the container, or to the host's port
        and address that are given.  Raises NotFound."""
        self._worker.call("networks.unpublish", self.id, options.ports(ports))
        self.reload()

    def remove(self, *, force: bool = False, volumes: bool = False, dry_run: bool = False) -> None:
        """Remove it.

        force: kill it first if it runs; volumes: with its anonymous volumes; dry_run: nothing is
        done, but raises what a removal would.  Raises Conflict when it runs, or others need it.
        """
        self._worker.call(
            "containers.remove", self.id, force=force, volumes=volumes, dry_run=dry_run
        )

    def wait(self) -> int:
        """Its exit code, when it has ended."""
        code = expect(int, self._worker.call("waiting.wait", self.id))
        if not self.info.auto_remove:
            self.reload()
        return code

    def check_health(self) -> HealthChecked:
        """Make one check of its health now, and what follows from it.

        Raises Conflict when it does not run, InvalidArgument without a health check."""
        made = self._worker.call("containers.check_health", self.id)
        return expect(HealthChecked, made)

    def wait_until(
        self,
        *,
        healthy: bool = False,
        port: int | None = None,
        log: str | None = None,
        timeout: float = 60,
    ) -> None:
        """Return when all that is asked for is true.

        healthy: its health check has passed.  port: something in it listens there (TCP).  log: a
        regular expression that a line of its output matches.  timeout: seconds.
        Raises TimedOut, Conflict when it has ended meanwhile.
        """
        self._worker.call(
            "ready.wait_until", self.id, healthy=healthy, port=port or 0, log=log or "",
            timeout_s=float(timeout),
        )  # fmt: skip
        self.reload()

    # ---- with ----

    def __enter__(self) -> Container:
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.call("containers.remove", self.id, force=True, volumes=True, missing_ok=True)
