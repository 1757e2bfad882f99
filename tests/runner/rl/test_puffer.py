"""Our environments in PufferLib's vectorisation; only where PufferLib is, as in the environment of `rl setup`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from env.doctor.actions import ACTIONS
from env.doctor.doctor_env import DoctorEnv

pufferlib = pytest.importorskip("pufferlib")
vector = pytest.importorskip("pufferlib.vector")


def test_the_native_environment_writes_the_single_ones_numbers_into_pufferlibs_buffers() -> None:
    from runner.rl.puffer import DoctorPufferEnv

    n = 5
    envs = vector.make(DoctorPufferEnv, env_kwargs={"num_envs": n}, num_envs=1, backend=vector.Serial)
    singles = [DoctorEnv() for _ in range(n)]
    states, _ = envs.reset(seed=3)
    expected = np.array([env.reset(seed=(3 << 20) + i)[0] for i, env in enumerate(singles)])
    assert np.shares_memory(states, envs.driver_env.observations)
    rng, ended = np.random.default_rng(0), 0
    for _ in range(300):
        np.testing.assert_array_equal(states, expected)
        actions = rng.integers(ACTIONS, size=n)
        states, rewards, terminals, truncations, infos = envs.step(actions)
        for i, env in enumerate(singles):
            state, reward, terminated, truncated, _ = env.step(actions[i])
            assert (rewards[i], terminals[i], truncations[i]) == (np.float32(reward), terminated, truncated)
            expected[i] = env.reset()[0] if terminated or truncated else state
        over = int((terminals | truncations).sum())
        assert bool(infos) == (over > 0)
        ended += over
    assert ended > 5


@pytest.mark.parametrize("name", ["SimArena/Cluster-v0", "SimArena/Doctor-v0"])
def test_gymnasiums_environments_step_in_pufferlibs_vectorisation(name: str) -> None:
    from runner.rl.puffer import gymnasium_env

    envs = vector.make(gymnasium_env(name), num_envs=3, backend=vector.Serial)
    states, _ = envs.reset(seed=1)
    for _ in range(50):
        states, rewards, _, _, _ = envs.step(envs.action_space.sample())
    assert states.shape == (3, *envs.single_observation_space.shape)
    assert np.isfinite(states).all()
    assert np.isfinite(rewards).all()
    envs.close()


def test_an_action_that_does_not_exist_is_refused() -> None:
    from runner.rl.puffer import DoctorPufferEnv

    env: Any = DoctorPufferEnv(4)
    env.reset(1)
    with pytest.raises(Exception, match="actions from 0 to 15"):
        env.step(np.array([0, 0, 15, 0]))


def test_rewards_are_scaled_for_its_trainer_and_returns_are_not() -> None:
    from runner.rl.puffer import DoctorPufferEnv

    plain, scaled = DoctorPufferEnv(8), DoctorPufferEnv(8, reward_scale=0.5)
    rng = np.random.default_rng(0)
    plain.reset(1)
    scaled.reset(1)
    for _ in range(200):
        actions = rng.integers(ACTIONS, size=8)
        _, rewards, _, _, infos = plain.step(actions)
        _, halves, _, _, the_same = scaled.step(actions)
        np.testing.assert_array_equal(halves, rewards * np.float32(0.5))
        assert infos == the_same


def test_its_trainer_trains_a_doctor_that_diagnoses_with_the_same_bits_every_time(tmp_path: Path) -> None:
    pytest.importorskip("pufferlib._C", exc_type=ImportError)
    from agents.ppo.settings import PPOSettings
    from runner.rl.puffer_run import WEIGHTS, train
    from runner.rl.train import DoctorTraining

    settings = PPOSettings(hidden=(16,), rollout_steps=256, minibatch_size=64, gamma=0.99)
    plan, told = DoctorTraining(2, 20, 0, 8, settings, epoch_steps=512), []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        agent = train(
            plan,
            tmp_path / name,
            python=Path(sys.executable),
            on_epoch=lambda epoch, metrics: told.append(metrics["return"]),
        )
    weights = [(tmp_path / name / WEIGHTS).read_bytes() for name in ("one", "two")]
    assert weights[0] == weights[1]
    assert told[:2] == told[2:]
    action = agent.act(np.full(18, 0.5, np.float32), explore=False, mask=np.ones(ACTIONS, np.bool_))
    assert 0 <= action < ACTIONS


@pytest.mark.filterwarnings("ignore:In CPU autocast")
def test_the_single_environment_trains_with_its_trainer_in_its_vectorisation() -> None:
    pytest.importorskip("pufferlib._C", exc_type=ImportError)
    import torch
    from pufferlib.models import Default

    from agents.ppo.settings import PPOSettings
    from runner.rl.puffer import gymnasium_env
    from runner.rl.puffer_trainer import Trainer, trainer_config

    envs = vector.make(gymnasium_env("SimArena/Cluster-v0"), num_envs=4, backend=vector.Serial)
    policy = Default(envs.driver_env, hidden_size=16)
    before = torch.cat([each.detach().flatten().clone() for each in policy.parameters()])
    request = {"seed": 0, "environments": 4, "epochs": 1, "epoch_steps": 256}
    trainer = Trainer(trainer_config(request, PPOSettings(rollout_steps=128, minibatch_size=64)), envs, policy)
    try:
        while trainer.global_step < 256:
            trainer.evaluate()
            trainer.stats.clear()
            trainer.train()
    finally:
        trainer.utilization.stop()
    after = torch.cat([each.detach().flatten() for each in policy.parameters()])
    assert torch.isfinite(after).all()
    assert not torch.equal(before, after)
