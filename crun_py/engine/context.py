"""Where the engine works: the store's paths, and how to become ready to work on it."""

from __future__ import annotations

from crun_py.errors import NotFound
from crun_py.paths import Paths, refuse_foreign

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.state import Status


def _unheard(event: object) -> None:
    """Where nobody wants to know what goes on."""


class Context:
    """A store, and what this process has become to work on it.

    explain:  is given each line of a container's plan before it is carried out (--debug).
    report:   is given what goes on meanwhile, records of the call's own (progress, events).
    rootless: this process is root of a user namespace that a plain user made.
    """

    def __init__(
        self,
        root: str | None = None,
        run: str | None = None,
        explain: Callable[[str], None] | None = None,
        report: Callable[[object], None] | None = None,
    ) -> None:
        """root, run: as for Paths."""
        self.paths = Paths(root, run)
        refuse_foreign(self.paths.run)
        self.explain = explain
        self.report = report or _unheard
        self.rootless = False

    def enter(self, *modes: str) -> None:
        """Become root in a user namespace, for work on layers and mounts.  Nothing for root.

        modes: with whom the container to be started shares namespaces (Container.modes):
        those of container:X can only be joined from inside the user namespace of X.
        """
        from crun_py.ns import user

        if not user.needed():
            return
        for mode in modes:
            if mode.startswith("container:"):
                from crun_py import state

                status = state.find(self.paths, mode.partition(":")[2]).status()
                if status.running:
                    self.join(status)
                    return
        user.enter()
        self.rootless = True

    def join(self, status: Status) -> None:
        """As `enter`, but into the user namespace of a running container: only from there can
        its processes be signalled, whatever their user, and its files be removed."""
        from crun_py.ns import user

        if user.needed():
            try:
                user.join(status)
            except NotFound:
                user.enter()  # it ended just now
            self.rootless = True
