"""What the vector environment keeps of replays, and that it acts on it as a single environment does."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from env.errors import ClusterError
from env.gym import seen_table
from env.gym.cluster_env import ClusterEnv
from env.gym.rooms import make_scenario
from env.gym.seen_table import ROW, SeenTable, observation_in, slot_of
from env.gym.vector_env import ClusterVectorEnv
from env.observation import Observation
from env.problems.generate import generate_scenario
from env.problems.rooms.kinds import ROOMS
from env.workload import Resources

SEEN = Observation(1, 2, 3, Resources(500, 2**28, 3), *range(4, 20))
SCENARIO = generate_scenario("cpu", 1)


def asked(number: int) -> tuple[int, Resources]:
    return number % 7, Resources(500 * (number % 11), 2**28 * (number % 13), number)


def test_everything_that_was_kept_is_found_and_nothing_else() -> None:
    table = SeenTable()
    for number in range(3000):
        row, resources = asked(number)
        table.add(row, SCENARIO, resources, SEEN._replace(resources=resources))
    for number in range(3000):
        row, resources = asked(number)
        found = table.slots[slot_of(table.slots, row, resources), ROW]
        assert observation_in(table.rows[found - 1]) == SEEN._replace(resources=resources)
    assert table.slots[slot_of(table.slots, *asked(3000)), ROW] == 0


def test_a_full_table_starts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen_table, "MOST_SEEN", 5)
    table = SeenTable()
    for number in range(5):
        table.add(*asked(number)[:1], SCENARIO, asked(number)[1], SEEN)
    table.make_room(1)
    assert not table.slots.any()


def test_numbers_that_compiled_code_would_not_count_exactly_are_refused() -> None:
    with pytest.raises(ClusterError, match="more than the vector environment can count"):
        SeenTable().add(0, SCENARIO, SEEN.resources, SEEN._replace(resources=Resources(2**53, 1, 1)))


@pytest.mark.parametrize("reward", ["shaped", "cost_aware_v2"])
def test_rooms_are_bit_identical_to_single_environments(reward: str) -> None:
    scenarios = [make_scenario(kind, seed) for seed, kind in enumerate(ROOMS)] + [SCENARIO]
    one = partial(ClusterEnv, scenarios, reward=reward, max_steps=9)
    singles = SyncVectorEnv([one] * 8, autoreset_mode=AutoresetMode.NEXT_STEP)
    many = ClusterVectorEnv(8, scenarios, reward=reward, max_steps=9)
    (ours, _), (theirs, _) = many.reset(seed=3), singles.reset(seed=3)
    assert ours.tobytes() == theirs.tobytes()
    rng, broken = np.random.default_rng(0), 0
    for _ in range(60):
        actions = rng.integers(7, size=8)
        states, rewards, terminated, truncated, info = many.step(actions)
        expected = singles.step(actions)
        assert states.tobytes() == expected[0].tobytes()
        assert rewards.tobytes() == expected[1].tobytes()
        assert (list(terminated), list(truncated)) == (list(expected[2]), list(expected[3]))
        assert list(info["broken"]) == list(expected[4]["broken"])
        broken += int(info["broken"].sum())
    assert broken > 0
