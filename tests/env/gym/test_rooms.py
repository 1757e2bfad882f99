from __future__ import annotations

import pytest

from env.embedded.cluster import EmbeddedCluster
from env.gym import search
from env.gym.reward import goal
from env.gym.rooms import find_room, make_scenario
from env.gym.search import least_actions, searched
from env.problems.draw import PROBLEMS
from env.problems.rooms.draw import draw_room
from env.problems.rooms.kinds import ANY, ANY_ROOM, ROOMS, kind_of


@pytest.mark.parametrize("kind", ROOMS)
def test_a_room_can_be_solved_and_its_start_is_no_solution_unless_it_is_healthy(kind: str) -> None:
    cluster = EmbeddedCluster()
    for seed in range(12, 17):
        room = find_room(kind, seed, cluster)
        drawn, scenario = draw_room(kind, seed, room.attempt), room.scenario
        assert cluster.observe(scenario, None).resources == drawn.start
        assert goal(cluster.observe(scenario, drawn.goal), scenario.target)
        assert goal(cluster.observe(scenario, None), scenario.target) == (seed % 16 == 0) == (not room.actions)


@pytest.mark.parametrize("kind", ROOMS)
def test_the_search_finds_the_least_actions_of_a_room(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = EmbeddedCluster()
    rooms = [find_room(kind, seed, cluster) for seed in range(1, 6)]
    found = [least_actions(room.scenario, cluster, len(room.actions)) for room in rooms]
    for room, actions in zip(rooms, found, strict=True):
        assert actions is not None
        assert 0 < len(actions) <= len(room.actions)
    monkeypatch.setattr(search, "least_of_goal", lambda scenario: None)
    for room, actions in zip(rooms, found, strict=True):  # nothing that it passes over is a solution
        assert actions is not None
        fewer = min(len(actions) - 1, 4)
        assert searched(room.scenario, cluster, fewer) is None


def test_a_seed_means_one_kind_where_the_problem_leaves_a_choice() -> None:
    rooms = [kind_of(ANY_ROOM, seed) for seed in range(200)]
    assert set(rooms) == set(ROOMS)
    assert rooms == [kind_of(ANY_ROOM, seed) for seed in range(200)]
    mixed = [kind_of(ANY, seed) for seed in range(400)]
    assert 150 < sum(kind in ROOMS for kind in mixed) < 250
    assert kind_of("cpu", 1) == "cpu"
    assert kind_of(None, 1) is None


def test_every_problem_is_made_by_its_name() -> None:
    assert [make_scenario(kind, 3).problem for kind in (*PROBLEMS, *ROOMS)] == [*PROBLEMS, *ROOMS]
    assert make_scenario(None, 3).problem in PROBLEMS
    assert make_scenario(ANY_ROOM, 3).problem in ROOMS
