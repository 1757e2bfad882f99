"""The bound is below what any nodes cost that hold the demand, and near it."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from env.plan.bound import lower_bound
from env.plan.demand import Table
from env.plan.linear import cover


def table(requests: list[list[int]], counts: list[int], rooms: list[list[int]], prices: list[float]) -> Table:
    asked, room = np.array(requests, dtype=np.int64), np.array(rooms, dtype=np.int64)
    fits = (room[None, :, :] // asked[:, None, :]).min(axis=2)
    return Table(asked, np.array(counts, dtype=np.int64), room, fits, np.array(prices))


def least_nodes(asked: list[tuple[int, int]], room: tuple[int, int]) -> int:
    """By trying everything: the fewest nodes of one kind that hold the pods."""

    def holds(left: list[tuple[int, int]], rest: list[tuple[int, int]]) -> bool:
        if not rest:
            return True
        cpu, memory = rest[0]
        tried = set()
        for node, (free_cpu, free_memory) in enumerate(left):
            if cpu <= free_cpu and memory <= free_memory and (free_cpu, free_memory) not in tried:
                tried.add((free_cpu, free_memory))
                changed = [*left[:node], (free_cpu - cpu, free_memory - memory), *left[node + 1 :]]
                if holds(changed, rest[1:]):
                    return True
        return False

    return next(nodes for nodes in range(1, len(asked) + 1) if holds([room] * nodes, sorted(asked, reverse=True)))


@pytest.mark.parametrize("seed", range(25))
def test_it_is_never_above_the_fewest_nodes_that_there_are(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pods = [(int(rng.integers(1, 80)), int(rng.integers(1, 80))) for _ in range(8)]
    found = lower_bound(table([[*pod, 1] for pod in pods], [1] * 8, [[100, 100, 110]], [1.0]))
    assert found.volume <= found.cost <= least_nodes(pods, (100, 100))


def test_large_pods_count_though_their_sum_would_fit_on_fewer() -> None:
    found = lower_bound(table([[51, 1, 1]], [10], [[100, 100, 110]], [1.0]))
    assert found.volume == 6
    assert found.cost == 10


def test_pods_that_may_go_to_few_offers_are_paid_for_there() -> None:
    made = table([[50, 1, 1], [50, 1, 1]], [4, 4], [[100, 100, 110], [100, 100, 110]], [1.0, 3.0])
    made.fits[1, 0] = 0
    assert lower_bound(made).cost == pytest.approx(2 * 1 + 2 * 3)


def test_dollars_are_rounded_up_to_whole_nodes() -> None:
    assert lower_bound(table([[30, 1, 1]], [10], [[100, 100, 110]], [0.096])).cost == pytest.approx(4 * 0.096)


def test_the_linear_program_is_solved() -> None:
    rng = np.random.default_rng(0)
    rows, needs, prices = rng.integers(1, 5, (3, 3)).astype(float), np.array([6.0, 5.0, 7.0]), np.array([2.0, 3.0, 2.5])
    found = cover(prices, rows, needs)
    grid = np.linspace(0, 8, 33)
    tried = (prices @ x for each in product(grid, repeat=3) if (rows @ (x := np.array(each)) >= needs - 1e-9).all())
    assert found.bound <= min(tried) + 1e-9
    assert (rows @ found.amounts >= needs - 1e-6).all()
    assert prices @ found.amounts == pytest.approx(found.bound)
