"""Addresses: which container has which address of a network.

One JSON file per network below RUN, so that a reboot frees all of them; changed under one
flock(2) for all, so that networks that come and go leave no file.  Addresses are given out in
turn: one that was just freed comes back last, so that neighbours' ARP entries and clients'
connections do not meet a different container.
"""

from __future__ import annotations

import errno
import os

from crun_py import jsonfile
from crun_py.errors import Conflict, CorruptState, CrunpyError, InvalidArgument
from crun_py.net import ip
from crun_py.paths import Paths, private_dir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.model.network import Network, Subnet


def directory(paths: Paths) -> str:
    """Where the files of this module are."""
    return paths.run + "/networks"


def allocate(
    paths: Paths,
    network: Network,
    container_id: str,
    wanted: str | None = None,
    alive: Callable[[str], bool] | None = None,
    subnet: Subnet | None = None,
) -> str:
    """An address of `network` for `container_id`; the one it has, if it has one.

    wanted: this one and no other.  subnet: of which of the network's, None: the first.
    alive: tells whether a container still runs; asked only when an address is short, to take back
    those of containers that are gone.
    Raises Conflict when the address is taken or all are, InvalidArgument.
    """
    subnet = subnet or network.subnets[0]
    whole = ip.subnet(subnet.subnet)
    width = whole[2]
    if wanted is not None:
        _check_wanted(network, subnet, wanted)
    low = ip.number(subnet.first) if subnet.first else whole[0] + 1
    high = ip.number(subnet.last) if subnet.last else ip.last(whole) - (width == ip.IPv4)
    kept = {whole[0], ip.number(subnet.gateway) if subnet.gateway else whole[0]}
    if width == ip.IPv4:
        kept.add(ip.last(whole))
    private_dir(directory(paths))
    with jsonfile.Lock(directory(paths) + "/.addresses.lock"):
        taken, following = _read(paths, network.name)
        own = (address for address, owner in taken.items() if owner == container_id)
        mine = next((address for address in own if ip.contains(whole, address)), None)
        if mine and wanted in (None, mine):
            return mine
        if wanted is not None:
            chosen = ip.text(ip.number(wanted), width)
            owner = taken.get(chosen)
            if owner and (alive is None or alive(owner)):
                raise Conflict(f"address {chosen} is in use by container {owner[:12]}")
        else:
            start = following.get(subnet.subnet, 0)
            free = _next(_numbers(taken, whole) | kept, start, low, high)
            if free is None and alive is not None:
                taken = {a: owner for a, owner in taken.items() if alive(owner)}
                free = _next(_numbers(taken, whole) | kept, start, low, high)
            if free is None:
                raise Conflict(
                    f"network {network.name!r} has no free address left in {subnet.subnet}",
                    hint="make a network with a larger --subnet",
                )
            following[subnet.subnet] = free + 1
            chosen = ip.text(free, width)
        if mine:
            del taken[mine]
        taken[chosen] = container_id
        _write(paths, network.name, taken, following)
        return chosen


def _check_wanted(network: Network, subnet: Subnet, wanted: str) -> None:
    whole = ip.subnet(subnet.subnet)
    number = ip.number(wanted)
    highest = ip.last(whole) - (whole[2] == ip.IPv4)
    bad = not ip.contains(whole, wanted) or not whole[0] < number <= highest
    if bad or (subnet.gateway and number == ip.number(subnet.gateway)):
        raise InvalidArgument(
            f"address {wanted} cannot be used in network {network.name!r} ({subnet.subnet})"
        )


def _numbers(taken: dict[str, str], whole: tuple[int, int, int]) -> set[int]:
    return {ip.number(address) for address in taken if ip.contains(whole, address)}


def _next(taken: set[int], following: int, low: int, high: int) -> int | None:
    """The first address from low to high that is free, from `following` on, once around."""
    if not low <= following <= high:
        following = low
    count = high - low + 1
    # as many tries as there are taken ones find a free one, if there is one
    for step in range(min(count, len(taken) + 1)):
        address = low + (following - low + step) % count
        if address not in taken:
            return address
    return None


def release(paths: Paths, network_name: str, container_id: str) -> None:
    """Give back what `container_id` has of the network; nothing if it has nothing."""
    try:
        with jsonfile.Lock(directory(paths) + "/.addresses.lock"):
            taken, following = _read(paths, network_name)
            left = {ip: owner for ip, owner in taken.items() if owner != container_id}
            if len(left) < len(taken):
                _write_less(paths, network_name, left, following)
    except FileNotFoundError:
        return  # the directory is gone: so is every allocation


def forget(paths: Paths, network_name: str) -> None:
    """Of a network that was removed: its file of addresses goes."""
    try:
        os.unlink(_file(paths, network_name))
    except FileNotFoundError:
        return


def _file(paths: Paths, name: str) -> str:
    return f"{directory(paths)}/{name}.json"


def _read(paths: Paths, name: str) -> tuple[dict[str, str], dict[str, int]]:
    """(owners by address, where the search in each subnet goes on)"""
    file = _file(paths, name)
    try:
        value = jsonfile.read(file)
        if value["schema"] == 1:  # where it goes on in the one subnet is no great matter
            return dict(value["addresses"]), {}
        if value["schema"] != 2:
            raise TypeError("unknown schema version")
        return dict(value["addresses"]), {key: int(n) for key, n in value["next"].items()}
    except FileNotFoundError:
        return {}, {}
    except (KeyError, TypeError, ValueError, AttributeError) as e:
        raise CorruptState(f"reading {file}: not an allocation file: {e}") from e


def _write_less(paths: Paths, name: str, taken: dict[str, str], following: dict[str, int]) -> None:
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


def _write(paths: Paths, name: str, taken: dict[str, str], following: dict[str, int]) -> None:
    jsonfile.write(_file(paths, name), _content(taken, following), durable=False)


def _content(taken: dict[str, str], following: dict[str, int]) -> dict[str, object]:
    return {"schema": 2, "next": following, "addresses": taken}
