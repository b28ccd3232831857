"""The power cut of a virtual machine at random moments while commands change the store: R8b."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

from power import Machine
from stage import Found, Stage

MACHINES = 2
LONGEST_S = 12


def power_cuts(stage: Stage) -> Found:
    rounds = stage.times(30)
    faults: list[str] = []
    machines = [Machine(stage.directory(), random.Random(stage.chance.random()))
                for _ in range(MACHINES)]  # fmt: skip

    def play(number: int) -> None:
        machine = machines[number]
        for n in range(number, rounds, MACHINES):
            faults.extend(f"cut {n}: {fault}" for fault in machine.cut(LONGEST_S))
        faults.extend(f"at the end: {fault}" for fault in machine.look())

    with ThreadPoolExecutor(MACHINES) as pool:
        list(pool.map(play, range(MACHINES)))
    done = sum(machine.done for machine in machines)
    figures = (
        f"{done} commands done before the cuts, none lost; system check clean, no file without "
        "content, a run works after each boot"
    )
    return Found(f"QEMU killed {rounds} times during pull, create, commit, start, rm, rmi on ext4",
                 figures if not faults else f"{done} commands done", faults)  # fmt: skip
