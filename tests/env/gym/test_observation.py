from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from env.gym.features import STATE_DIM, STATE_FEATURES, state_vector
from env.observation import Observation
from env.quantity import GIB, MIB
from env.workload import Resources

GOAL = Observation(
    ready=3,
    pending=0,
    total=3,
    resources=Resources(500, 512 * MIB, 3),
    node_cpu_m=16_000,
    node_memory_bytes=32 * GIB,
    cluster_cpu_m=48_000,
    cluster_memory_bytes=96 * GIB,
    nodes=3,
    insufficient_cpu=0,
    insufficient_memory=0,
    too_many_pods=0,
)
PENDING = GOAL._replace(ready=0, pending=3)

anything = st.integers(-(2**70), 2**70)
observations = st.builds(
    Observation,
    **{name: anything for name in Observation._fields if name != "resources"},
    resources=st.builds(Resources, anything, anything, anything),
)


def feature(observation: Observation, name: str, target: int = 3) -> float:
    return float(state_vector(observation, target)[STATE_FEATURES.index(name)])


@given(observations, anything)
@example(Observation(0, 0, 0, Resources(0, 0, 0), 0, 0, 0, 0, 0, 0, 0, 0), 0)
def test_the_state_of_any_observation_is_bounded(observation: Observation, target: int) -> None:
    state = state_vector(observation, target)
    assert state.shape == (STATE_DIM,)
    assert state.dtype == np.float32
    assert np.all(np.abs(state) <= 1)


def test_different_problems_have_different_states() -> None:
    problems = [
        GOAL,
        PENDING._replace(resources=Resources(17_000, 2 * GIB, 3), insufficient_cpu=3),
        PENDING._replace(resources=Resources(17_500, 2 * GIB, 3), insufficient_cpu=3),
        PENDING._replace(resources=Resources(500, 33 * GIB, 3), insufficient_memory=3),
        PENDING._replace(resources=Resources(500, 40 * GIB, 3), insufficient_memory=3),
        PENDING._replace(resources=Resources(17_000, 33 * GIB, 3), insufficient_cpu=3, insufficient_memory=3),
        GOAL._replace(ready=2, total=2, resources=Resources(500, 512 * MIB, 2)),
        GOAL._replace(ready=5, total=5, resources=Resources(500, 512 * MIB, 5)),
        GOAL._replace(ready=330, pending=70, total=400, resources=Resources(500, GIB, 400), too_many_pods=3),
        GOAL._replace(ready=330, pending=71, total=401, resources=Resources(500, GIB, 401), too_many_pods=3),
    ]
    for one, other in combinations(problems, 2):
        assert not np.array_equal(state_vector(one, 3), state_vector(other, 3))


@pytest.mark.parametrize(("total", "sign"), [(1, -1), (2, -1), (3, 0), (4, 1), (9, 1)])
def test_the_distance_to_the_target_is_signed(total: int, sign: int) -> None:
    assert np.sign(feature(GOAL._replace(total=total), "total_distance")) == sign


def test_one_pod_off_is_well_visible() -> None:
    assert feature(GOAL._replace(ready=2), "ready_distance") == pytest.approx(-1 / 3)


@pytest.mark.parametrize(("cpu_m", "sign"), [(15_500, -1), (16_000, 0), (16_500, 1)])
def test_the_state_says_on_which_side_of_the_largest_node_a_request_is(cpu_m: int, sign: int) -> None:
    observation = GOAL._replace(resources=Resources(cpu_m, GIB, 3))
    assert np.sign(feature(observation, "cpu_over_node")) == sign


def test_reasons_are_fractions_of_the_nodes() -> None:
    observation = PENDING._replace(insufficient_cpu=1, insufficient_memory=3)
    assert feature(observation, "insufficient_cpu") == pytest.approx(1 / 3)
    assert feature(observation, "insufficient_memory") == 1


def test_the_names_of_the_features_are_unique() -> None:
    assert len(set(STATE_FEATURES)) == STATE_DIM
