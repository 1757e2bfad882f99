"""`sim-arena evaluate --suite fleet`: models, rules, searches and the planner on services that share nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.markup import escape

from env.interrupt import stopping_when
from runner.commands import tables
from runner.commands.console import print_json, progress
from runner.commands.fitted import FittedTable
from runner.commands.interrupt import interruptible

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from agents.ppo.agent import PPO
    from env.fleet.variants import Variant

FLEET = "fleet"


def evaluate(names: Sequence[str], variant_name: str | None, *, as_json: bool) -> None:
    """Compare models, rules, searches and the planner.

    Args:
        names: Files of models; everybody else has a row anyway.
        variant_name: "small" or "large"; None: small.
        as_json: Print a document.

    Raises:
        AgentError: One that is no model of this variant.
        ConfigError: There is no such variant.
    """
    from env.fleet import exact
    from env.fleet.variants import variant_named
    from runner.evaluation.fleet_suite import VERSION, fleet_fingerprint, fleet_suite
    from runner.evaluation.intervals import CONFIDENCE
    from runner.fleet.players import model

    variant = variant_named(variant_name or "small")
    models = {Path(name).name: model(name, variant) for name in names}
    with interruptible("nothing was saved") as should_stop, stopping_when(should_stop):
        problems = fleet_suite(variant)
        rows, proven = _rows(problems, variant, models)
    document = {
        "suite": FLEET,
        "version": VERSION,
        "variant": variant.name,
        "problems": len(problems),
        "sha256": fleet_fingerprint(problems),
        "confidence": CONFIDENCE,
        "bound_by": "CP-SAT" if exact.is_installed() else "volume",
        "proven": proven,
        "evaluation": rows,
    }
    if as_json:
        print_json(document)
        return
    tables.show(fleet_scores(rows))
    tables.show_facts({name: value for name, value in document.items() if name != "evaluation"})


def _rows(problems: NDArray[Any], variant: Variant, models: Mapping[str, PPO]) -> tuple[list[dict[str, Any]], float]:
    """Everybody's scores, and in which share of the problems the best that is known is proven to be the best."""
    from runner.evaluation import fleet
    from runner.evaluation.fleet_suite import tuning_problems

    outcomes = fleet.by_rules(problems, tuning_problems(variant))
    outcomes |= fleet.by_search(problems, variant)
    outcomes |= fleet.by_models(models, problems, variant)
    outcomes |= fleet.by_planner(problems)
    outcomes["annealing"] = fleet.annealed(problems, lambda numbers: progress(numbers, "annealing"))
    known = np.min([each.nodes for name, each in outcomes.items() if not name.startswith(fleet.VPA)], axis=0)
    outcomes[fleet.BEST_KNOWN] = fleet.Outcome(known)
    bound = fleet.bounds(problems, known, lambda numbers: progress(numbers, "bounds"))
    outcomes[fleet.BOUND] = bound
    return [score.document() for score in fleet.scores(outcomes, known)], float((bound.nodes == known).mean())


def fleet_scores(rows: Sequence[Mapping[str, Any]]) -> FittedTable:
    """Everybody's scores."""
    table = FittedTable("agent", "replays", "nodes", "above best known %", "as few %")
    for row in rows:
        table.add_row(
            escape(row["agent"]),
            "" if row["replays"] is None else f"{row['replays']:,}",
            tables.estimate(row["nodes"], 2, 1),
            tables.estimate(row["above"], 1, 100),
            tables.estimate(row["best"], 1, 100),
        )
    return table
