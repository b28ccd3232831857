"""Times crunpy beside the peers that are installed (podman, buildah, docker, bwrap), as ratios.

Each row measures one work: a sample of each engine in turn, so that a slow minute of the
machine hurts all alike, and the medians are compared with the budgets of the design.  Runs in
tools/in-test-namespace (`make bench`), with stores of its own.  A slow number is no failure.

    python tools/bench [--quick] [--rounds N] [--only NAME]…
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tests"))

import containers as c
import networks as n
import service as s
from engines import BUILDKIT, DOCKER, OURS, Bench, Failure, everything


class Budget(NamedTuple):
    """crunpy ÷ peer may be at most (or at least) `limit`; bold: a goal beyond the budget."""

    peer: str
    limit: float
    at_least: bool = False
    bold: bool = False

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        return f"{sign} {self.limit:.2f}"

    def met(self, ratio: float) -> bool:
        return ratio >= self.limit if self.at_least else ratio <= self.limit


class Row(NamedTuple):
    name: str
    unit: str
    measure: Callable[[Bench], dict[str, float]]
    budgets: tuple[Budget, ...]


FACTORS = {"ms": 1e3, "µs": 1e6}
"""Of the units that are not those of the values."""

ROWS = (
    Row("run --network none", "ms", c.run_none,
        (Budget("podman", 0.30), Budget(DOCKER, 0.20), Budget(c.BARE, 3, bold=True))),
    Row("podman, our runtime", "ms", c.run_in_podman,
        (Budget(c.RUNC, 1.3), Budget(c.RUNC, 1, bold=True))),
    Row("run on the bridge", "ms", c.run_bridge,
        (Budget("podman", 0.25), Budget("podman", 0.15, bold=True), Budget(DOCKER, 0.30))),
    Row("run on a network", "ms", n.run_network, (Budget("podman", 0.20),)),
    Row("run -p", "ms", n.run_published, (Budget("podman", 0.25),)),
    Row("exec", "ms", c.exec_true,
        (Budget("podman", 0.40), Budget("podman", 0.25, bold=True), Budget(DOCKER, 0.45))),
    Row("50 parallel run --rm", "s", c.parallel_runs, (Budget("podman", 0.30),)),
    Row("pull of nginx", "s", c.pull, (Budget("podman", 0.40), Budget("podman", 0.30, bold=True))),
    Row("save and load", "s", c.save_and_load, (Budget("podman", 0.50),)),
    Row("commit of 128 MB", "s", c.commit, (Budget("podman", 1),)),
    Row("memory beside it", "KiB", c.memory,
        (Budget("podman", 1), Budget("podman", 0.5, bold=True))),
    Row("port throughput", "MB/s", n.throughput,
        (Budget("podman", 0.95, at_least=True), Budget("podman", 1, at_least=True, bold=True))),
    Row("100 MB text, stdout", "s", c.stdout_text,
        (Budget("podman", 0.5), Budget("podman", 0.2, bold=True))),
    Row("100 MB zeros, stdout", "s", c.stdout_zeros,
        (Budget("podman", 0.5), Budget("podman", 0.2, bold=True))),
    Row("ps -a of 50", "ms", c.ps_50, (Budget("podman", 1), Budget(DOCKER, 1, bold=True))),
    Row("build, 6 steps", "ms", c.build_steps, (Budget("podman", 0.20),)),
    Row("build, 6 steps cached", "ms", c.build_cached,
        (Budget("podman", 0.15), Budget(DOCKER, 0.80), Budget(BUILDKIT, 0.80))),
    Row("build, 20,000 files", "s", c.build_files, (Budget("podman", 0.25),)),
    Row("build, files cached", "s", c.build_files_cached, (Budget("podman", 0.10),)),
    Row("build, 10 stages", "s", c.build_stages, ()),
    Row("library: 50 runs", "s", c.library_runs,
        (Budget(c.COMMAND, 0.70), Budget(c.DOCKER_PY, 0.10))),
    Row("library: list of 1,000", "ms", c.library_list, (Budget(c.LIMIT, 1),)),
    Row("API: docker ps", "ms", s.ps, (Budget(DOCKER, 0.70),)),
    Row("API: docker run --rm", "ms", s.run, (Budget(DOCKER, 0.70),)),
    Row("API: docker-py run", "ms", s.library_run, (Budget(DOCKER, 0.70),)),
    Row("API: build, cached", "ms", s.build_cached, (Budget(DOCKER, 0.70),)),
    Row("API: 100 MB attached", "s", s.stdout, (Budget(DOCKER, 0.50),)),
    Row("API: list of 1,000", "ms", s.list_of_1000, (Budget(s.LIMIT, 1),)),
    Row("API: idle service", "MB", s.idle, (Budget(s.LIMIT, 1),)),
    Row("run on bridge, beside", "ms", n.run_bridge_beside, (Budget("podman", 0.25),)),
    Row("run on network, alone", "ms", n.run_network_alone, (Budget("podman", 0.20),)),
    Row("first network's cost", "ms", n.network_first, (Budget(n.LIMIT, 1),)),
    Row("further network's cost", "ms", n.network_further, (Budget(n.LIMIT, 1),)),
    Row("iperf3, local", "Gbit/s", n.iperf_local, (Budget("podman", 1, at_least=True),)),
    Row("iperf3, outside", "Gbit/s", n.iperf_outside, (Budget("podman", 1, at_least=True),)),
    Row("iperf3, outside, UDP", "Gbit/s", n.iperf_udp, (Budget("podman", 1, at_least=True),)),
    Row("wrk, requests", "/s", n.web_rate, (Budget("podman", 1, at_least=True),)),
    Row("wrk, latency 50 %", "µs", n.web_half, (Budget("podman", 1),)),
    Row("wrk, latency 99 %", "µs", n.web_most, (Budget("podman", 1),)),
    Row("new connection", "µs", n.web_new, (Budget("podman", 1),)),
    Row("run, range of 1,000", "ms", n.run_range, (Budget("podman", 0.25),)),
    Row("run, 1,000 ports", "ms", n.run_many, (Budget("podman", 0.25),)),
    Row("new, 1,000 ports", "µs", n.many_new, (Budget("podman", 1), Budget(n.ONE_PORT, 1.1))),
    Row("port add, 1,000 ports", "ms", n.port_add, (Budget(n.ONE_PORT, 1.1),)),
    Row("DNS, 2 names", "/s", n.names_rate(2), (Budget("podman", 1, at_least=True),)),
    Row("DNS, 200 names", "/s", n.names_rate(200), (Budget("podman", 1, at_least=True),)),
    Row("DNS, 2 names, one", "µs", n.names_one(2), (Budget("podman", 1),)),
    Row("DNS, 200 names, one", "µs", n.names_one(200), (Budget("podman", 1),)),
    Row("user: run on a network", "ms", n.rootless_run, (Budget("podman", 0.20),)),
    Row("user: iperf3", "Gbit/s", n.rootless_iperf,
        (Budget("podman", 1, at_least=True), Budget(n.ROOTLESSKIT, 1, at_least=True, bold=True))),
    Row("user: iperf3, network", "Gbit/s", n.rootless_network_iperf,
        (Budget("podman", 1, at_least=True),)),
    Row("user: wrk, requests", "/s", n.rootless_rate,
        (Budget("podman", 1, at_least=True), Budget(n.ROOTLESSKIT, 1, at_least=True, bold=True))),
    Row("user: wrk, 50 %", "µs", n.rootless_half,
        (Budget("podman", 1), Budget(n.ROOTLESSKIT, 1, bold=True))),
    Row("user: new connection", "µs", n.rootless_new,
        (Budget("podman", 1), Budget(n.ROOTLESSKIT, 1, bold=True))),
)  # fmt: skip


# ---- what is printed ----

_HEADING = ("work", OURS, "peer", "peer's", "ratio", "budget", "", "bold goal", "")
_WIDTHS = (22, 10, 14, 10, 6, 7, 6, 7, 0)


def line(*cells: str) -> None:
    aligned = [
        cell.rjust(width) if i in (1, 3, 4) else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(cells, _WIDTHS, strict=True))
    ]
    print("  ".join(aligned).rstrip(), flush=True)


def shown(value: float, unit: str) -> str:
    number = value * FACTORS.get(unit, 1)
    return f"{number:.{2 if unit == 's' else 0 if number >= 1000 else 1}f} {unit}"


def report(row: Row, found: dict[str, float]) -> None:
    """A line for each peer: its value, our ratio to it, and what was wanted."""
    left, own = row.name, shown(found[OURS], row.unit)
    for peer in [name for name in found if name != OURS] or [""]:
        if not peer:
            line(left, own, *[""] * 7)
            continue
        ratio = found[OURS] / found[peer]
        wanted = {b.bold: b for b in row.budgets if b.peer == peer}
        plain, bold = wanted.get(False), wanted.get(True)
        line(
            left, own, peer, shown(found[peer], row.unit), f"{ratio:.2f}",
            str(plain or ""), ("ok" if plain.met(ratio) else "over") if plain else "",
            str(bold or ""), ("met" if bold.met(ratio) else "not yet") if bold else "",
        )  # fmt: skip
        left = own = ""


def load() -> str:
    """What the machine had to do; before the rows, it should be nothing."""
    return "load " + " ".join(f"{average:.2f}" for average in os.getloadavg())


def main() -> int:
    parser = argparse.ArgumentParser(description="Times crunpy beside its peers.")
    parser.add_argument("--quick", action="store_true", help="5 rounds")
    parser.add_argument("--rounds", type=int, default=15, help="samples of each (default: 15)")
    parser.add_argument("--only", action="append", metavar="NAME", help="rows with this in them")
    chosen = parser.parse_args()
    rows = [row for row in ROWS if not chosen.only or any(n in row.name for n in chosen.only)]
    if os.environ.get("CRUNPY_IN_TEST_NAMESPACE") != "1":
        print("run by `make bench`: tools/in-test-namespace python tools/bench")
        return 1
    with everything(5 if chosen.quick else chosen.rounds) as bench:
        print(f"medians of {bench.rounds} interleaved rounds, fewer for the long ones")
        print(f"{os.cpu_count()} processors, {load()}\n")
        line(*_HEADING)
        for row in rows:
            try:
                report(row, row.measure(bench))
            except Failure as e:
                print(f"{row.name}: {e}", flush=True)
        print(f"\nnow {load()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
