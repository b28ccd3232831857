"""What may be changed of a container's limits."""

from __future__ import annotations

from crun_py.record import record


@record
class LimitChange:
    """Limits of a container, each as the option of `create` with its name spells it (`512m`,
    `1.5`, `0-2,5`, DEVICE:SIZE); None or () leaves what there is."""

    memory: str | None = None
    memory_swap: str | None = None
    memory_reservation: str | None = None
    cpus: str | None = None
    cpu_shares: str | None = None
    cpu_period: str | None = None
    cpu_quota: str | None = None
    cpuset_cpus: str | None = None
    cpuset_mems: str | None = None
    pids_limit: str | None = None
    blkio_weight: str | None = None
    blkio_weight_device: tuple[str, ...] = ()
    device_read_bps: tuple[str, ...] = ()
    device_write_bps: tuple[str, ...] = ()
    device_read_iops: tuple[str, ...] = ()
    device_write_iops: tuple[str, ...] = ()


LISTS = ("blkio_weight_device", "device_read_bps", "device_write_bps", "device_read_iops",
         "device_write_iops")  # fmt: skip
LIMITS = (
    *"memory memory_swap memory_reservation cpus cpu_shares cpu_period cpu_quota cpuset_cpus "
    "cpuset_mems pids_limit blkio_weight".split(),
    *LISTS,
)
"""The names of the fields."""
