"""All containers of which weeks of use are known, tested; and what came of it as what is enough for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from agents.default_model import season_model_path
from agents.spaces import season
from env.errors import AgentError
from env.season.policy import Policy
from env.usage.usage import ContainerKey, Usage
from env.words import count
from runner.suggest.backtest.learned import learned
from runner.suggest.backtest.proposers import DEFAULT_KAPPA, LEARNED, Proposer, simple
from runner.suggest.backtest.walk import Backtest, walk
from runner.suggest.backtest.windows import cut

MOST_CONTAINERS = 2_000
"""Of which the memory is tested; those that use most come first."""


@dataclass(frozen=True)
class Tested:
    """The memory of containers.

    Attributes:
        found: What came of each that was tested.
        why_not: Why others with a series were not.
    """

    found: Mapping[ContainerKey, Backtest] = field(default_factory=dict)
    why_not: Mapping[ContainerKey, str] = field(default_factory=dict)


def season_policy() -> Policy | None:
    """The trained agent of Season-v0 for memory that comes with the package; None: this installation has none.

    Raises:
        AgentError: Its file is damaged, or of another version.
    """
    from agents.load import load_agent  # torch, which takes seconds
    from runner.evaluation.season import greedy

    try:
        path = season_model_path()
    except AgentError:
        return None
    return greedy(load_agent(path, season()))


def backtested(usage: Usage, policy: Policy | None, kappa: float | None = None) -> Tested:
    """Test the memory of each container whose series is long enough.

    Args:
        usage: What is known, with its series.
        policy: Of Season-v0, the variant memory; None: simple rules alone are tried.
        kappa: The price of a window above the request, in windows in which the typical peak is requested; None:
            DEFAULT_KAPPA.
    """
    kappa = DEFAULT_KAPPA if kappa is None else kappa
    windows = {key: cut(series.memory) for key, series in usage.series.items() if series.memory}
    why_not = {key: each.why_not for key, each in windows.items() if each.why_not}
    why_not |= {key: "it was OOM-killed" for key in windows if usage.of(key).is_floor}
    largest = sorted(windows.keys() - why_not.keys(), key=lambda key: (-windows[key].typical, key))
    why_not |= {key: f"only the largest {MOST_CONTAINERS:,} are tested" for key in largest[MOST_CONTAINERS:]}
    keys = sorted(largest[:MOST_CONTAINERS])
    proposers: dict[str, Proposer] = {**({LEARNED: learned(policy, kappa)} if policy else {}), **simple(kappa)}
    return Tested(dict(zip(keys, walk([windows[key] for key in keys], proposers, kappa), strict=True)), why_not)


def with_proposals(usage: Usage, tested: Tested) -> Usage:
    """The use of containers with what is proposed for those that were tested, and a note of the others."""
    uses = {
        key: replace(use, proposed_bytes=tested.found[key].chosen.request) if key in tested.found else use
        for key, use in usage.uses.items()
    }
    reasons: dict[str, int] = {}
    for why in tested.why_not.values():
        reasons[why] = reasons.get(why, 0) + 1
    notes = [f"memory of {count(number, 'container')} by its peak: {why}" for why, number in sorted(reasons.items())]
    return replace(usage, uses=uses, notes=(*usage.notes, *notes[:_MOST_NOTES]))


_MOST_NOTES = 5
