"""Where the engine works: the store's paths, and how to become ready to work on it."""

from __future__ import annotations

from crun_py.errors import NotFound
from crun_py.paths import Paths, refuse_foreign

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from crun_py.model.registry import Progress

    Showing = Callable[[Progress], object] | None

    from crun_py.state import Status


class _Shown:
    """What contextlib.nullcontext is, which would be one more module to load."""

    def __init__(self, report: Showing) -> None:
        self._report = report

    def __enter__(self) -> Showing:
        return self._report

    def __exit__(self, *_: object) -> None:
        """There is nothing to end."""


def _ignore(_: object) -> None:
    """What happens to reports that nobody wants."""


class Context:
    """A store, and what this process has become to work on it.

    explain:  is given each line of a container's plan before it is carried out (--debug).
    report:   is given records that tell of what goes on (model/).
    showing:  gives for the time of a pull or push the function that is called with its Progress,
              or None.
    rootless: this process is root of a user namespace that a plain user made.
    cgroup_manager: who makes the cgroups of new containers (systemd, cgroupfs) where their
              requests do not say so, "" for systemd where it is there.
    notify_socket: the address by which the service manager is told of containers that are started
              (NOTIFY_SOCKET), "" when this process is no unit's command.
    """

    def __init__(
        self,
        root: str | None = None,
        run: str | None = None,
        explain: Callable[[str], None] | None = None,
        report: Callable[[object], None] | None = None,
        *,
        foreign: bool = False,
    ) -> None:
        """root, run: as for Paths.  foreign: they may be another user's, for who only tells of
        that; else CrunpyError is raised then."""
        self.paths = Paths(root, run)
        if not foreign:
            refuse_foreign(self.paths.root, "CRUNPY_ROOT")
            refuse_foreign(self.paths.run, "CRUNPY_RUNROOT")
        self.explain = explain
        self.report: Callable[[object], None] = report or _ignore
        self.showing: Callable[[], AbstractContextManager[Showing]] = lambda: _Shown(self.report)
        self.rootless = False
        self.cgroup_manager = ""
        self.notify_socket = ""

    def enter(self, *modes: str) -> None:
        """Become root in a user namespace, for work on layers and mounts.  Nothing for root.

        modes: with whom the container to be started shares namespaces (Container.modes):
        those of container:X can only be joined from inside the user namespace of X (X is started
        before, if it does not run: what it joins counts, too), and network:NAME from inside that
        of the hub.
        """
        from crun_py.ns import user

        if not user.needed():
            return
        for mode in modes:
            if mode.startswith("container:"):
                from crun_py import state

                other = state.find(self.paths, mode.partition(":")[2])
                status = other.status()
                if status.running:
                    self.join(status)
                    return
                modes = (*modes, *other.modes)
        networks = [mode[8:] for mode in modes if mode.startswith("network:")]
        if networks and self._join_hub(networks):
            return
        user.enter(self.paths.root, looking=self.paths.looking)
        self.rootless = True

    def enter_for_many(self, mode: str) -> None:
        """As `enter`, for containers one after the other with this network mode: where the
        user's networks are by now, if they are to be on one; others may go there meanwhile."""
        from crun_py.net import connection

        word = mode.partition(":")[0]
        if word == "container":
            self.enter(mode)
            return
        if not mode or connection.is_alone(mode):
            self.enter()
            return
        self.enter(f"network:{mode}")
        from crun_py.net import hub

        hub.unlock()

    def _join_hub(self, networks: list[str]) -> bool:
        """Become root where a user's networks are, if the container is to be on them: then nobody
        else makes them until it is connected."""
        from crun_py.net import connection

        if not connection.on_hub(networks):
            return False
        from crun_py.net import hub

        hub.lock(self.paths)
        status = hub.holder(self.paths)
        if status:
            self.join(status)
        return status is not None

    def join(self, status: Status) -> None:
        """As `enter`, but into the user namespace of a running container: only from there can
        its processes be signalled, whatever their user, and its files be removed."""
        from crun_py.ns import user

        if user.needed():
            try:
                user.join(status)
            except NotFound:
                user.enter(self.paths.root)  # it ended just now
            self.rootless = True
