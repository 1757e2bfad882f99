"""The bound of CP-SAT is below what any nodes cost that hold the demand, and above that of the linear program."""

from __future__ import annotations

import numpy as np
import pytest
from test_bound import least_nodes, table

from env.plan.bound import lower_bound
from env.plan.exact import exact_bound

pytest.importorskip("ortools")


@pytest.mark.parametrize("seed", range(8))
def test_it_is_the_fewest_nodes_that_there_are(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pods = [(int(rng.integers(20, 70)), int(rng.integers(20, 70)) * 1024) for _ in range(7)]
    made = table([[*pod, 1] for pod in pods], [1] * 7, [[100, 100 * 1024, 110]], [1.0])
    least = least_nodes(pods, (100, 100 * 1024))
    assert lower_bound(made).cost <= exact_bound(made, 7.0) == least


def test_whole_nodes_of_several_prices_cost_more_than_parts_of_them() -> None:
    made = table([[10, 10, 1]], [23], [[100, 100, 110], [40, 40, 110]], [1.0, 0.5])
    assert lower_bound(made).cost == pytest.approx(2.3, abs=0.21)
    assert exact_bound(made, 3.0) == pytest.approx(2.5)
