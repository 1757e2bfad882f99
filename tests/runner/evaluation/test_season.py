"""The season suite: what it is made of, and what is measured on it."""

from __future__ import annotations

import numpy as np
import pytest

from env.season.baselines import NOOP, VPA, Rule
from env.season.forms import Form
from env.season.series import Series, generated
from env.season.variants import JUMPS, VARIANTS
from env.season.window import Prices
from runner.evaluation import season
from runner.evaluation.season_suite import OF_SUITE, TUNED_ON, season_fingerprint, season_suite, tuning_series

MEMORY = VARIANTS["memory"]
PRICES = Prices(4.0, MEMORY.restart_price)


@pytest.fixture(scope="module")
def suite() -> Series:
    return season_suite(MEMORY)[0]


@pytest.mark.parametrize(
    ("variant", "digest"),
    [
        ("memory", "cb6af8edb8b27d551de57c808b480ea656f6f225aea244d6fc2c244eaa67cb98"),
        ("cpu", "f2c45c8846cb467590a47996c3743d41fa475b34c51834d66e1e34b0826aa9f1"),
        ("replicas", "530a0ce2b9c4ab22e95ee4d18069a15fbae5daef56ed4fe70c35c73dd2f86ffe"),
    ],
)
def test_the_season_suite_never_changes(variant: str, digest: str) -> None:
    """Results are compared over years: a change of these lines makes all earlier ones incomparable; say so."""
    series, _ = season_suite(VARIANTS[variant])
    assert season_fingerprint(series, VARIANTS[variant]) == digest


def test_it_has_workloads_of_all_kinds_and_rules_are_tuned_on_others(suite: Series) -> None:
    tuning = tuning_series(MEMORY)
    assert (len(suite), len(tuning)) == (OF_SUITE, TUNED_ON)
    assert len(set(suite.kinds)) == 8
    assert not {each.tobytes() for each in suite.peaks} & {each.tobytes() for each in tuning.peaks}


def test_nobody_does_better_than_one_who_knows_all_peaks_nor_the_law_in_the_mean() -> None:
    series, laws = generated(MEMORY, range(8))
    outcomes = season.by_documented(series, MEMORY, PRICES) | season.by_bounds(series, laws, MEMORY, PRICES)
    assert (outcomes["clairvoyant"].cost <= outcomes["noop"].cost + 1e-9).all()
    means = [outcomes[name].cost.mean() for name in ("clairvoyant", "informed", "inferring", "VPA")]
    assert means == sorted(means)


def test_a_policy_that_never_changes_a_request_comes_to_what_that_rule_does() -> None:
    series, _ = generated(MEMORY, range(6))
    played = season.by_policy(lambda states: np.full(len(states), JUMPS.index(0)), series, MEMORY, PRICES)
    rule = season.by_rules([NOOP], series, MEMORY, PRICES)["noop"]
    for name in ("cost", "exceeded", "held", "changed"):
        assert getattr(played, name) == pytest.approx(getattr(rule, name))


def test_costs_are_measured_by_the_yardstick_kind_by_kind() -> None:
    series, _ = generated(MEMORY, range(40))
    double = season.Outcome(np.linspace(2, 4, 40))
    scores = season.scores({"slow": double, "best": season.Outcome(double.cost / 2)}, series, "best")
    of_all = [score for score in scores if score.kind == season.ALL]
    assert [(score.agent, score.n) for score in of_all] == [("slow", 40), ("best", 40)]
    assert of_all[0].above is not None
    assert of_all[0].above.value == pytest.approx(1.0)
    assert of_all[0].held is None
    assert sum(score.n for score in scores if score.agent == "slow") == 80


def test_the_bound_that_must_infer_is_one_for_all_workloads_together_only() -> None:
    series, _ = generated(MEMORY, range(10))
    outcomes = {name: season.Outcome(np.ones(10)) for name in (season.INFERRING, season.INFORMED)}
    kinds = {
        score.kind for score in season.scores(outcomes, series, season.INFORMED) if score.agent == season.INFERRING
    }
    assert kinds == {season.ALL}


def test_the_share_of_a_gap_that_is_closed_is_1_at_the_bound_and_0_at_the_rule() -> None:
    outcomes = {name: season.Outcome(np.full(3, cost)) for name, cost in (("rule", 1.4), ("bound", 1.2), ("x", 1.25))}
    assert season.closed(outcomes, "rule", "bound") == pytest.approx({"rule": 0.0, "bound": 1.0, "x": 0.75})
    assert season.closed(outcomes, "bound", "rule")["x"] is None


def test_the_rule_in_hindsight_costs_no_more_than_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    series, _ = generated(MEMORY, range(5))
    rules = (VPA, Rule("max", Form.MAXIMUM, (4, 1.05)), NOOP)
    monkeypatch.setattr(season, "RULES", rules)
    ((name, best),) = season.in_hindsight(series, MEMORY, PRICES).items()
    assert name.startswith(season.HINDSIGHT)
    assert all(best.cost.mean() <= each.cost.mean() for each in season.by_rules(rules, series, MEMORY, PRICES).values())
