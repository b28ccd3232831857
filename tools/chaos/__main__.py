"""Faults made on purpose, often, and what crunpy does about them, with podman beside it.

Each scenario is a row of the table that is printed at the end: what was done how often, what was
measured, whether that is a pass, and podman's figure where it can be asked the same.  Runs in
tools/in-test-namespace (`make chaos`), with stores of its own, and leaves nothing.

    python tools/chaos [--only R1,R4] [--rounds N] [--seed N] [--user] [--without-podman]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

sys.path.insert(1, str(Path(__file__).resolve().parent.parent / "bench"))
sys.path.insert(1, str(Path(__file__).resolve().parent.parent.parent / "tests"))

import cuts
import kills
import load
import surroundings
from stage import Found, Stage, stage


class Scenario(NamedTuple):
    key: str
    name: str
    play: Callable[[Stage], Found]


SCENARIOS = (
    Scenario("R1", "kill in mid-pull", kills.killed_pulls),
    Scenario("R2", "50 parallel runs", load.parallel_runs),
    Scenario("R3", "start/stop cycles", load.cycles),
    Scenario("R4", "kill of processes", kills.killed_processes),
    Scenario("R5", "full disk", surroundings.full_disk),
    Scenario("R6", "bad registry", surroundings.bad_registries),
    Scenario("R7", "damaged state", surroundings.damaged_files),
    Scenario("R8a", "reboot", surroundings.reboots),
    Scenario("R8b", "power cut", cuts.power_cuts),
    Scenario("R9", "log flood, slow reader", load.floods),
    Scenario("R10", "crash points", kills.crash_points),
    Scenario("R11", "clock jump", surroundings.clock_jumps),
    Scenario("R12", "reused pids", kills.reused_pids),
    Scenario("many", "1,000 containers", load.thousand),
)
TOLD = 5
"""So many faults of a scenario are printed."""


def play(scenario: Scenario, where: Stage) -> tuple[Found, float]:
    """What it found, in how many seconds; one that breaks off is a fault."""
    began = time.monotonic()
    try:
        found = scenario.play(where)
    except Exception as e:  # the others are to be played all the same
        traceback.print_exc()
        found = Found("broke off", "", [f"{type(e).__name__}: {e}"])
    return found, time.monotonic() - began


def row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def chosen_of(only: str) -> list[Scenario]:
    """The scenarios named by their keys; R8 is both of R8a and R8b."""
    keys = [key for key in only.split(",") if key]
    found = [s for s in SCENARIOS if not keys or s.key in keys or s.key.rstrip("ab") in keys]
    if not found:
        raise SystemExit(f"none of {', '.join(s.key for s in SCENARIOS)}: {only}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Makes faults, and looks what crunpy does.")
    parser.add_argument("--only", default="", help="keys of scenarios: R1,R4")
    parser.add_argument("--rounds", type=int, default=0, help="instead of each one's own count")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--user", action="store_true", help="crunpy as a plain user")
    parser.add_argument("--without-podman", action="store_true")
    options = parser.parse_args()
    scenarios = chosen_of(options.only)
    if os.environ.get("CRUNPY_IN_TEST_NAMESPACE") != "1":
        print("run by `make chaos`: tools/in-test-namespace python tools/chaos")
        return 1
    rows, failed = [], 0
    began = time.monotonic()
    with stage(options.seed, options.rounds, options.user, not options.without_podman) as where:
        for scenario in scenarios:
            found, took = play(scenario, where)
            verdict = "no" if found.faults else "pass"
            failed += bool(found.faults)
            print(f"{scenario.key} {scenario.name}: {verdict} ({took:.0f} s)", flush=True)
            for fault in found.faults[:TOLD]:
                print(f"    {fault}", flush=True)
            if len(found.faults) > TOLD:
                print(f"    … {len(found.faults)} in all", flush=True)
            name = f"{scenario.key} {scenario.name}"
            rows.append(row(name, found.done, found.figures, verdict, found.podman or "not asked"))
    print(f"\n{time.monotonic() - began:.0f} s, load {os.getloadavg()[1]:.1f}, "
          f"{os.cpu_count()} processors\n")  # fmt: skip
    print(row("scenario", "what was done", "figures", "", "podman 4.3.1"))
    print(row(*["---"] * 5))
    print(*rows, sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
