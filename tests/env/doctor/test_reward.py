"""Nothing earns as much as the shortest mend: by value iteration over every state that a small cluster can come to.

The states are all that any actions lead to from any small problem, so that doctors who stall, who scale up and down or
who break things and mend them again are among those compared; and they see everything, so no doctor does better.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from env.doctor.actions import ACTIONS
from env.doctor.doctor_env import DoctorEnv
from env.doctor.draw import SHAPES
from env.doctor.faults import KNOWN_FOR
from env.doctor.features import FEATURES
from env.doctor.graph import END, Graph, graph
from env.doctor.reward import SOLVED, STEP

Numbers = NDArray[np.float64]


class Solved(NamedTuple):
    """A graph; of each state the fewest steps to its end and what it is worth; the same of each action in it."""

    states: Graph
    fewest: Numbers
    values: Numbers
    steps_of: Numbers
    value_of: Numbers


@pytest.fixture(scope="module", params=range(len(SHAPES)))
def solved(request: pytest.FixtureRequest) -> Solved:
    states = graph(request.param)
    fewest, values = states.fewest_steps(), states.optimal(states.rewards)
    steps_of = -states.backed_up(-fewest, np.full_like(states.rewards, -1.0))
    return Solved(states, fewest, values, steps_of, states.backed_up(values, states.rewards))


def differ(ours: Numbers, theirs: Numbers) -> float:
    return float(np.abs(ours - theirs).max())


def test_every_state_is_worth_its_shortest_mend_and_every_action_the_shortest_after_it(solved: Solved) -> None:
    kinds = solved.states.kinds
    assert differ(solved.values, SOLVED - STEP * solved.fewest + kinds) < 1e-9
    assert differ(solved.value_of, SOLVED - STEP * solved.steps_of + kinds[:, None]) < 1e-9


def test_an_action_that_delays_the_end_earns_less(solved: Solved) -> None:
    delay = solved.steps_of - solved.fewest[:, None]
    loss = solved.values[:, None] - solved.value_of
    assert delay.min() > -1e-9
    assert (loss[delay > 1e-9] > 1e-9).all()
    assert differ(loss, STEP * delay) < 1e-9


def test_without_what_solving_pays_no_doctor_earns_half_of_what_the_shortest_mend_does(solved: Solved) -> None:
    unpaid = np.where(solved.states.follows == END, solved.states.rewards - SOLVED, solved.states.rewards)
    assert (solved.states.optimal(unpaid) < solved.values - SOLVED / 2).all()


def test_no_way_back_to_a_state_pays(solved: Solved) -> None:
    kinds = solved.states.kinds
    goes_on = solved.states.follows != END
    lost = (kinds[:, None, None] - kinds[solved.states.follows])[goes_on]
    assert differ(solved.states.rewards[goes_on], lost - STEP) < 1e-9  # in a loop all but - STEP adds up to 0


def test_nothing_that_is_to_be_reported_goes_stale_before_the_report(solved: Solved) -> None:
    """The graph leaves out that it may: with all that can be mended mended, what is left to read fits."""
    assert solved.fewest[solved.states.kinds == 0].max() <= KNOWN_FOR


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**62), st.lists(st.integers(0, ACTIONS - 1), min_size=1, max_size=40))
def test_the_environment_pays_by_the_same_rule(seed: int, actions: list[int]) -> None:
    env = DoctorEnv("small")
    state, info = env.reset(seed=seed)
    start, returned, steps = kinds_of(state, info), 0.0, 0
    for action in actions:
        state, reward, terminated, _, info = env.step(np.int64(action))
        returned, steps = returned + reward, steps + 1
        if terminated:
            break
    paid = SOLVED * info["is_success"] - STEP * steps + start - kinds_of(state, info)
    assert returned == pytest.approx(paid)


def kinds_of(state: Numbers, info: dict[str, Any]) -> int:
    """How many kinds of mendable faults there are, of which pods on a NotReady node are one."""
    names = ("node-cordoned", "crash-loop", "dns", "too-few-replicas", "too-many-replicas")
    return sum(name in info["faults"] for name in names) + bool(state[FEATURES.index("pods_unknown")] > 0)
