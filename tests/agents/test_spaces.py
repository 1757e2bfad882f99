"""What agents are told of environments."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agents.spaces import CLUSTER, doctor, fleet, season
from env.doctor.doctor_env import DoctorEnv
from env.fleet.fleet_env import FleetEnv
from env.fleet.variants import VARIANTS
from env.gym.cluster_env import ClusterEnv
from env.gym.features import STATE_FEATURES
from env.season.season_env import SeasonEnv


def test_the_spaces_of_the_cluster_are_those_of_its_environment() -> None:
    env = ClusterEnv()
    assert env.observation_space.shape == (len(CLUSTER.features),)
    assert env.action_space.n == len(CLUSTER.actions)  # type: ignore[attr-defined]
    assert CLUSTER.features == STATE_FEATURES
    assert not CLUSTER.masked


def test_the_spaces_of_the_doctor_are_those_of_its_environment() -> None:
    env = DoctorEnv()
    assert env.observation_space.shape == (len(doctor().features),)
    assert env.reset(seed=0)[1]["action_mask"].shape == (len(doctor().actions),)
    assert doctor().masked


def test_the_spaces_of_a_season_are_those_of_its_environment() -> None:
    env = SeasonEnv()
    assert env.observation_space.shape == (len(season().features),)
    actions = season().actions
    assert len(actions) == env.action_space.n  # type: ignore[attr-defined]
    assert (actions[:3], actions[-1]) == (("keep", "remove_24", "remove_16"), "add_24")
    assert not season().masked


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_spaces_of_a_fleet_are_those_of_its_environment(variant: str) -> None:
    env, spaces = FleetEnv(variant), fleet(variant)
    assert env.observation_space.shape == (len(spaces.features),)
    assert env.reset(seed=0)[1]["action_mask"].shape == (len(spaces.actions),)
    assert spaces.actions[:2] == ("keep_1", "remove_4_1")
    assert spaces.masked


@pytest.mark.parametrize("change", [{"features": ("a", "b")}, {"actions": ("go", "stop")}, {"masked": True}])
def test_a_model_fits_where_features_actions_and_mask_are_equal(change: dict[str, object]) -> None:
    assert replace(CLUSTER, **change).schema != CLUSTER.schema == replace(CLUSTER, id="Other-v0").schema
