"""Doctors to compare with: the scripted one, and the optimum."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from env.doctor.actions import ACTIONS, DoctorAction
from env.doctor.beliefs import Belief, outcomes
from env.doctor.doctor_env import DoctorEnv
from env.doctor.draw import SHAPES
from env.doctor.faults import CAUSES
from env.doctor.graph import graph, small_problems
from env.doctor.optimum import OptimalDoctor, Optimum
from env.doctor.scripted import scripted
from env.errors import ConfigError

A = DoctorAction
NAMES = {fault: fault.name.lower().replace("_", "-") for fault in CAUSES}


def begun(faults: int, shape: int, seed: int = 0) -> tuple[DoctorEnv, NDArray[np.float32]]:
    env = DoctorEnv("small")
    named = [NAMES[fault] for fault in CAUSES if faults >> fault & 1]
    state, _ = env.reset(seed=seed, options={"faults": named, "shape": shape})
    return env, state


def played(env: DoctorEnv, state: NDArray[np.float32]) -> tuple[int, bool]:
    """Steps of the scripted doctor, and whether it solved it."""
    for step in range(1, 101):
        state, _, terminated, truncated, _ = env.step(np.int64(scripted(state.tolist())))
        if terminated or truncated:
            return step, terminated
    raise AssertionError("an episode has 100 steps")


def test_the_scripted_doctor_solves_every_small_problem() -> None:
    ends = [played(*begun(faults, shape)) for shape in (0, 2, 6) for faults in small_problems()]
    assert all(solved for _, solved in ends)
    assert max(steps for steps, _ in ends) <= 15


def test_the_scripted_doctor_solves_large_clusters() -> None:
    env = DoctorEnv("large")
    ends = [played(env, env.reset(seed=seed)[0]) for seed in range(500)]
    assert np.mean([solved for _, solved in ends]) >= 0.998
    assert np.mean([steps for steps, _ in ends]) < 5.5


def fewest(belief: Belief, depth: int, unfinished: float, known: dict[Any, float]) -> float:
    """The fewest steps of all plans of so many steps, where what is not finished then takes `unfinished` more."""
    if depth == 0:
        return unfinished
    key = (depth, belief.key)
    if key not in known:
        known[key] = min(
            1 + sum(weight * fewest(then, depth - 1, unfinished, known) for weight, _, then in outcomes(belief, action))
            for action in range(ACTIONS)
        )
    return known[key]


@pytest.mark.parametrize(
    "faults",
    [
        ["network-policy"],
        ["claim-unbound"],
        ["crash-loop"],
        ["dns", "out-of-memory"],
        ["node-cordoned", "network-policy"],
    ],
)
def test_the_optimum_is_what_trying_everything_finds(faults: list[str]) -> None:
    optimum = optimum_of(0)
    state, _ = DoctorEnv().reset(seed=1, options={"faults": faults, "shape": 0})
    belief, depth = optimum.prior(state), 4
    assert fewest(belief, depth, 0.0, {}) <= optimum.steps(belief) + 1e-9 <= fewest(belief, depth, 50.0, {}) + 2e-9
    first = outcomes(belief, optimum.action(belief))
    following = sum(weight * optimum.steps(then) for weight, _, then in first)
    assert 1 + following == pytest.approx(optimum.steps(belief))


@cache
def optimum_of(shape: int) -> Optimum:
    return Optimum(shape)


def test_to_see_less_never_takes_fewer_steps() -> None:
    optimum, states = optimum_of(2), graph(2)
    everything = states.fewest_steps()
    for faults in small_problems():
        _, state = begun(faults, 2)
        belief = optimum.prior(state)
        seeing_all = belief.weights @ everything[states.rows(belief.clusters)]
        assert optimum.steps(belief) >= seeing_all - 1e-9


def test_the_optimal_doctor_earns_what_its_plans_promise_and_the_scripted_one_less() -> None:
    doctor, env = OptimalDoctor(), DoctorEnv("small")
    promised, earned, by_hand = [], [], []
    for seed in range(600):
        state, _ = env.reset(seed=seed)
        doctor.start(state)
        promised.append(doctor.value())
        returned, done = 0.0, False
        while not done:
            action = doctor.action()
            state, reward, terminated, truncated, _ = env.step(np.int64(action))
            returned, done = returned + reward, terminated or truncated
            if not done:
                doctor.saw(action, state)
        earned.append(returned)
        state, _ = env.reset(seed=seed)
        returned, done = 0.0, False
        while not done:
            state, reward, terminated, truncated, _ = env.step(np.int64(scripted(state.tolist())))
            returned, done = returned + reward, terminated or truncated
        by_hand.append(returned)
    error = np.std(np.subtract(earned, promised)) / len(earned) ** 0.5
    assert np.mean(earned) == pytest.approx(np.mean(promised), abs=4 * error)
    assert np.mean(by_hand) < np.mean(earned)
    assert np.mean(by_hand) > 0.99 * np.mean(earned)


def test_the_optimal_doctor_refuses_what_cannot_be() -> None:
    doctor = OptimalDoctor()
    with pytest.raises(ConfigError, match="call start first"):
        doctor.action()
    large, _ = DoctorEnv("large").reset(seed=1)
    with pytest.raises(ConfigError, match="no small cluster"):
        doctor.start(large)
    env, state = begun(1 << CAUSES[2], 0)
    doctor.start(state)
    with pytest.raises(ConfigError, match="does not lead"):
        doctor.saw(A.CHECK_LOGS, state * 0)
    later, *_ = env.step(np.int64(A.DRAIN_NODE))
    with pytest.raises(ConfigError, match="no small problem"):
        doctor.start(later)


def test_small_clusters_are_told_apart_by_what_shows() -> None:
    assert len({(nodes, deployments) for nodes, _, deployments, _ in SHAPES}) == len(SHAPES)
