"""`sim-arena evaluate --suite season`: models and rules on workloads whose use varies, beside bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from env.errors import AgentError, ConfigError
from env.interrupt import stopping_when
from runner.commands import tables
from runner.commands.console import out, print_json, progress
from runner.commands.fitted import FittedTable
from runner.commands.interrupt import interruptible
from runner.options.season import SeasonChoice

if TYPE_CHECKING:
    from env.season.policy import Policy
    from env.season.series import Laws, Series
    from env.season.variants import Variant
    from env.season.window import Prices
    from runner.evaluation.season import SeasonScore

SEASON = "season"
DEFAULT_MODEL = "default model"
TRAINED_FOR = "memory"
"""The variant that the default model is for."""
EXCEEDED = {"memory": "OOM windows %", "cpu": "throttled windows %", "replicas": "overloaded windows %"}
"""What a window is called in which use was above the request, by variant."""


def evaluate(
    names: Sequence[str],
    choice: SeasonChoice,
    file: Path | None,
    to: Path | None,
    *,
    baselines: bool | None,
    as_json: bool,
) -> None:
    """Compare models with rules and bounds.

    Args:
        names: Files of models; of none, the trained model that comes with Sim-Arena, where there is one.
        choice: What is played, at which price.
        file: Of series, to be played instead of the suite.
        to: A .png file for a picture; None: none.
        baselines: Rules too; None: they too.
        as_json: Print a document.

    Raises:
        UsageError: A setting out of range, or a file that does not fit.
    """
    from env.season.variants import checked_kappa, variant_named
    from env.season.window import Prices

    variant = variant_named(choice.variant or "memory")
    prices = Prices(checked_kappa(choice.kappa), variant.restart_price)
    _check_files(names)
    models = {name: Path(name) for name in names} or (_default_model(variant) if not baselines else {})
    with interruptible("nothing was saved") as should_stop, stopping_when(should_stop):
        given, series, laws = _given(choice.kind, file, variant)
        facts = {**given, "variant": variant.name, "kappa": prices.kappa, "workloads": len(series)}
        policies = _policies(models)
        found, scores = _evaluation(
            policies, choice.kind, series, laws, variant, prices, with_rules=baselines is not False
        )
        document = {**facts, **found, "evaluation": [score.document() for score in scores]}
        if to is not None:
            from runner.evaluation.season_pictures import draw, examples  # matplotlib, which takes a second

            who, plays = next(iter(policies.items()), ("a clairvoyant", None))
            shown = examples(series, variant, prices, plays)
            draw(scores, document["yardstick"], shown, who, EXCEEDED[variant.name], to)
    if as_json:
        print_json(document)
    else:
        _show(document, variant, [*models])


def _given(kind: str | None, file: Path | None, variant: Variant) -> tuple[dict[str, Any], Series, Laws | None]:
    """What is played, in words and in numbers."""
    from env.season.real import read_series
    from runner.evaluation.season_suite import VERSION, season_suite

    if file is None:
        return {"suite": SEASON, "version": VERSION, "kind": kind}, *season_suite(variant, kind)
    if kind is not None:
        raise ConfigError(f"--kind {kind}: what kind the series in {file} are is not known; leave it out")
    read = read_series(file, variant)
    return {"series": str(file), "skipped": read.skipped}, read.series, None


def _evaluation(
    policies: Mapping[str, Policy],
    kind: str | None,
    series: Series,
    laws: Laws | None,
    variant: Variant,
    prices: Prices,
    *,
    with_rules: bool,
) -> tuple[dict[str, Any], list[SeasonScore]]:
    """What was measured besides scores, and these."""
    from runner.evaluation import season
    from runner.evaluation.intervals import CONFIDENCE
    from runner.evaluation.season_suite import season_fingerprint, tuning_series

    outcomes = {name: season.by_policy(play, series, variant, prices) for name, play in policies.items()}
    best = None
    if with_rules:
        tuned = season.tune(tuning_series(variant), variant, prices)
        best = str(tuned.best)
        outcomes |= season.by_documented(series, variant, prices)
        outcomes |= season.by_rules(tuned.rules, series, variant, prices)
        outcomes |= season.in_hindsight(series, variant, prices) if laws is None else {}
    outcomes |= season.by_bounds(series, laws, variant, prices, kind, lambda numbers: progress(numbers, "bounds"))
    bounds = [name for name in (season.INFERRING, season.INFORMED, season.CLAIRVOYANT) if name in outcomes]
    yardstick = season.CLAIRVOYANT if laws is None else season.INFORMED
    found = {
        "sha256": season_fingerprint(series, variant),
        "confidence": CONFIDENCE,
        "best_tuned_rule": best,
        "yardstick": yardstick,
        "gap_closed": {} if best is None else {bound: season.closed(outcomes, best, bound) for bound in bounds},
    }
    return found, season.scores(outcomes, series, yardstick)


def _default_model(variant: Variant) -> dict[str, Path]:
    """The trained model that comes with Sim-Arena, by the name of its row; none for what it was not trained for."""
    from agents.default_model import season_model_path

    with suppress(AgentError):
        return {DEFAULT_MODEL: season_model_path()} if variant.name == TRAINED_FOR else {}
    return {}


def _policies(models: Mapping[str, Path]) -> dict[str, Policy]:
    """Models that act greedily, by the names of their rows."""
    from agents.load import load_agent
    from agents.spaces import season as spaces
    from runner.evaluation.season import greedy

    return {name: greedy(load_agent(path, spaces())) for name, path in models.items()}


def _check_files(names: Sequence[str]) -> None:
    """Refuse names of agents, which do not play here, before anything is computed."""
    for name in names:
        if not Path(name).exists():
            raise AgentError(f"--agent {name}: no such file; --suite season plays files of models, and rules by itself")


def _show(document: Mapping[str, Any], variant: Variant, models: Sequence[str]) -> None:
    from runner.evaluation.season import ALL

    rows: list[Mapping[str, Any]] = document["evaluation"]
    tables.show(season_scores([row for row in rows if row["kind"] == ALL], document["yardstick"], variant.name))
    if any(row["kind"] != ALL for row in rows):
        out.print()
        tables.show(season_kinds(rows, document["yardstick"]))
    out.print()
    told = ("suite", "version", "series", "skipped", "kind", "variant", "kappa", "workloads", "sha256")
    facts = {name: document[name] for name in told if document.get(name) is not None}
    if document["best_tuned_rule"] is not None:
        facts["best tuned rule"] = document["best_tuned_rule"]
        facts |= {f"{Path(model).name} closes": _gaps(model, document["gap_closed"]) for model in models}
    tables.show_facts(facts)


def _gaps(model: str, closed: Mapping[str, Mapping[str, float | None]]) -> str:
    """How much of the gaps between the best tuned rule and the bounds a model closes, in words."""
    shares = {bound: of[model] for bound, of in closed.items()}
    told = [f"{100 * share:.0f} % of the gap to {bound}" for bound, share in shares.items() if share is not None]
    return ", ".join(told)


def season_scores(rows: Sequence[Mapping[str, Any]], yardstick: str, variant: str) -> FittedTable:
    """Everybody's scores on all workloads."""
    table = FittedTable("agent", "cost", f"above {yardstick} %", EXCEEDED[variant], "held", "changes %")
    for row in rows:
        table.add_row(
            escape(row["agent"]),
            tables.estimate(row["cost"], 3, 1),
            tables.estimate(row["above"], 1, 100),
            tables.estimate(row["exceeded"], 2, 100),
            tables.estimate(row["held"], 2, 1),
            tables.estimate(row["changed"], 1, 100),
        )
    return table


def season_kinds(rows: Sequence[Mapping[str, Any]], yardstick: str) -> FittedTable:
    """By how many percent everybody's cost is above the yardstick's, for each kind of workloads."""
    from runner.evaluation.season import ALL

    kinds = list(dict.fromkeys(row["kind"] for row in rows if row["kind"] != ALL))
    table = FittedTable(f"above {yardstick} %", *kinds)
    found = {(row["agent"], row["kind"]): row["above"] for row in rows}
    for agent in dict.fromkeys(row["agent"] for row in rows):
        if all((agent, kind) in found for kind in kinds):
            table.add_row(escape(agent), *(f"{100 * found[agent, kind]['value']:.1f}" for kind in kinds))
    return table
