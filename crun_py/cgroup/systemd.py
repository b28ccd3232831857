"""What systemd is asked for over D-Bus: transient scopes, and other limits of one that is there.

org.freedesktop.systemd1(5), "StartTransientUnit()", "SetUnitProperties()", "JobRemoved()".
"""

from __future__ import annotations

import errno
import os
import time

from crun_py.cgroup import manager
from crun_py.cgroup.dbus import Bus, BusError, Message
from crun_py.errors import CrunpyError, Unsupported
from crun_py.paths import host_uid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.cgroup.properties import Property

_SERVICE = "org.freedesktop.systemd1"
_PATH = "/org/freedesktop/systemd1"
_MANAGER = _SERVICE + ".Manager"
_EXISTS = _SERVICE + ".UnitExists"
_UNLOADED = _SERVICE + ".NoSuchUnit"
_UNKNOWN = ("org.freedesktop.DBus.Error.ServiceUnknown",
            "org.freedesktop.DBus.Error.NameHasNoOwner")  # fmt: skip
_TIMEOUT_S = 25  # what D-Bus's own clients wait for an answer
_STILL_THERE_S = 10
"""How long a unit of the same name may take to be gone."""


class Silent(Unsupported):
    """There is no bus, or systemd is not on it."""


class Unit:
    """A transient unit that is to be started."""

    __slots__ = ("call", "name", "properties")

    def __init__(self, name: str, properties: list[Property]) -> None:
        self.name, self.properties = name, properties
        self.call = 0


class Systemd:
    """A conversation with the machine's systemd, or with that of a plain user."""

    def __init__(self, *, rootless: bool) -> None:
        """rootless: with the user's.  Raises Silent."""
        self._rootless = rootless
        self._answers: dict[int, Message] = {}
        self._ended: dict[str, str] = {}
        """How jobs ended, by their paths."""
        path = manager.bus(rootless=rootless)
        try:
            if not path:
                raise FileNotFoundError(errno.ENOENT, "no bus")
            self._bus = Bus(path, _TIMEOUT_S)
        except (OSError, ValueError) as e:
            raise self._silent(_words(e)) from e

    def close(self) -> None:
        """May be called again."""
        self._bus.close()

    def start(self, *units: Unit) -> None:
        """Ask for units, and go on.  Raises Silent."""
        rule = f"type='signal',sender='{_SERVICE}',interface='{_MANAGER}',member='JobRemoved'"
        try:
            self._bus.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "AddMatch", "s", rule,
                           answered=False)  # fmt: skip
            for unit in units:
                self._send(unit)
            self._bus.flush()
        except OSError as e:
            raise self._silent(_words(e)) from e

    def _send(self, unit: Unit) -> None:
        unit.call = self._bus.call(
            _SERVICE, _PATH, "StartTransientUnit", "ssa(sv)a(sa(sv))",
            unit.name, "fail", unit.properties, [], interface=_MANAGER,
        )  # fmt: skip

    def finish(self, unit: Unit) -> None:
        """Wait until a unit that was asked for is started.

        One of the same name is that of the container's last run, which systemd has not noticed to
        be empty yet.  Raises Silent, BusError, CrunpyError.
        """
        deadline = time.monotonic() + _STILL_THERE_S
        while True:
            try:
                self._started(unit)
                return
            except BusError as e:
                if e.name != _EXISTS or time.monotonic() > deadline:
                    raise
            self._bus.call(_SERVICE, _PATH, "StopUnit", "ss", unit.name, "replace",
                           interface=_MANAGER, answered=False)  # fmt: skip
            time.sleep(0.01)
            self._send(unit)

    def ensure(self, unit: Unit) -> None:
        """Start a unit unless there is one of its name.  Raises as `finish`."""
        self.start(unit)
        try:
            self._started(unit)
        except BusError as e:
            if e.name != _EXISTS:
                raise

    def stop(self, name: str) -> None:
        """Ask for the end of a unit, if there is one.  Raises as `finish`."""
        number = self._bus.call(_SERVICE, _PATH, "StopUnit", "ss", name, "replace",
                                interface=_MANAGER)  # fmt: skip
        try:
            self._answer(f"stopping {name}", number)
        except BusError as e:
            if e.name != _UNLOADED:
                raise

    def _started(self, unit: Unit) -> None:
        doing = f"starting {unit.name}"
        (job,) = self._answer(doing, unit.call)[:1] or [""]
        while str(job) not in self._ended:
            self._hear()
        result = self._ended.pop(str(job))
        if result != "done":
            user = "--user " if self._rootless else ""
            hint = f"journalctl {user}-u {unit.name}"
            raise CrunpyError(f"{doing}: systemd says: {result}", hint=hint)

    def change(self, name: str, properties: list[Property]) -> None:
        """Set properties of the unit `name`, until it ends.  Raises as `finish`."""
        number = self._bus.call(_SERVICE, _PATH, "SetUnitProperties", "sba(sv)", name, True,
                                properties, interface=_MANAGER)  # fmt: skip
        self._answer(f"changing {name}", number)

    def _answer(self, doing: str, number: int) -> list[object]:
        """What call `number` answers, waited for."""
        while number not in self._answers:
            self._hear()
        message = self._answers.pop(number)
        if message.error in _UNKNOWN:
            raise self._silent("it is not on the bus")
        if message.error:
            raise BusError(doing, message.error, str((message.body or [""])[0]))
        return message.body

    def _hear(self) -> None:
        try:
            message = self._bus.next()
        except (OSError, ValueError) as e:
            raise self._silent(_words(e)) from e
        if message.answers:
            self._answers[message.answers] = message
        elif message.member == "JobRemoved" and len(message.body) == 4:
            _, job, _, result = map(str, message.body)
            self._ended[job] = result

    def _silent(self, why: str) -> Silent:
        whose, hint = "systemd", "--cgroup-manager cgroupfs"
        if self._rootless:
            whose = "the user's systemd"
            hint = f"as root: loginctl enable-linger {host_uid()}; or {hint}"
        return Silent(f"asking {whose} for a cgroup: {why}", hint=hint)


def _words(error: Exception) -> str:
    number = getattr(error, "errno", None)
    return os.strerror(number).lower() if number else str(error)
