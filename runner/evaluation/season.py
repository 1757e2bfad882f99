"""Policies, rules and bounds on the same workloads of Season-v0, at the same prices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from env.interrupt import stop_if_asked
from env.season import baselines, policy
from env.season.baselines import KRR, NOOP, RULES, VPA, Rule
from env.season.bounds.clairvoyant import clairvoyant
from env.season.bounds.inferring import inferring
from env.season.bounds.informed import informed
from env.season.laws import KINDS
from env.season.series import Laws, Series
from env.season.variants import WINDOWS, Variant
from env.season.window import Prices
from runner.evaluation.intervals import Estimate, excess, mean

if TYPE_CHECKING:
    from agents.agent import Agent

Floats = NDArray[np.float64]
R = TypeVar("R", Series, Laws)

INFERRING, INFORMED, CLAIRVOYANT = "inferring", "informed", "clairvoyant"
ALL = "all"
"""Instead of a kind: workloads of any."""
HINDSIGHT = "best in hindsight: "
"""How a rule is named that was chosen by what is evaluated."""


@dataclass(frozen=True)
class Outcome:
    """What one who plays came to on n workloads, in the mean of their windows; float64 (n,).

    Attributes:
        cost: In windows in which the typical peak is requested.
        exceeded, held, changed: As in `env.season.baselines.Played`; None of bounds, which are costs alone.
    """

    cost: Floats
    exceeded: Floats | None = None
    held: Floats | None = None
    changed: Floats | None = None


class Tuned(NamedTuple):
    """Rules that were tuned on workloads of their own: the best of each family, and the best of these there."""

    rules: tuple[Rule, ...]
    best: Rule


@dataclass(frozen=True)
class SeasonScore:
    """How one who plays did on the workloads of a kind, with 95 % intervals.

    Attributes:
        agent: Who played.
        kind: Of the workloads; ALL of any.
        n: Workloads.
        cost: Of a window, in windows in which the typical peak is requested.
        above: By which share the cost is above that of the bound that is the yardstick.
        exceeded, held, changed: See `Outcome`.
    """

    agent: str
    kind: str
    n: int
    cost: Estimate | None
    above: Estimate | None
    exceeded: Estimate | None
    held: Estimate | None
    changed: Estimate | None

    def document(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)


def tune(series: Series, variant: Variant, prices: Prices) -> Tuned:
    """Tune the rules of all families."""
    rules = tuple(baselines.tune(series, variant, prices).values())
    return Tuned(rules, baselines.cheapest(rules, series, variant, prices))


def by_rules(
    rules: Sequence[Rule], series: Series, variant: Variant, prices: Prices, prefix: str = ""
) -> dict[str, Outcome]:
    """What rules come to, by their names."""
    played = {prefix + str(rule): baselines.play(rule, series, variant, prices) for rule in rules}
    return {name: Outcome(each.cost, each.exceeded, each.held, each.changed) for name, each in played.items()}


def by_documented(series: Series, variant: Variant, prices: Prices) -> dict[str, Outcome]:
    """What requests that stay as they are come to, and VPA's and KRR's recommendations."""
    return by_rules((NOOP, VPA, KRR), series, variant, prices)


def in_hindsight(series: Series, variant: Variant, prices: Prices) -> dict[str, Outcome]:
    """What the single rule comes to that does best on these very workloads: nobody could have known which it is."""
    return by_rules([baselines.cheapest(RULES, series, variant, prices)], series, variant, prices, HINDSIGHT)


def by_policy(play: policy.Policy, series: Series, variant: Variant, prices: Prices) -> Outcome:
    """What a policy comes to."""
    played = policy.play(play, series, variant, prices.kappa)
    return Outcome(*(each.mean(axis=1) for each in (played.cost, played.exceeded, played.held, played.changed)))


def greedy(agent: Agent) -> policy.Policy:
    """An agent of Season-v0, without exploration."""
    in_all: policy.Policy | None = getattr(agent, "best_in_all", None)
    return in_all or (lambda states: np.array([agent.act(state, explore=False) for state in states]))


def by_bounds(
    series: Series,
    laws: Laws | None,
    variant: Variant,
    prices: Prices,
    kind: str | None = None,
    each: Callable[[Sequence[int]], Iterator[int]] = iter,
) -> dict[str, Outcome]:
    """The least costs: of one who must infer the law and of one who knows it, where there is one; and of a clairvoyant.

    Args:
        series: What is played.
        laws: Of generated workloads.
        variant: What is asked for.
        prices: What a window costs besides its request.
        kind: The kind that all of them are drawn of; None: any.
        each: Goes through the numbers of the workloads; to show how far it is.
    """
    found: dict[str, list[float]] = {INFERRING: [], INFORMED: [], CLAIRVOYANT: []}
    for i in each(range(len(series))):
        stop_if_asked()
        one = part(series, i)
        found[CLAIRVOYANT].append(clairvoyant(one, variant, prices)[0])
        if laws is not None:
            found[INFORMED].append(informed(one, part(laws, i), variant, prices)[0])
            found[INFERRING].append(inferring(one, variant, prices, kind)[0])
    return {name: Outcome(np.array(costs) / WINDOWS) for name, costs in found.items() if costs}


def scores(outcomes: Mapping[str, Outcome], series: Series, yardstick: str) -> list[SeasonScore]:
    """The scores of all who played on each kind of workloads, where these are known, and on all of them.

    The bound that must infer is one for all of them together only.

    Args:
        outcomes: By name; that of the yardstick is among them.
        series: What was played.
        yardstick: By which costs are measured.
    """
    groups = {ALL: np.arange(len(series))}
    groups |= {name: found for kind, name in enumerate(KINDS) if len(found := np.flatnonzero(series.kinds == kind))}
    base = outcomes[yardstick].cost
    return [
        _score(name, kind, each, base, some)
        for kind, some in groups.items()
        for name, each in outcomes.items()
        if kind == ALL or name != INFERRING
    ]


def closed(outcomes: Mapping[str, Outcome], rule: str, bound: str) -> dict[str, float | None]:
    """Which share of the gap in cost between a rule and a bound each one closes; None where there is no gap."""
    start, end = outcomes[rule].cost.mean(), outcomes[bound].cost.mean()
    gap = float(start - end)
    return {name: float(start - each.cost.mean()) / gap if gap > 0 else None for name, each in outcomes.items()}


def _score(agent: str, kind: str, outcome: Outcome, base: Floats, some: NDArray[np.int64]) -> SeasonScore:
    found = {field.name: getattr(outcome, field.name) for field in fields(outcome)}
    means = {name: None if values is None else mean(values[some].tolist()) for name, values in found.items()}
    above = excess(outcome.cost[some].tolist(), base[some].tolist())
    return SeasonScore(agent, kind, len(some), above=above, **means)


def part(given: R, i: int) -> R:
    """One workload of several."""
    return replace(given, **{field.name: getattr(given, field.name)[i : i + 1] for field in fields(given)})
