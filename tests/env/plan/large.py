"""How long a plan takes, and how near it comes to its bound: `python tests/env/plan/large.py 300 80xm6i.2xlarge any`.

Workloads are drawn: a tenth ask for 1 to 3 CPU a pod, the others for 50m to 1, all for 64Mi to 2Gi, with 1 to 4 pods.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from plans import trace_of, workload

from env.plan.planner import Plan, Problem, plan
from env.plan.prices import shipped_prices
from env.problems.node_text import parse_nodes
from env.problems.philox import below, philox
from env.trace.document import Manifest
from runner.plan.answer import answer_of
from runner.plan.question import Allowed, offers_for
from runner.plan.texts import moved, others, proof, verdict

CPU, LARGE, MEMORY = ("50m", "100m", "250m", "500m", "1"), ("1", "2", "3"), ("64Mi", "128Mi", "512Mi", "1Gi", "2Gi")


def drawn(number: int) -> Manifest:
    """A workload, by its number."""
    first, second, third, _ = philox(0, 0, number)
    cpu = LARGE[below(first, 3)] if number % 10 == 5 else CPU[below(first, 5)]
    return workload(f"web-{number}", cpu, 1 + below(third, 4), MEMORY[below(second, 5)])


def planned(workloads: int, nodes: str, types: tuple[str, ...]) -> Plan:
    """The plan for so many workloads that run on these nodes."""
    prices, there = shipped_prices(), parse_nodes(nodes)
    offers = offers_for(there, Allowed(types, (), prices))
    trace = trace_of(*(drawn(number) for number in range(workloads)))
    return plan(Problem(trace, there, offers, frozenset(), prices.usd_per_hour))


def main() -> None:
    """Print what a user would see, and the time."""
    planned(10, "3x4:8Gi", ())  # compiles
    start = time.process_time()
    made = planned(int(sys.argv[1]), sys.argv[2], tuple(sys.argv[3:]))
    seconds = time.process_time() - start
    found = answer_of(made, shipped_prices())
    print(f"{sys.argv[1]} workloads, {sum(group.count for group in made.demand.groups)} pods: {seconds:.1f} s of CPU")
    print(verdict(found), proof(made, found.usd_then is not None), others(found), sep="\n")
    print(moved(made.move) if made.move else "no move", f"{made.replays} replays", sep="\n")


if __name__ == "__main__":
    main()
