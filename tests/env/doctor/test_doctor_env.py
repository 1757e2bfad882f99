"""The Gymnasium environment of the doctor."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

from env.doctor.actions import ACTIONS, DoctorAction
from env.doctor.cluster import CLUSTER, record
from env.doctor.doctor_env import PROBLEMS, DoctorEnv
from env.doctor.draw import SHAPES, Problems, draw_small, is_held_out, start_small
from env.doctor.features import FEATURES
from env.doctor.graph import small_problems
from env.errors import ConfigError

A = DoctorAction
FLAGS = slice(15, 18)


def step(env: Any, *actions: DoctorAction) -> tuple[Any, float, bool, bool, dict[str, Any]]:
    """The results of the last of some actions."""
    results = [env.step(np.int64(action)) for action in actions]
    return results[-1]  # type: ignore[no-any-return]


@pytest.mark.parametrize("problems", PROBLEMS)
def test_passes_gymnasiums_checks(problems: str) -> None:
    check_env(gymnasium.make("env:SimArena/Doctor-v0", problems=problems, render_mode="ansi").unwrapped)


def test_passes_stable_baselines3s_checks() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what its import warns about is not ours
        checker = pytest.importorskip("stable_baselines3.common.env_checker")
    checker.check_env(DoctorEnv())


def test_names_and_order_of_features_and_actions_are_the_common_vocabulary() -> None:
    assert FEATURES[:3] == ("num_nodes", "nodes_ready", "nodes_not_ready")
    assert FEATURES[FLAGS] == ("has_pvc_issues", "has_network_issues", "has_resource_pressure")
    assert (len(FEATURES), len(A), A.RESTART_FAILED_PODS, A.UNCORDON_NODE, A.WAIT) == (18, 15, 6, 10, 14)


def test_a_mended_cluster_ends_the_episode_as_solved() -> None:
    env = DoctorEnv()
    state, info = env.reset(seed=1, options={"faults": ["crash-loop"], "shape": 2})
    assert state[6] == pytest.approx(1 / 9)
    assert info["faults"] == {"crash-loop": 1}
    assert not info["is_success"]
    _, reward, terminated, truncated, info = step(env, A.RESTART_FAILED_PODS)
    assert (reward, terminated, truncated) == (10.8, True, False)
    assert (info["is_success"], info["reported"], info["faults"]) == (True, False, {})
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(np.int64(0))


def test_a_correct_report_ends_the_episode_as_solved() -> None:
    env = DoctorEnv()
    env.reset(seed=1, options={"faults": ["network-policy"]})
    assert step(env, A.WAIT)[1:3] == (-0.2, False)
    state, *_ = step(env, A.CHECK_LOGS)
    assert state[FLAGS].tolist() == [0.5, 1, 0.5]
    _, reward, terminated, _, info = step(env, A.WAIT)
    assert (reward, terminated, info["is_success"], info["reported"]) == (9.8, True, True, True)
    assert info["faults"] == {"network-policy": 1}


def test_a_report_of_what_could_be_mended_is_only_a_wait() -> None:
    env = DoctorEnv()
    env.reset(seed=1, options={"faults": ["network-policy", "crash-loop"]})
    assert step(env, A.CHECK_LOGS, A.WAIT)[2:4] == (False, False)
    assert step(env, A.RESTART_FAILED_PODS, A.WAIT)[2]


def test_flags_are_unknown_until_the_matching_action_was_taken_and_go_stale() -> None:
    env = DoctorEnv()
    state, _ = env.reset(seed=1, options={"faults": ["claim-unbound", "too-few-replicas"]})
    assert state[FLAGS].tolist() == [0.5, 0.5, 0.5]
    assert step(env, A.GET_EVENTS)[0][FLAGS].tolist() == [1, 0.5, 0.5]
    assert step(env, A.TOP_NODES)[0][FLAGS].tolist() == [1, 0.5, 1]
    assert step(env, A.CHECK_LOGS)[0][FLAGS].tolist() == [1, 0, 1]
    assert step(env, *[A.WAIT] * 7)[0][FLAGS].tolist() == [1, 0, 1]
    assert step(env, A.WAIT)[0][FLAGS].tolist() == [0.5, 0, 1]


def test_an_episode_is_cut_after_its_steps() -> None:
    env = DoctorEnv(max_steps=2)
    env.reset(seed=1)
    assert [step(env, A.GET_NODES)[2:4] for _ in range(2)] == [(False, False), (False, True)]


def test_a_seed_gives_the_same_episodes_and_each_is_another_one() -> None:
    def starts(seed: int) -> list[bytes]:
        env = DoctorEnv(problems="large")
        return [env.reset(seed=seed if i == 0 else None)[0].tobytes() for i in range(5)]

    assert starts(3) == starts(3)
    assert len(set(starts(3))) == 5
    assert starts(3) != starts(4)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**62), st.sampled_from(PROBLEMS), st.lists(st.integers(0, ACTIONS - 1), max_size=30))
def test_nothing_leaves_the_box_and_fractions_add_up(seed: int, problems: str, actions: list[int]) -> None:
    env = DoctorEnv(problems=problems)
    state, _ = env.reset(seed=seed)
    for action in actions:
        assert env.observation_space.contains(state)
        assert state[4:8].sum() == pytest.approx(1, abs=1e-6)
        assert state[9] + state[10] == pytest.approx(1, abs=1e-6)
        assert set(state[FLAGS].tolist()) <= {0, 0.5, 1}
        if env.action_masks()[action]:
            state, _, terminated, truncated, _ = env.step(np.int64(action))
            if terminated or truncated:
                break


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**62))
def test_held_out_problems_are_never_drawn_for_training(seed: int) -> None:
    assert not is_held_out(*draw_small(seed, False))
    assert is_held_out(*draw_small(seed, True))


def test_one_small_problem_in_eight_or_so_is_held_out() -> None:
    problems = [(shape, faults) for shape in range(len(SHAPES)) for faults in range(1 << 12)]
    assert np.mean([is_held_out(*each) for each in problems]) == pytest.approx(1 / 8, abs=0.01)
    assert len(PROBLEMS) == len(Problems)


@pytest.mark.parametrize("shape", range(len(SHAPES)))
def test_every_small_problem_starts_in_a_state_of_its_own(shape: int) -> None:
    clusters = np.zeros(len(small_problems()), CLUSTER)
    for number, faults in enumerate(small_problems()):
        start_small(record(clusters, number), shape, faults)
    assert len({each.tobytes() for each in clusters}) == len(clusters)  # so that none held out is also trained on


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fault": ["dns"]}, "options['fault']: unknown"),
        ({"faults": ["rain"]}, "options['faults'] 'rain': must name"),
        ({"faults": [["dns"]]}, "options['faults'] ['dns']: must name"),
        ({"faults": ["no-room"]}, "options['faults'] 'no-room': must name"),
        ({"shape": 1}, "options['faults'] none: must name"),
        ({"faults": ["dns"], "shape": 7}, "options['shape'] 7: must be"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        DoctorEnv().reset(seed=1, options=options)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    "settings", [{"problems": "huge"}, {"max_steps": 0}, {"max_steps": 2**31}, {"render_mode": "svg"}]
)
def test_settings_out_of_range_are_named(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        DoctorEnv(**settings)


@pytest.mark.parametrize("action", [-1, 15, 1.5, None])
def test_an_action_that_there_is_not_is_refused(action: Any) -> None:
    env = DoctorEnv()
    env.reset(seed=1)
    with pytest.raises(ConfigError, match="action"):
        env.step(action)


def test_a_line_says_what_is_wrong() -> None:
    env = DoctorEnv(render_mode="ansi")
    assert env.render() is None
    env.reset(seed=1, options={"faults": ["network-policy"], "shape": 2})
    step(env, A.CHECK_LOGS)
    assert env.render() == "step 1: check_logs -> 9 pods running; network-policy 1"
    step(env, A.WAIT)
    assert env.render() == "step 2: wait -> 9 pods running; network-policy 1 (a correct report)"
