"""status.json: what a monitor (`_native/monitor.c`) notes of its container; health.json."""

from __future__ import annotations

from typing import TypedDict


class StatusNote(TypedDict, total=False):
    """state: starting, initialized, running, restarting or exited.  A pid counts only with its
    start time (clock ticks after boot) and the boot's id.  log_lost: entries that the log lacks at
    its end."""

    state: str
    pid: int
    start_ticks: int
    monitor_pid: int
    monitor_start_ticks: int
    boot_id: str
    started_at: str
    finished_at: str
    exit_code: int
    signal: int
    oom_killed: bool
    log_lost: int


class HealthResult(TypedDict):
    """With Docker's names.  ExitCode: -1 for a check that took too long."""

    Start: str
    End: str
    ExitCode: int
    Output: str


class Health(TypedDict):
    """status: starting, healthy or unhealthy.  log: the last few."""

    version: int
    status: str
    failing_streak: int
    log: list[HealthResult]
