"""systemd units of containers, and what an update of their images came to."""

from __future__ import annotations

from crun_py.record import record


@record
class UnitOptions:
    """What a unit is to be like.

    by_name: it says the container's name instead of its id.  new: it makes the container anew
    at each start.  template: it is one for many, whose containers are called after the instance
    too (NAME-%i); it makes them anew.  stop_timeout_s: None: the container's own.
    restart_policy: systemd's Restart=, "" for what follows from the container's.  after, requires,
    wants: names of units; environment: KEY=VALUE.
    """

    by_name: bool = False
    new: bool = False
    template: bool = False
    stop_timeout_s: int | None = None
    start_timeout_s: int | None = None
    restart_policy: str = ""
    restart_delay_s: int | None = None
    prefix: str = "container"
    separator: str = "-"
    header: bool = True
    after: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()


@record
class Unit:
    """A unit.  name: without `.service`; text: the file's, without a last end of line."""

    name: str
    text: str


@record
class Updated:
    """What became of a container that wants updates.

    unit: which runs it.  policy: registry or local.  updated: true, false (there is nothing newer),
    pending (there is, and nothing was done), failed or "rolled back".
    """

    unit: str
    container_id: str
    container_name: str
    image: str
    policy: str
    updated: str
