"""The learners of docs/examples, and the one that comes along: they learn, and go on bit for bit."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from infra.proof.standin import GROUP, bucket_of
from infra.proof.virtual_time import World
from protocol.learners.catalogue import learner_kind
from protocol.learners.learner import Task
from protocol.learners.named import NamedLearner
from protocol.wire import keys
from protocol.wire.job_documents import LearnerSpec, Manifest, Membership, TrainingSpec

Install = Callable[..., Path]
EXAMPLES = Path(__file__).parents[3] / "docs/examples"


def member(name: str, number: int = 0, **settings: Any) -> NamedLearner:
    training = TrainingSpec(learner=LearnerSpec(name=name, settings=settings), episodes=3, steps=1, seed=0)
    group = Membership(group=GROUP, member=number, size=2)
    job_id = keys.member_job(GROUP, number)
    wanted = Manifest(version=7, job_id=job_id, created_at="", training=training, federation=group)
    return NamedLearner(bucket_of(World(seed=0)), wanted)


def goes_on_bit_for_bit(name: str, **settings: Any) -> NamedLearner:
    """Two epochs at once, and two with a take-over between them."""
    whole, first, second = (member(name, **settings) for _ in range(3))
    for epoch in (1, 2):
        whole.run_episode(epoch, lambda: False)
    first.run_episode(1, lambda: False)
    assert second.restore(first.state()) == 1
    second.run_episode(2, lambda: False)
    assert second.state() == whole.state()
    assert "differs" not in second.fingerprint()
    return whole


def test_the_digits_go_on_bit_for_bit_and_members_know_other_ones() -> None:
    pytest.importorskip("sklearn")
    goes_on_bit_for_bit("digits")
    first, second = (member("digits", number)._learner for number in range(2))
    assert not set(first.y.tolist()) & set(second.y.tolist()) - {4}  # type: ignore[attr-defined]
    assert first.test_y.tolist() == second.test_y.tolist()  # type: ignore[attr-defined]


def test_an_average_of_members_that_know_five_digits_each_tells_all_ten() -> None:
    pytest.importorskip("sklearn")
    members: list[Any] = [learner_kind("digits").make({}, Task(0, number, 2, 10)) for number in range(2)]
    for epoch in range(1, 11):
        for each in members:
            each.train(epoch, epoch, lambda: None)
        alone = members[0].accuracy()
        weights = [each.weights() for each in members]
        mean = {name: np.mean([own[name] for own in weights], 0, dtype=np.float32) for name in weights[0]}
        for each in members:
            each.load_weights(mean)
    assert alone < 0.8 < 0.9 < members[0].accuracy()


def test_fedprox_keeps_a_member_near_to_where_it_began() -> None:
    pytest.importorskip("sklearn")
    moved = []
    for proximal in (0.0, 1.0):
        learner: Any = learner_kind("digits").make({"proximal": proximal}, Task(0, 0, 2, 1))
        before = {name: array.copy() for name, array in learner.weights().items()}
        learner.train(1, 1, lambda: None)
        moved.append(sum(float(((array - before[name]) ** 2).sum()) for name, array in learner.weights().items()))
    assert moved[1] < moved[0] / 2


def test_ppo_of_stable_baselines3_goes_on_bit_for_bit(install: Install) -> None:
    pytest.importorskip("stable_baselines3")
    source = (EXAMPLES / "cartpole.py").read_text()
    install("my-learners", source, {"sim_arena.learners": {"cartpole": "my_learners:CartPole"}})
    trained = goes_on_bit_for_bit("cartpole", rollout_steps=64, rollouts=1)
    assert [each.steps for each in trained.history] == [64, 64]
    assert all(each.reward is not None for each in trained.history)


def test_the_package_of_the_examples_names_classes_that_are_there() -> None:
    package = tomllib.loads((EXAMPLES / "pyproject.toml").read_text())
    for place in package["project"]["entry-points"]["sim_arena.learners"].values():
        module, _, name = place.partition(":")
        text = (EXAMPLES / f"{module}.py").read_text()
        assert f"\nclass {name}:" in text
        assert len(text.splitlines()) < 100
