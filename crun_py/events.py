"""The journal of what happened to containers, images, volumes and networks.

There is no daemon that could tell: every command appends a line for what it did to
RUN/events.log, and `crunpy events` reads it, like any log, over its rotation.  Names of
types, actions and attributes are those of Docker's events; after a reboot it begins anew.
"""

from __future__ import annotations

import os
import time

from crun_py import clock, jsonfile, notices
from crun_py.errors import Conflict, printable
from crun_py.paths import Paths, private_dir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crun_py.model.event import Event
    from crun_py.model.network import Network
    from crun_py.state import Container

_MAX_BYTES = 2 << 20
_SAME = (
    {"die", "died"},
    {"destroy", "remove", "delete", "rm"},
    {"exec_die", "exec_died"},
    {"exec_start", "exec"},
)
"""Docker's and podman's words for one action, as filters may name it."""


def emit(paths: Paths, kind: str, action: str, actor: str, attributes: dict[str, str]) -> None:
    """Append one event.

    kind: "container", "image", "volume", "network", "pod" or "system".  actor: the object's id or
    name.  A full disk loses events, it does not keep the command from its work.
    """
    path = _path(paths)
    line = f'{{"time": {time.time_ns()}, '.encode() + _rest(kind, action, actor, attributes)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        private_dir(paths.run)
        fd = os.open(path, flags, 0o600)
        try:
            # one write with O_APPEND: lines of several commands do not mix
            os.write(fd, line)
            full = os.fstat(fd).st_size > _MAX_BYTES
        finally:
            os.close(fd)
        if full:
            _rotate(path)
    except OSError as e:
        notices.warn(f"writing {path}: {os.strerror(e.errno or 0)}")


def _rest(kind: str, action: str, actor: str, attributes: dict[str, str]) -> bytes:
    """A line of the journal behind the time."""
    event = {"type": kind, "action": action, "id": actor, "attributes": attributes}
    return (jsonfile.dumps(event)[1:] + "\n").encode("utf-8", "surrogateescape")


def _of(about: Container, more: dict[str, str]) -> dict[str, str]:
    """Attributes of a container's event: image, name and labels, as Docker has it."""
    record = about.record
    labels = record["config"]["labels"]
    return {**labels, "image": record["image"], "name": about.name, **more}


def container(about: Container, action: str, **more: str) -> None:
    """An event of a container."""
    emit(about.paths, "container", action, about.id, _of(about, more))


def by_monitor(about: Container, action: str) -> tuple[str, bytes]:
    """The journal's path, and an event of a container that its monitor is to write there with the
    time before it (_native/group.c)."""
    return _path(about.paths), _rest("container", action, about.id, _of(about, {}))


def image(paths: Paths, action: str, image_id: str, name: str) -> None:
    """An event of an image (hex digits of its id; name: familiar, may be "")."""
    emit(paths, "image", action, f"sha256:{image_id}", {"name": name})


def network(paths: Paths, action: str, about: Network, container_id: str = "") -> None:
    """An event of a network, of docker's attributes; container_id: who joined or left it."""
    attributes = {"name": about.name, "type": about.driver}
    if container_id:
        attributes["container"] = container_id
    emit(paths, "network", action, about.id, attributes)


def _path(paths: Paths) -> str:
    return paths.run + "/events.log"


def _rotate(path: str) -> None:
    """One old file is kept.  Whoever comes second finds a small file and leaves it."""
    try:
        with jsonfile.Lock(path + ".lock", timeout_s=0):
            if os.stat(path).st_size > _MAX_BYTES:
                os.rename(path, path + ".1")
    except Conflict:
        return


# ---- reading ----


def read(
    paths: Paths,
    *,
    since_ns: int | None = None,
    until_ns: int | None = None,
    follow: bool = False,
    wanted: Callable[[Event], bool] = lambda _: True,
) -> Iterator[Event]:
    """Events from `since_ns` to `until_ns` (nanoseconds since 1970), oldest first.

    follow: wait for more, until `until_ns` if it is given.  Without since_ns only those that
    are still to come.
    """
    from crun_py import logs
    from crun_py.model.event import Event

    start = time.time_ns() if since_ns is None else since_ns

    def go_on() -> bool:
        return follow and (until_ns is None or time.time_ns() <= until_ns)

    for line in logs.lines(_path(paths), follow, None, go_on):
        try:
            value = jsonfile.loads(line)
        except ValueError:
            continue  # torn by a crash
        if not _is_event(value):
            continue
        event = Event(
            time_ns=value["time"],
            type=value["type"],
            action=value["action"],
            id=value["id"],
            attributes=value["attributes"],
        )
        if event.time_ns < start:
            continue
        if until_ns is not None and event.time_ns > until_ns:
            return
        if wanted(event):
            yield event


def _is_event(value: object) -> bool:
    """Whether a line of the journal is what `emit` writes."""
    kinds = {"time": int, "type": str, "action": str, "id": str, "attributes": dict}
    return isinstance(value, dict) and all(
        isinstance(value.get(key), kind) for key, kind in kinds.items()
    )


FILTERS = "container event status image label type volume network daemon pod".split()


def matcher(filters: list[str]) -> Callable[[Event], bool]:
    """A test for events from KEY=VALUE filters: either value of one key, all keys.

    Raises InvalidArgument.
    """
    from crun_py.filters import parse

    wanted = parse(filters, FILTERS)
    return lambda event: all(
        (all if key == "label" else any)(_is(event, key, value) for value in values)
        for key, values in wanted.items()
    )


def _is(event: Event, key: str, value: str) -> bool:
    attributes = event.attributes
    if key in ("event", "status"):
        action = event.action.partition(":")[0]
        same = next((words for words in _SAME if value in words), {value})
        return action in same or event.action == value
    if key == "type":
        return event.type == value
    if key == "label":
        from crun_py.filters import label_matches

        return label_matches(attributes, value)
    if key == "image":
        image = attributes.get("image", "")
        return value in (event.id if event.type == "image" else image, image.split(":")[0],
                         image)  # fmt: skip
    if event.type != key:
        return False
    return bool(value and (event.id.startswith(value) or attributes.get("name") == value))


def document(event: Event) -> dict[str, object]:
    """An event with the names of Docker's API, and those of podman's that differ from them by more
    than capitals: readers that do not tell capitals apart (Go's) would take one for the other."""
    attributes = event.attributes
    return {
        "status": event.action,
        "id": event.id,
        "from": attributes.get("image", ""),
        "Type": event.type,
        "Action": event.action,
        "Actor": {"ID": event.id, "Attributes": attributes},
        "scope": "local",
        "time": event.time_ns // 10**9,
        "timeNano": event.time_ns,
        "Name": attributes.get("name", ""),
        "Image": attributes.get("image", ""),
    }


def line(event: Event, *, cut: bool = False) -> str:
    """An event as `docker events` prints it.  cut: twelve digits of the id."""
    attributes = ", ".join(f"{k}={v}" for k, v in sorted(event.attributes.items()))
    when = clock.rfc3339(event.time_ns)
    digits = event.id.removeprefix("sha256:")
    actor = digits[:12] if cut else event.id
    text = f"{when} {event.type} {event.action} {actor}"
    return printable(f"{text} ({attributes})" if attributes else text)
