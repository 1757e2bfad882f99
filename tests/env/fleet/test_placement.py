"""The compiled placement decides as the engine does, and a problem is a function of its seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from env.embedded.cluster import EmbeddedCluster
from env.fleet.draw import PROBLEM, draw_problem, problems_of
from env.fleet.placement import CPU, MEMORY, USED_CPU, USED_MEMORY, new_room, nodes_needed, replay
from env.fleet.trace import nodes_of, ready_pods, trace_of
from env.fleet.use import cpu_request_m, cpu_use_m, memory_request_mib, memory_use_mib
from env.fleet.variants import MOST_NODES, MOST_REPLICAS, MOST_SERVICES, VARIANTS
from env.quantity import MIB

seeds = st.integers(0, 2**63 - 1)
variants = st.sampled_from([*VARIANTS])


def drawn(variant: str, seed: int) -> Any:
    """A problem, drawn by plain Python."""
    problem = np.zeros(1, PROBLEM).view(np.recarray)[0]
    size = VARIANTS[variant]
    draw_problem(problem, seed, size.number, size.fewest, size.most, size.least_load, size.most_load)
    return problem


def a_configuration(problem: Any, chance: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Replicas that are allowed."""
    replicas = np.zeros(MOST_SERVICES, np.int64)
    rng = np.random.default_rng(chance)
    draws = rng.integers(0, rng.choice([4, 12, 28]), MOST_SERVICES)
    n = problem.services
    replicas[:n] = np.minimum(problem.fewest[:n] + draws[:n], MOST_REPLICAS)
    return replicas


@settings(max_examples=40, deadline=None)
@given(variants, seeds, st.integers(0, 2**32), st.integers(-3, 2))
@example("large", 1, 1476, 0)  # more pods than have room on the most nodes
def test_every_node_holds_what_it_holds_in_the_engine(variant: str, seed: int, chance: int, more: int) -> None:
    problem = drawn(variant, seed)
    replicas = a_configuration(problem, chance)
    ready, room = np.zeros(MOST_SERVICES, np.int64), new_room()
    nodes = min(max(1, nodes_needed(problem, replicas, room) + more), MOST_NODES)
    waiting = replay(problem, nodes, replicas, ready, room)
    plane = EmbeddedCluster().replayed(trace_of(problem, replicas.tolist()), nodes_of(problem, nodes))
    used = plane.api.scheduler.bound.table.used
    assert room.amounts[USED_CPU, :nodes].tolist() == used[:, CPU].tolist()
    assert room.amounts[USED_MEMORY, :nodes].tolist() == (used[:, MEMORY] // MIB).tolist()
    assert ready[: problem.services].tolist() == ready_pods(plane, problem)
    if waiting == 0:
        assert (ready[: problem.services] == replicas[: problem.services]).all()


@settings(max_examples=100, deadline=None)
@given(variants, seeds)
def test_every_service_fits_a_node_with_its_fewest_replicas_and_starts_with_no_fewer(variant: str, seed: int) -> None:
    problem = drawn(variant, seed)
    cpu_m = problem.cpu_m[0] - problem.daemons * problem.daemon_cpu_m
    memory_mib = problem.memory_mib[0] - problem.daemons * problem.daemon_memory_mib
    assert VARIANTS[variant].fewest <= problem.services <= VARIANTS[variant].most
    for j in range(problem.services):
        fewest = int(problem.fewest[j])
        assert 1 <= fewest <= problem.start[j] <= MOST_REPLICAS
        assert cpu_request_m(problem, j, fewest) <= cpu_m
        assert memory_request_mib(problem, j, fewest) <= memory_mib


@settings(max_examples=100, deadline=None)
@given(variants, seeds, st.integers(1, MOST_REPLICAS))
def test_requests_are_the_least_steps_that_are_enough(variant: str, seed: int, replicas: int) -> None:
    problem = drawn(variant, seed)
    for j in range(problem.services):
        cpu_m, memory_mib = cpu_request_m(problem, j, replicas), memory_request_mib(problem, j, replicas)
        assert (cpu_m - problem.cpu_offset_m[j]) % 500 == 0
        assert (memory_mib - problem.memory_offset_mib[j]) % 256 == 0
        assert 0 <= cpu_m - cpu_use_m(problem, j, replicas) < 500 or cpu_m == problem.cpu_offset_m[j]
        assert (
            0 <= memory_mib - memory_use_mib(problem, j, replicas) < 256 or memory_mib == problem.memory_offset_mib[j]
        )


@pytest.mark.parametrize("variant", VARIANTS)
def test_compiled_code_draws_what_plain_python_does(variant: str) -> None:
    some = [0, 1, 2**62 + 5, 2**63 - 1]
    compiled = problems_of(VARIANTS[variant], some)
    assert [each.tobytes() for each in compiled] == [drawn(variant, seed).tobytes() for seed in some]
