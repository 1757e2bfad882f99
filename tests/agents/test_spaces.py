"""What agents are told of environments."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agents.spaces import CLUSTER
from env.gym.cluster_env import ClusterEnv
from env.gym.features import STATE_FEATURES


def test_the_spaces_of_the_cluster_are_those_of_its_environment() -> None:
    env = ClusterEnv()
    assert env.observation_space.shape == (len(CLUSTER.features),)
    assert env.action_space.n == len(CLUSTER.actions)  # type: ignore[attr-defined]
    assert CLUSTER.features == STATE_FEATURES
    assert not CLUSTER.masked


@pytest.mark.parametrize("change", [{"features": ("a", "b")}, {"actions": ("go", "stop")}, {"masked": True}])
def test_a_model_fits_where_features_actions_and_mask_are_equal(change: dict[str, object]) -> None:
    assert replace(CLUSTER, **change).schema != CLUSTER.schema == replace(CLUSTER, id="Other-v0").schema
