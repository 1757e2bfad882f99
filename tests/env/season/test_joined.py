"""Environments of several kinds stepped as one: with the numbers that each kind's own have."""

from __future__ import annotations

import numpy as np

from env.season.joined import JoinedSeasons, of_kinds
from env.season.laws import KINDS

CHOSEN = ("daily", "leak", "shifts")


def test_each_kind_has_as_many_environments_as_any_other_but_for_those_that_are_left() -> None:
    parts = of_kinds(CHOSEN, 8)
    assert [part.num_envs for part in parts] == [3, 3, 2]
    JoinedSeasons(parts).reset(seed=0)
    drawn = [{KINDS[number] for number in part.lanes["kind"]} for part in parts]
    assert drawn == [{kind} for kind in CHOSEN]


def test_the_whole_steps_as_its_parts_do_by_themselves() -> None:
    whole, apart = JoinedSeasons(of_kinds(CHOSEN, 5)), of_kinds(CHOSEN, 5)
    states, info = whole.reset(seed=7)
    alone = [apart[0].reset(seed=[7, 8])[0], apart[1].reset(seed=[9, 10])[0], apart[2].reset(seed=[11])[0]]
    assert np.array_equal(states, np.concatenate(alone))
    assert info["cost"].shape == (5,)
    actions = np.array([1, 5, 0, 6, 2])
    for _ in range(3):
        together = whole.step(actions)
        split = [apart[0].step(actions[:2]), apart[1].step(actions[2:4]), apart[2].step(actions[4:])]
        assert np.array_equal(together[0], np.concatenate([each[0] for each in split]))
        assert np.array_equal(together[1], np.concatenate([each[1] for each in split]))
        assert np.array_equal(together[3], np.concatenate([each[3] for each in split]))
        assert np.array_equal(together[4]["oom"], np.concatenate([each[4]["oom"] for each in split]))
