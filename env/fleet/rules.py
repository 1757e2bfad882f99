"""Rules: VPA's requests at the replicas that there are, and how large pods should be.

Rules know what pods use at any number of replicas; who plays the environment has to find that out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env.actions import CPU_STEP_M
from env.fleet.search import search
from env.fleet.use import MEMORY_STEP_MIB
from env.fleet.variants import MOST_REPLICAS

Floats = NDArray[np.float64]

MARGIN = 1.15
"""VPA's `--recommendation-margin-fraction` is 0.15."""
_LEAST_CPU_M, _LEAST_MEMORY_MIB = 25, 250  # VPA's `--pod-recommendation-min-cpu-millicores` and `-memory-mb`
SHARES = (1.0, 0.5, 0.48, 1 / 3, 0.32, 0.25, 0.24, 0.2, 0.16, 0.12, 0.08)
"""Of a node, that pods may be tuned to take."""


@dataclass(frozen=True)
class Rule:
    """How many replicas each service should have.

    Attributes:
        name: For people.
        cost: What it makes as small as possible, of a service: given the CPU and memory of a pod as shares of a node
            and the replicas, arrays.
    """

    name: str
    cost: Callable[[Floats, Floats, Floats], Floats]


def of_size(share: float) -> Rule:
    """Pods that take as near as possible to a share of a node, in the resource that they take more of."""
    return Rule(f"pods of {share:.2f} nodes", lambda cpu, memory, replicas: np.abs(np.maximum(cpu, memory) - share))


FEWEST = Rule("fewest replicas", lambda cpu, memory, replicas: replicas)
CHEAPEST = Rule("least requested", lambda cpu, memory, replicas: replicas * np.maximum(cpu, memory))
ALONE = Rule(
    "fewest nodes alone",
    lambda cpu, memory, replicas: replicas / np.floor(1 / np.maximum(cpu, memory)) + 1e-6 * replicas,
)
RULES = (FEWEST, CHEAPEST, ALONE, *map(of_size, SHARES))


def configurations(rule: Rule, problems: NDArray[Any]) -> NDArray[np.int64]:
    """The replicas that a rule gives the services of problems, (n, MOST_SERVICES)."""
    replicas = np.arange(1, MOST_REPLICAS + 1)
    cpu_m, memory_mib = requests_of(problems)
    cpu, memory = cpu_m / _room(problems, "cpu_m"), memory_mib / _room(problems, "memory_mib")
    with np.errstate(divide="ignore"):  # pods that are larger than a node are left out below
        costs = rule.cost(cpu, memory, np.broadcast_to(replicas.astype(float), cpu.shape))
    costs = np.where(replicas >= problems["fewest"][:, :, np.newaxis], costs, np.inf)
    found: NDArray[np.int64] = 1 + costs.argmin(axis=2)
    return found


def requests_of(problems: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The least requests that are enough, CPU (millicores) and memory (MiB), (n, MOST_SERVICES, MOST_REPLICAS)."""
    replicas = np.arange(1, MOST_REPLICAS + 1)
    found = []
    for name, step in (("cpu", CPU_STEP_M), ("memory", MEMORY_STEP_MIB)):
        unit = "m" if name == "cpu" else "mib"
        base, load = (problems[f"{part}_{name}_{unit}"][:, :, np.newaxis] for part in ("base", "load"))
        offset = problems[f"{name}_offset_{unit}"][:, :, np.newaxis]
        use = base + -(-load // replicas)
        found.append(offset + step * -(-np.maximum(use - offset, 0) // step))
    return found[0], found[1]


def best_rule(problems: NDArray[Any]) -> Rule:
    """The rule that needs the fewest nodes in the mean of these problems."""
    means = [search(problems, configurations(rule, problems)).nodes.mean() for rule in RULES]
    return RULES[int(np.argmin(means))]


def with_vpa(problems: NDArray[Any], margin: float) -> NDArray[Any]:
    """Problems in which services request what VPA recommends at the replicas of their start, and need as much.

    VPA knows what pods use at most, and is kept from asking for more than a node has.
    """
    changed = problems.copy()
    start = problems["start"].clip(1)
    for name, least in (("cpu_m", _LEAST_CPU_M), ("memory_mib", _LEAST_MEMORY_MIB)):
        use = problems[f"base_{name}"] + -(-problems[f"load_{name}"] // start)
        asked = np.maximum(np.ceil(use * margin).astype(np.int64), least)
        changed[f"base_{name}"] = np.minimum(asked, _room(problems, name)[:, :, 0])
        changed[f"load_{name}"] = 0
        kind, _, unit = name.partition("_")
        changed[f"{kind}_offset_{unit}"] = changed[f"base_{name}"]
    return changed


def nodes_of(problems: NDArray[Any], rules: Sequence[Rule]) -> NDArray[np.int64]:
    """The nodes that each problem needs with each rule, (rules, n)."""
    return np.stack([search(problems, configurations(rule, problems)).nodes for rule in rules])


def _room(problems: NDArray[Any], name: str) -> NDArray[np.int64]:
    """What services' pods may take of a node of the first pool, (n, 1, 1)."""
    room: NDArray[np.int64] = problems[name][:, 0] - problems["daemons"] * problems[f"daemon_{name}"]
    return room[:, np.newaxis, np.newaxis]
