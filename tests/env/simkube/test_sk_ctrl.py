"""SimKube's controller as it is: it sleeps, forgets and blocks, and a step goes on all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fake_api import FakeApi
from world import World

from env.kube.client import KubeApi
from env.kube.paths import path_of, within
from env.problems.scenario import Scenario
from env.simkube import paths
from env.simkube.cluster import SimKubeCluster
from env.simkube.doctor_results import NEEDED
from env.simkube.simulation import simulation

Manifest = dict[str, Any]


@pytest.fixture
def problem(scenario: Callable[..., Scenario], deployment: Callable[..., Manifest]) -> Scenario:
    """Three pods that find room."""
    return scenario([deployment(3)], [])


def each_turn(world: World, act: Callable[[], None]) -> None:
    """Let a test interfere after every turn."""
    turn = world.turn

    def turn_and_act() -> None:
        turn()
        act()

    world.turn = turn_and_act  # type: ignore[method-assign]


def test_the_controller_does_not_sleep_until_there_is_a_driver(
    fake: FakeApi, cluster: Callable[..., SimKubeCluster], world: World, problem: Scenario
) -> None:
    driver_at: list[float] = []
    each_turn(world, lambda: driver_at.append(world.at) if fake.all("pods") and not driver_at else None)
    simkube = cluster()
    simkube.observe(problem, None)
    assert driver_at[0] < 5  # it would be 10, twice what it sleeps
    simkube.close()


def test_the_controller_does_not_sleep_after_it_has_lost_a_race(
    fake: FakeApi, cluster: Callable[..., SimKubeCluster], world: World, problem: Scenario
) -> None:
    world.ctrl.loses = 2
    driver_at: list[float] = []
    each_turn(world, lambda: driver_at.append(world.at) if fake.all("pods") and not driver_at else None)
    simkube = cluster()
    simkube.observe(problem, None)
    assert driver_at[0] < 10
    simkube.close()


def test_a_controller_that_was_killed_takes_the_simulation_up_again(
    fake: FakeApi, cluster: Callable[..., SimKubeCluster], world: World, problem: Scenario
) -> None:
    def kill() -> None:
        states = [(o.get("status") or {}).get("state") for o in fake.all("simulations")]
        if states == ["Initializing"] and world.at < 10:
            world.ctrl.runs = False
        if world.at == 20:
            world.ctrl.restart()

    each_turn(world, kill)
    simkube = cluster()
    assert simkube.observe(problem, None).ready == 3
    assert world.at >= 20
    simkube.close()


def test_a_simulation_that_was_blocked_does_not_sleep_for_the_holders_whole_duration(
    kube: KubeApi, fake: FakeApi, cluster: Callable[..., SimKubeCluster], world: World, problem: Scenario
) -> None:
    """Two steps at once: both have seen a free lease."""
    lease = path_of(paths.LEASES, paths.LEASE, paths.CONTROLLER_NAMESPACE)

    def hold() -> None:
        if world.turns == 1:
            spec = {"holderIdentity": "theirs", "leaseDurationSeconds": 3_600}
            kube.create(
                within(paths.LEASES, paths.CONTROLLER_NAMESPACE), {"metadata": {"name": paths.LEASE}, "spec": spec}
            )
        if world.at == 30:
            assert [o["status"]["state"] for o in fake.all("simulations")] == ["Blocked"]
            kube.delete(lease)

    turn = world.turn

    def hold_and_turn() -> None:
        hold()
        turn()

    world.turn = hold_and_turn  # type: ignore[method-assign]
    world.turns = 1
    simkube = cluster()
    assert simkube.observe(problem, None).ready == 3
    assert world.at < 60
    simkube.close()


def test_a_simulation_with_a_driver_is_left_alone(
    fake: FakeApi, cluster: Callable[..., SimKubeCluster], world: World, problem: Scenario
) -> None:
    seen: dict[bool, set[int]] = {True: set(), False: set()}

    def look() -> None:
        for o in fake.all("simulations"):
            seen[bool(fake.all("pods"))].add(o["metadata"]["generation"])

    each_turn(world, look)
    simkube = cluster()
    simkube.observe(problem, None)
    assert len(seen[True]) == 1
    simkube.close()


def test_to_change_simulations_is_among_the_rights_that_are_needed() -> None:
    assert "patch simulations.simkube.io" in map(str, NEEDED)


def test_the_fake_controller_ignores_a_generation_that_it_has_seen(kube: KubeApi, fake: FakeApi, world: World) -> None:
    kube.create(paths.SIMULATIONS, simulation("mine", "file:///x", driver_image="i", duration_s=60))
    path = path_of(paths.SIMULATIONS, "mine")
    states = []
    for act in ("", "kill", "wait", "touch", "touch"):
        if act == "kill":
            world.ctrl.restart()
        if act == "wait":
            world.at += 3_600
        if act == "touch":
            duration = (kube.get(path) or {})["spec"]["duration"]
            kube.patch(path, {"spec": {"duration": f"{int(duration[:-1]) + 2}s"}})
        world.turn()
        states.append((kube.get(path) or {})["status"]["state"])
    assert states == ["Initializing"] * 4 + ["Running"]
