"""How long a plan takes, and how near it comes to its bound: `python tests/env/plan/large.py 300 80xm6i.2xlarge any`,
or `… 300 80x8:32Gi --survive node`.

Workloads are drawn: a tenth ask for 1 to 3 CPU a pod, the others for 50m to 1, all for 64Mi to 2Gi, with 1 to 4 pods.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from plans import trace_of, workload

from env.plan.planner import Plan, Problem, plan
from env.plan.prices import shipped_prices
from env.plan.trial import Survive
from env.problems.node_text import parse_nodes
from env.problems.philox import below, philox
from env.trace.document import Manifest
from runner.plan.answer import answer_of
from runner.plan.question import Allowed, offers_for
from runner.plan.texts import moved, others, proof, spared, verdict

CPU, LARGE, MEMORY = ("50m", "100m", "250m", "500m", "1"), ("1", "2", "3"), ("64Mi", "128Mi", "512Mi", "1Gi", "2Gi")


def drawn(number: int) -> Manifest:
    """A workload, by its number."""
    first, second, third, _ = philox(0, 0, number)
    cpu = LARGE[below(first, 3)] if number % 10 == 5 else CPU[below(first, 5)]
    return workload(f"web-{number}", cpu, 1 + below(third, 4), MEMORY[below(second, 5)])


def planned(workloads: int, nodes: str, types: Sequence[str], survive: Sequence[str] = ()) -> Plan:
    """The plan for so many workloads that run on these nodes."""
    prices, there = shipped_prices(), parse_nodes(nodes)
    offers = offers_for(there, Allowed(tuple(types), (), prices))
    trace = trace_of(*(drawn(number) for number in range(workloads)))
    return plan(Problem(trace, there, offers, frozenset(map(Survive, survive)), prices.usd_per_hour))


def main() -> None:
    """Print what a user would see, and the time."""
    parser = argparse.ArgumentParser()
    parser.add_argument("workloads", type=int)
    parser.add_argument("nodes")
    parser.add_argument("types", nargs="*")
    parser.add_argument("--survive", action="append", default=[])
    asked = parser.parse_args()
    planned(10, "3x4:8Gi", ())  # compiles
    start = time.process_time()
    made = planned(asked.workloads, asked.nodes, asked.types, asked.survive)
    seconds = time.process_time() - start
    found = answer_of(made, shipped_prices())
    print(
        f"{asked.workloads} workloads, {sum(group.count for group in made.demand.groups)} pods: {seconds:.1f} s of CPU"
    )
    print(verdict(found), proof(made, found.usd_then is not None), others(found), sep="\n")
    if made.spare is not None:
        print(spared(made.spare, made, found.usd_then is not None))
    print(moved(made.move) if made.move else "no move", f"{made.replays} replays", sep="\n")


if __name__ == "__main__":
    main()
