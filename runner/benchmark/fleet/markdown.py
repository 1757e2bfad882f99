"""The words of a report about fleets."""

from __future__ import annotations

from runner.benchmark.markdown import Wording, percent, two

FLEET_WORDING = Wording(
    steps="replays",
    columns=(
        ("nodes", "nodes", two),
        ("above best known %", "above_best_known", percent),
        ("above bound %", "above_bound", percent),
        ("as few %", "pass_at_1", percent),
        ("pass^{k} %", "pass_all_k", percent),
        ("invalid %", "invalid_rate", percent),
        ("blocked %", "blocked_rate", percent),
    ),
    types=("Nodes above the best known", "%", "above_best_known", percent),
    scenarios=(
        ("services", "services", str),
        ("bound", "bound", str),
        ("best known", "best_known", str),
        ("nodes", "nodes", two),
    ),
    reading="""\
Every figure is the mean over scenarios of a scenario's mean over its attempts, with its {confidence} % interval by
drawing scenarios. Nodes are the fewest on which all was Ready in any replay of an attempt; the replay of the start is
the first. The best known is the fewest that annealing with 20,000 replays, rules and the planner found, the bound what
no replicas can go below. As few is the share of attempts that need no more nodes than the best known, pass^{k} the
probability that all of {k} attempts do. Invalid are answers that could not be read, blocked those with replicas that
are not allowed; the last replicas are replayed again then. An attempt that ended because the provider was away is an
infrastructure error: it is in no rate. The agents beside the model have as many replays; a rule and VPA know what pods
use, and need one. Requests of VPA are not of the same steps as those of others, so it can be below the best known and
the bound.""",
)
