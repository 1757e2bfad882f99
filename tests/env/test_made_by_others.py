"""Both environments as Gymnasium and the libraries on it make, wrap, reset and step them."""

from __future__ import annotations

import copy
import json
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

from env.errors import ConfigError
from env.gym.rooms import make_scenario
from env.picture import MOST_COLUMNS, SHAPE, WAITING, Bar, Column, picture

IDS = ("env:SimArena/Cluster-v0", "env:SimArena/Doctor-v0")
both = pytest.mark.parametrize("env_id", IDS)


@both
def test_an_id_is_enough_for_stable_baselines3(env_id: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what its import warns about is not ours
        sb3 = pytest.importorskip("stable_baselines3")
        from stable_baselines3.common.env_util import make_vec_env
    assert isinstance(sb3.DQN("MlpPolicy", env_id, device="cpu").env.reset(), np.ndarray)
    envs = make_vec_env(env_id, n_envs=2, seed=0)
    assert envs.reset().shape[0] == 2
    assert [frame.shape for frame in envs.get_images()] == [SHAPE] * 2


@both
def test_a_picture_shows_where_the_episode_stands(env_id: str) -> None:
    env = gymnasium.make(env_id, render_mode="rgb_array")
    env.reset(seed=3)
    first: Any = env.render()
    assert (first.shape, first.dtype) == (SHAPE, np.uint8)
    assert np.array_equal(first, env.render())  # drawing changes nothing
    env.step(np.int64(3))
    assert not np.array_equal(first, env.render())


def test_a_picture_of_a_replayed_scenario_shows_what_waits() -> None:
    env = gymnasium.make(IDS[0], scenarios=[make_scenario("apart", 1)], render_mode="rgb_array")
    _, info = env.reset(seed=0)
    frame: Any = env.render()
    assert info["observation"].pending == 1
    assert (frame == WAITING).all(axis=2).any()


def test_a_picture_of_a_large_cluster_says_how_many_nodes_it_leaves_out() -> None:
    full = Column("node", (Bar(1.0, ((0.5, WAITING),)),))
    frames = [picture("text " * 500, [full] * more, [WAITING] * 5_000, "legend") for more in (MOST_COLUMNS, 1_000)]
    assert [frame.shape for frame in frames] == [SHAPE] * 2
    assert not np.array_equal(*frames)
    assert picture("", [], [], "").shape == SHAPE


@both
@pytest.mark.parametrize("mode", ["ansi", "rgb_array"])
def test_the_vector_environment_renders_what_single_ones_do(env_id: str, mode: str) -> None:
    frames = []
    for vectorization_mode in ("sync", "vector_entry_point"):
        envs = gymnasium.make_vec(env_id, 2, vectorization_mode, render_mode=mode)
        envs.reset(seed=1)
        envs.step(np.array([1, 3]))
        frames.append(envs.render())
        envs.close()
    assert np.array_equal(*map(np.array, frames))


@both
def test_in_mode_human_every_step_is_a_line(env_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    env = gymnasium.make(env_id, render_mode="human")
    env.reset(seed=3)
    env.step(np.int64(0))
    assert env.render() is None
    assert [line.partition("step ")[2][0] for line in capsys.readouterr().out.splitlines()] == ["0", "1"]


@both
@pytest.mark.parametrize("mode", ["sync", "async", "vector_entry_point", None])
def test_vector_environments_of_each_kind_cut_episodes_at_max_episode_steps(env_id: str, mode: str | None) -> None:
    envs = gymnasium.make_vec(env_id, num_envs=2, vectorization_mode=mode, max_episode_steps=3, render_mode="rgb_array")
    envs.reset(seed=5)
    truncated = [envs.step(np.zeros(2, np.int64))[3].all() for _ in range(3)]
    envs.close()
    assert truncated == [False, False, True]


@both
def test_the_smaller_limit_of_steps_counts(env_id: str) -> None:
    envs = gymnasium.make_vec(env_id, num_envs=2, max_steps=1, max_episode_steps=3)
    envs.reset(seed=5)
    assert envs.step(np.zeros(2, np.int64))[3].all()
    with pytest.raises(ConfigError, match="max_episode_steps 0"):
        gymnasium.make_vec(env_id, num_envs=2, max_episode_steps=0)


@both
@pytest.mark.parametrize("make", [gymnasium.make, gymnasium.make_vec])
def test_an_unknown_keyword_is_named_with_those_that_there_are(env_id: str, make: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match=r"unknown keyword 'colour'; there are .*max_steps, .*render_mode"):
        make(env_id, colour="red")


@both
def test_the_next_step_is_the_one_way_to_reset(env_id: str) -> None:
    for mode in (AutoresetMode.NEXT_STEP, "NextStep", None):
        assert gymnasium.make_vec(env_id, num_envs=2, autoreset_mode=mode, disable_env_checker=True).num_envs == 2
    with pytest.raises(ConfigError, match="autoreset_mode"):
        gymnasium.make_vec(env_id, num_envs=2, autoreset_mode=AutoresetMode.SAME_STEP)
    chosen = {"autoreset_mode": AutoresetMode.SAME_STEP}
    envs = gymnasium.make_vec(env_id, num_envs=2, vectorization_mode="sync", vector_kwargs=chosen, max_episode_steps=1)
    envs.reset(seed=1)
    assert "final_obs" in envs.step(np.zeros(2, np.int64))[4]


@both
def test_gymnasiums_checker_accepts_each_way_to_render(env_id: str) -> None:
    check_env(gymnasium.make(env_id, render_mode="rgb_array").unwrapped)


@both
def test_gymnasiums_wrappers_take_it(env_id: str) -> None:
    env = gymnasium.make(env_id, max_episode_steps=2, render_mode="rgb_array")
    env = gymnasium.wrappers.RecordEpisodeStatistics(gymnasium.wrappers.RenderCollection(env))
    env.reset(seed=0)
    ends = [env.step(np.int64(0)) for _ in range(2)]
    assert (ends[-1][3], ends[-1][4]["episode"]["l"]) == (True, 2)
    frames: Any = env.render()
    assert [frame.shape for frame in frames] == [SHAPE] * 3


@both
def test_its_spec_makes_it_again(env_id: str) -> None:
    env = gymnasium.make(env_id, max_steps=7, render_mode="ansi")
    spec = env.spec
    assert spec is not None
    assert (spec.id, spec.kwargs["max_steps"]) == (env_id.partition(":")[2], 7)
    for again in (pickle.loads(pickle.dumps(spec)), gymnasium.envs.registration.EnvSpec.from_json(spec.to_json())):
        assert gymnasium.make(again).get_wrapper_attr("_max_steps") == 7
    assert json.loads(spec.to_json())["id"] == spec.id


@both
@pytest.mark.parametrize("again", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_goes_on_where_the_environment_stands(env_id: str, again: Callable[[Any], Any]) -> None:
    env = gymnasium.make(env_id, render_mode="ansi")
    env.reset(seed=4)
    env.step(np.int64(3))
    other = again(env)
    assert env.step(np.int64(1))[0].tobytes() == other.step(np.int64(1))[0].tobytes()
    assert env.render() == other.render()
    assert env.reset()[0].tobytes() == other.reset()[0].tobytes()


def test_a_copy_of_one_that_replays_goes_on_too() -> None:
    env = gymnasium.make(IDS[0], scenarios=[make_scenario("apart", 1)])
    env.reset(seed=0)
    other = pickle.loads(pickle.dumps(env))
    assert env.step(np.int64(1))[0].tobytes() == other.step(np.int64(1))[0].tobytes()


@both
@pytest.mark.parametrize("seed", [np.int64(5), np.int32(5), np.uint8(5), np.array(5)])
def test_seeds_may_be_numpys(env_id: str, seed: Any) -> None:
    env, envs = gymnasium.make(env_id), gymnasium.make_vec(env_id, num_envs=2)
    assert env.reset(seed=seed, options=None)[0].tobytes() == env.reset(seed=5, options={})[0].tobytes()
    assert envs.reset(seed=int(seed))[0].tobytes() == envs.reset(seed=np.int64(5))[0].tobytes()  # type: ignore[arg-type]


@both
@pytest.mark.parametrize("seed", [-1, 1.5, "one"])
def test_seeds_that_are_none_are_named(env_id: str, seed: Any) -> None:
    for made in (gymnasium.make(env_id), gymnasium.make_vec(env_id, num_envs=2)):
        with pytest.raises(ConfigError, match="seed"):
            made.reset(seed=seed)


@both
def test_actions_may_be_any_integers(env_id: str) -> None:
    states = []
    for action in (1, np.int64(1), np.int32(1), np.uint8(1), np.array(1), np.array(1, np.int32)):
        env = gymnasium.make(env_id)
        env.reset(seed=2)
        states.append(env.step(action)[0].tobytes())
    assert len(set(states)) == 1
    envs = gymnasium.make_vec(env_id, num_envs=2)
    for actions in ([1, 1], (1, 1), np.array([1, 1], np.int32), np.array([1, 1], np.uint8)):
        envs.reset(seed=2)
        states.append(envs.step(actions)[0][0].tobytes())  # type: ignore[arg-type]
    assert len(set(states)) == 1


@both
def test_an_unknown_option_is_named(env_id: str) -> None:
    for made in (gymnasium.make(env_id), gymnasium.make_vec(env_id, num_envs=2)):
        with pytest.raises(ConfigError, match=r"options\['colour'\]: unknown"):
            made.reset(options={"colour": "red"})
