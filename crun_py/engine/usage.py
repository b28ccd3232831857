"""What containers use, measured."""

from __future__ import annotations

import time

from crun_py import state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crun_py.engine.context import Context
    from crun_py.model.stats import Stats
    from crun_py.state import Container

CALLS = ("once", "stream")
_SHORT_S = 0.1


def once(
    context: Context, names: tuple[str, ...] = (), *, interval_s: float = _SHORT_S
) -> tuple[Stats, ...]:
    """What containers that run use (all, or those named), measured over interval_s.

    Raises NotFound.
    """
    return next(stream(context, names, interval_s=interval_s))


def stream(
    context: Context, names: tuple[str, ...] = (), *, interval_s: float = 1
) -> Iterator[tuple[Stats, ...]]:
    """As `once`, again and again, each time for the interval before."""
    named = [state.find(context.paths, name) for name in names]
    return measured(lambda: _running(context, named), interval_s)


def measured(
    running: Callable[[], list[Container]], interval_s: float
) -> Iterator[tuple[Stats, ...]]:
    """What the containers that `running` gives use, again and again."""
    from crun_py.show import stats

    before = stats.sample(running())
    while True:
        time.sleep(interval_s)
        found = running()
        after = stats.sample(found)
        yield tuple(
            stats.used(c, before.get(c.id, after[c.id]), after[c.id])
            for c in found
            if c.id in after
        )
        before = after


def _running(context: Context, named: list[Container]) -> list[Container]:
    return [c for c in named or state.every(context.paths) if c.status().running]
