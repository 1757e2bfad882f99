"""The replay buffer: n-step transitions, the newest ones, drawn alike or by priority."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.agent import Transition
from agents.dqn import sum_tree
from agents.dqn.replay import Replay
from env.errors import AgentError
from env.gym.features import STATE_DIM


def state(number: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.full(STATE_DIM, number / 100, np.float32)


def play(replay: Replay, rewards: list[float], *, terminated: bool) -> None:
    """One episode through states 0, 1, 2, ...; action k % 7 at state k."""
    for k, reward in enumerate(rewards):
        ends = k == len(rewards) - 1
        replay.add(Transition(state(k), k % 7, reward, state(k + 1), ends and terminated, ends and not terminated))


def test_a_transition_sums_n_discounted_rewards_and_bootstraps_from_the_nth_state() -> None:
    replay = Replay(10, n_step=3, gamma=0.5)
    play(replay, [1.0, 2.0, 4.0, 8.0], terminated=False)
    columns = replay.columns
    assert replay.size == 4
    assert columns.returns[:4].tolist() == [1 + 1 + 1, 2 + 2 + 2, 4 + 4, 8]
    assert columns.discounts[:4].tolist() == [0.125, 0.125, 0.25, 0.5]
    assert columns.actions[:4].tolist() == [0, 1, 2, 3]
    assert columns.states[:4, 0].tolist() == [state(k)[0] for k in range(4)]
    assert columns.next_states[:4, 0].tolist() == [state(k)[0] for k in (3, 4, 4, 4)]


def test_nothing_is_bootstrapped_beyond_a_terminal_state() -> None:
    replay = Replay(10, n_step=2, gamma=0.5)
    play(replay, [0.0, 0.0, 1.0], terminated=True)
    assert replay.columns.discounts[:3].tolist() == [0.25, 0.0, 0.0]
    assert replay.columns.returns[:3].tolist() == [0.0, 0.5, 1.0]


def test_episodes_do_not_mix() -> None:
    replay = Replay(10, n_step=5, gamma=1.0)
    play(replay, [1.0, 1.0], terminated=False)
    play(replay, [10.0, 10.0], terminated=True)
    assert replay.columns.returns[:4].tolist() == [2.0, 1.0, 20.0, 10.0]


def test_the_newest_transitions_are_kept() -> None:
    replay = Replay(3, n_step=1, gamma=0.9)
    play(replay, [0.0, 1.0, 2.0, 3.0, 4.0], terminated=True)
    assert sorted(replay.columns.returns.tolist()) == [2.0, 3.0, 4.0]
    assert replay.size == 3


def test_without_priorities_all_are_drawn_alike() -> None:
    replay = Replay(4, n_step=1, gamma=0.9)
    play(replay, [1.0] * 4, terminated=True)
    rows, weights = replay.sample(np.random.default_rng(0), 4000)
    assert np.bincount(rows).min() > 900
    assert set(weights.tolist()) == {1.0}


def test_with_priorities_chances_follow_errors_and_weights_make_up_for_it() -> None:
    replay = Replay(5, n_step=1, gamma=0.9, priority=1.0)
    play(replay, [1.0] * 4, terminated=True)
    replay.learned(np.arange(4), np.array([1.0, -2.0, 3.0, 0.0], np.float32))
    rows, weights = replay.sample(np.random.default_rng(0), 60_000)
    shares = np.bincount(rows, minlength=4) / 60_000
    np.testing.assert_allclose(shares, np.array([1.001, 2.001, 3.001, 0.001]) / 6.004, atol=0.01)
    by_row = {int(row): float(weight) for row, weight in zip(rows, weights, strict=True)}
    assert by_row[0] / by_row[2] == pytest.approx((3.001 / 1.001) ** 0.4, rel=1e-5)


def test_a_new_transition_has_the_largest_priority_seen() -> None:
    replay = Replay(5, n_step=1, gamma=0.9, priority=1.0)
    play(replay, [1.0] * 2, terminated=True)
    replay.learned(np.arange(2), np.array([0.0, 99.0], np.float32))
    play(replay, [1.0], terminated=True)
    rows, _ = replay.sample(np.random.default_rng(0), 2000)
    assert abs(np.count_nonzero(rows == 1) - np.count_nonzero(rows == 2)) < 200


def test_a_state_with_priorities_of_any_size_is_gone_on_from() -> None:
    replay, other = (Replay(5, n_step=1, gamma=0.9, priority=2.0) for _ in "ab")
    play(replay, [1.0] * 2, terminated=True)
    replay.learned(np.arange(2), np.array([1.0, 1e6], np.float32))
    other.load_state_dict(replay.state_dict(), "replay")
    assert other.state_dict()["largest"] == replay.state_dict()["largest"] > 1e11


@given(st.lists(st.floats(0, 1e6, allow_subnormal=False), min_size=1, max_size=20), st.integers(0, 2**32 - 1))
def test_a_sum_tree_draws_no_leaf_of_value_zero_and_its_root_is_the_sum(values: list[float], seed: int) -> None:
    tree = sum_tree.new(len(values))
    sum_tree.replace(tree, np.arange(len(values)), np.array(values))
    assert tree[1] == pytest.approx(sum(values))
    if tree[1] > 0:
        drawn = sum_tree.draw(tree, np.random.default_rng(seed).random(50))
        assert all(values[leaf] > 0 for leaf in drawn)


@pytest.mark.parametrize("waiting", [None, [1], [[[0.0] * STATE_DIM, 9, 1.0]], [[[0.0], 1, 1.0]], [[]] * 9])
def test_a_state_with_impossible_open_steps_is_refused(waiting: object) -> None:
    replay = Replay(5, n_step=3, gamma=0.9)
    with pytest.raises(AgentError, match="open"):
        replay.load_state_dict({**replay.state_dict(), "open": waiting}, "replay")
