"""A sharper bound where OR-Tools is installed (the extra `ortools`): whole nodes, and for few pods each pod's node.

CP-SAT minimises what whole nodes cost under the rows of `bound.py`, and, where the model stays small, with an
assignment of all pods to nodes by requests. It is a relaxation of what the engine does, as those rows are. What is used
is the solver's own lower bound, so that it may be stopped at any time; it is stopped by its deterministic clock.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np

from env.jit import Ints
from env.plan.bound import cheapest_alike, covering_rows, rounded, usable_prices
from env.plan.demand import MEMORY, Table

_MOST_CELLS = 6_000  # pod groups times nodes of an assignment
_CENTS = 100_000  # prices are whole numbers of a thousandth of a cent
_KIB = 1024
_WORK = 20.0  # of the deterministic clock, about as many seconds


def is_installed() -> bool:
    """Whether OR-Tools is there."""
    return find_spec("ortools") is not None


def exact_bound(table: Table, most: float) -> float:
    """No nodes that hold the demand cost less; 0 where the solver has found nothing.

    Args:
        table: The demand.
        most: What nodes cost that hold it.

    Raises:
        ImportError: OR-Tools is not installed.
    """
    from ortools.sat.python import cp_model

    table = _without_copies(table)
    model = cp_model.CpModel()
    prices = np.floor(table.prices * _CENTS + 1e-6).astype(np.int64)
    ceiling = int(np.ceil(most * _CENTS + 1))
    numbers = [model.new_int_var(0, int(ceiling // max(price, 1)), f"n{o}") for o, price in enumerate(prices.tolist())]
    for row, need in zip(*_whole(covering_rows(table)), strict=True):
        model.add(sum(int(a) * n for a, n in zip(row, numbers, strict=True) if a) >= int(need))
    cost = sum(int(price) * n for price, n in zip(prices, numbers, strict=True))
    model.add(cost <= ceiling)
    _assign(model, table, prices, numbers, ceiling)
    model.minimize(cost)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 0
    solver.parameters.max_deterministic_time = _WORK
    status = solver.solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE, cp_model.UNKNOWN):
        return 0.0
    found = max(0.0, solver.best_objective_bound)
    return rounded(found / _CENTS * (1 - 1e-9), usable_prices(table))


def _without_copies(table: Table) -> Table:
    """The table without offers that differ in nothing but a higher price, such as those of other zones."""
    kept = cheapest_alike(np.vstack([table.rooms.T, table.fits]), table.prices)
    return Table(table.requests, table.counts, table.rooms[kept], table.fits[:, kept], table.prices[kept])


def _assign(model: Any, table: Table, prices: Ints, numbers: list[Any], ceiling: int) -> None:
    """Let each pod be on a node, if there are few enough of both."""
    slots = [o for o, price in enumerate(prices.tolist()) for _ in range(int(ceiling // max(price, 1)))]
    if len(slots) * len(table.counts) > _MOST_CELLS:
        return
    requests, rooms = table.requests.copy(), table.rooms.copy()
    requests[:, MEMORY] //= _KIB  # what is rounded makes the problem easier: the bound stays one
    rooms[:, MEMORY] = -(-rooms[:, MEMORY] // _KIB)
    used = [model.new_bool_var(f"u{j}") for j in range(len(slots))]
    on = [
        [model.new_int_var(0, int(min(table.counts[g], table.fits[g, o])), "") for o in slots]
        for g in range(len(table.counts))
    ]
    for o, number in enumerate(numbers):
        model.add(sum(u for u, slot in zip(used, slots, strict=True) if slot == o) == number)
    for g, many in enumerate(table.counts.tolist()):
        model.add(sum(on[g]) == many)
    for j, o in enumerate(slots):
        for resource in range(rooms.shape[1]):
            asked = sum(int(requests[g, resource]) * on[g][j] for g in range(len(on)) if requests[g, resource])
            model.add(asked <= int(rooms[o, resource]) * used[j])
        if j and slots[j - 1] == o:
            model.add(used[j] <= used[j - 1])


def _whole(rows: tuple[Any, Any]) -> tuple[Ints, Ints]:
    """Rows in whole numbers that are not too large, rounded so that they still hold."""
    left, right = rows
    scale = np.maximum(left.max(axis=1) / 1e9, 1.0)
    return np.ceil(left / scale[:, None]).astype(np.int64), np.floor(right / scale).astype(np.int64)
