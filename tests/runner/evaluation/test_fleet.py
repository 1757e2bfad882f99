"""The fleet suite: who is compared, and with what."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from env.fleet.draw import problems_of
from env.fleet.variants import VARIANTS
from runner.evaluation.fleet import (
    BEST_KNOWN,
    Outcome,
    annealed,
    bounds,
    by_planner,
    by_rules,
    by_search,
    random_walk,
    scores,
)
from runner.evaluation.fleet_suite import fleet_fingerprint, fleet_suite, tuning_problems

SMALL = VARIANTS["small"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_the_suite_is_always_the_same_and_no_rule_is_tuned_on_it() -> None:
    suite = fleet_suite(SMALL)
    assert fleet_fingerprint(suite) == fleet_fingerprint(fleet_suite(SMALL))
    assert fleet_fingerprint(suite) != fleet_fingerprint(fleet_suite(VARIANTS["large"]))
    assert not {each.tobytes() for each in suite} & {each.tobytes() for each in tuning_problems(SMALL)}


def test_a_score_holds_nodes_against_the_best_that_is_known() -> None:
    known = np.array([4, 5, 6])
    mine, best = scores({"mine": Outcome(np.array([4, 6, 8]), 8), BEST_KNOWN: Outcome(known)}, known)
    assert (mine.agent, mine.replays, mine.n) == ("mine", 8, 3)
    assert mine.nodes is not None
    assert mine.above is not None
    assert mine.best is not None
    assert best.above is not None
    assert mine.nodes.value == 6
    assert mine.above.value == pytest.approx(0.2)
    assert mine.best.value == pytest.approx(1 / 3)
    assert best.above.value == 0


def test_planning_beats_searching_and_searching_rules_and_none_is_below_the_bound() -> None:
    problems = problems_of(SMALL, range(20))
    outcomes = {
        **by_rules(problems, problems_of(SMALL, range(100, 120))),
        **by_search(problems, SMALL),
        **by_planner(problems),
    }
    known = np.min([each.nodes for each in [*outcomes.values(), annealed(problems)]], axis=0)
    bound = bounds(problems, known).nodes
    assert all((bound <= each.nodes).all() for each in outcomes.values())
    means = {name: each.nodes.mean() for name, each in outcomes.items()}
    assert means["planner, 8, noise 0 %"] < means["hill climbing, 60"] < means["VPA without margin"] < means["VPA"]
    assert annealed(problems).nodes.tolist() == annealed(problems).nodes.tolist()


def test_a_random_walk_repeats_itself_and_never_ends_above_its_start() -> None:
    problems = problems_of(SMALL, range(6))
    walked = random_walk(problems, SMALL).nodes[-1]
    assert (walked == random_walk(problems, SMALL).nodes[-1]).all()
    assert (walked <= by_rules(problems, problems)["as it is"].nodes).all()
