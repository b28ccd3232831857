"""Addresses: which container has which address of a network.

One JSON file per network below RUN, so that a reboot frees all of them; changed under
flock.  Addresses are given out in turn: one that was just freed comes back last, so that
neighbours' ARP entries and clients' connections do not meet a different container.
"""

from __future__ import annotations

import errno
import os

from crun_py import jsonfile
from crun_py.errors import Conflict, CorruptState, CrunpyError, InvalidArgument
from crun_py.net import ipv4
from crun_py.net.config import Network
from crun_py.paths import Paths, private_dir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def directory(paths: Paths) -> str:
    """Where the files of this module are."""
    return paths.run + "/networks"


def allocate(
    paths: Paths,
    network: Network,
    container_id: str,
    wanted: str | None = None,
    alive: Callable[[str], bool] | None = None,
) -> str:
    """An address of `network` for `container_id`; the one it has, if it has one.

    wanted: this one and no other.  alive: tells whether a container still runs; asked only
    when an address is short, to take back those of containers that are gone.
    Raises Conflict when the address is taken or all are, InvalidArgument.
    """
    base, prefix = ipv4.parse_subnet(network.subnet)
    last = base + (1 << (32 - prefix)) - 1
    gateway = ipv4.parse(network.gateway)
    if wanted is not None:
        number = ipv4.parse(wanted)
        if not base < number < last or number == gateway:
            raise InvalidArgument(
                f"address {wanted} cannot be used in network {network.name!r} ({network.subnet})"
            )
    private_dir(directory(paths))
    with jsonfile.Lock(_file(paths, network.name) + ".lock"):
        taken, following = _read(paths, network.name)
        mine = next((ip for ip, owner in taken.items() if owner == container_id), None)
        if mine and wanted in (None, mine):
            return mine
        if wanted is not None:
            chosen = ipv4.text(number)
            owner = taken.get(chosen)
            if owner and (alive is None or alive(owner)):
                raise Conflict(f"address {chosen} is in use by container {owner[:12]}")
        else:
            free = _next(taken, following, base, last, gateway)
            if free is None and alive is not None:
                taken = {ip: owner for ip, owner in taken.items() if alive(owner)}
                free = _next(taken, following, base, last, gateway)
            if free is None:
                raise Conflict(
                    f"network {network.name!r} has no free address left in {network.subnet}",
                    hint="make a network with a larger --subnet",
                )
            following = free + 1
            chosen = ipv4.text(free)
        if mine:
            del taken[mine]
        taken[chosen] = container_id
        _write(paths, network.name, taken, following)
        return chosen


def _next(taken: dict[str, str], following: int, base: int, last: int, gateway: int) -> int | None:
    """The first free address from `following` on, once around."""
    if not base < following < last:
        following = base + 1
    if len(taken) >= last - base - 1:
        return None
    for number in range(last - base - 1):
        address = base + 1 + (following - base - 1 + number) % (last - base - 1)
        if address != gateway and ipv4.text(address) not in taken:
            return address
    return None


def release(paths: Paths, network_name: str, container_id: str) -> None:
    """Give back what `container_id` has of the network; nothing if it has nothing."""
    try:
        with jsonfile.Lock(_file(paths, network_name) + ".lock"):
            taken, following = _read(paths, network_name)
            left = {ip: owner for ip, owner in taken.items() if owner != container_id}
            if len(left) < len(taken):
                _write_less(paths, network_name, left, following)
    except FileNotFoundError:
        return  # the directory is gone: so is every allocation


def _file(paths: Paths, name: str) -> str:
    return f"{directory(paths)}/{name}.json"


def _read(paths: Paths, name: str) -> tuple[dict[str, str], int]:
    file = _file(paths, name)
    try:
        value = jsonfile.read(file)
        if value["schema"] != 1:
            raise TypeError("unknown schema version")
        return dict(value["addresses"]), int(value["next"])
    except FileNotFoundError:
        return {}, 0
    except (KeyError, TypeError, ValueError) as e:
        raise CorruptState(f"reading {file}: not an allocation file: {e}") from e


def _write_less(paths: Paths, name: str, taken: dict[str, str], following: int) -> None:
    """As `_write`, of less than is there: on a full disk in place, for giving back must not need
    room.  What is too much is blanks, which JSON allows, until it is cut off."""
    try:
        _write(paths, name, taken, following)
    except CrunpyError as e:
        if e.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        fd = os.open(_file(paths, name), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            size, data = os.fstat(fd).st_size, jsonfile.dumps(_content(taken, following)).encode()
            os.pwrite(fd, data.ljust(size), 0)
            os.ftruncate(fd, len(data))
        finally:
            os.close(fd)


def _write(paths: Paths, name: str, taken: dict[str, str], following: int) -> None:
    jsonfile.write(_file(paths, name), _content(taken, following), durable=False)


def _content(taken: dict[str, str], following: int) -> dict[str, object]:
    return {"schema": 1, "next": following, "addresses": taken}
