"""systemd units that start containers, and what a boot has to start without them."""

from __future__ import annotations

from crun_py import state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crun_py.engine.context import Context
    from crun_py.model.unit import Unit, UnitOptions

CALLS = ("unit", "unit_for_boot", "due_after_boot", "resume")


def unit(
    context: Context, name: str, options: UnitOptions | None = None, *, program: Sequence[str]
) -> Unit:
    """The unit that starts and stops a container.

    program: the words of a command line that is crunpy.  Raises NotFound, InvalidArgument.
    """
    from crun_py.container import units
    from crun_py.model.unit import Unit, UnitOptions

    options = options or UnitOptions()
    container = state.find(context.paths, name)
    return Unit(
        name=units.service_name(container, options),
        text=units.service(container, options, program),
    )


def unit_for_boot(context: Context, *, program: Sequence[str]) -> Unit:
    """The unit that starts at boot what `due_after_boot` tells.  program: as for `unit`."""
    from crun_py.container import units
    from crun_py.model.unit import Unit

    return Unit(name="crunpy-resume", text=units.resume(context.paths, program))


def due_after_boot(context: Context) -> tuple[str, ...]:
    """The ids of the containers that --restart would have kept running, oldest first."""
    from crun_py.container import restart

    found = state.every(context.paths)[::-1]
    return tuple(container.id for container in found if restart.due_after_boot(container))


def resume(context: Context, container_id: str) -> str:
    """Start a container again after a boot; its name.  Raises NotFound, CommandError."""
    from crun_py.container import lifecycle

    container = state.load(context.paths, container_id)
    context.enter(*container.modes)
    lifecycle.start(container, rootless=context.rootless)
    return container.name


def due_at_shutdown(context: Context) -> tuple[str, ...]:
    """The ids of the containers that run and whose policy starts them again after a boot."""
    from crun_py.container import restart

    found = state.every(context.paths)
    return tuple(container.id for container in found if restart.due_at_shutdown(container))


def suspend(context: Context, container_id: str) -> str:
    """Stop a container for a shutdown: no user wanted that, so that `resume` starts it again; its
    name.  Raises NotFound."""
    from crun_py.container import ending, restart

    container = state.load(context.paths, container_id)
    status = container.status()
    context.join(status) if status.alive else context.enter()
    ending.stop(container)
    restart.begin(container)
    return container.name
