"""`sim-arena evaluate`: agents compared on a fixed suite, on generated problems or on traces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from agents.kinds import KINDS, POLICY_NAMES
from env.errors import ConfigError
from runner.clusters.choice import ClusterChoice
from runner.commands import of_fleet, of_season, tables
from runner.commands.console import check_place, print_json, progress
from runner.commands.environments import environment_kind
from runner.commands.interrupt import interruptible
from runner.commands.of_fleet import FLEET
from runner.commands.of_season import SEASON
from runner.options import completion
from runner.options.agents import AGENT_NAMES, EpisodeChoice, open_agent
from runner.options.flatten import changed, flattened
from runner.options.language_model import LLM, ModelChoice
from runner.options.output import OutputChoice
from runner.options.season import SeasonChoice
from runner.options.workload import WorkloadChoice

if TYPE_CHECKING:
    from agents.agent import Agent
    from env.embedded.kept_replays import KeptReplays
    from env.problems.scenario import Scenario

DEFAULT_MODEL = "default model"
_GENERATED = 200


@dataclass(frozen=True, kw_only=True)
class ProblemsChoice:
    """The suite, or how many problems are generated instead."""

    panel: ClassVar[str] = "Workload"

    suite: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A fixed set of problems: standard, the default; rooms, in clusters that others share; season, "
            "requests under use that varies; or fleet, several services on the fewest nodes.",
            autocompletion=completion.of(("standard", "rooms", SEASON, FLEET)),
        ),
    ] = None
    scenarios: Annotated[int | None, typer.Option(metavar="N", min=1, help="Generate so many problems instead.")] = None
    series: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Play the use in this CSV file (name,seconds,use; or .gz) as a season suite."
        ),
    ] = None
    seed: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="Generate problems from this seed on; also that of random agents."),
    ] = None


@flattened
def evaluate(
    ctx: typer.Context,
    problems: ProblemsChoice,
    workload: WorkloadChoice,
    episode: EpisodeChoice,
    cluster: ClusterChoice,
    season: SeasonChoice,
    output: OutputChoice,
    model: ModelChoice,
    agent: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|FILE",
            help=f"Who plays: {AGENT_NAMES}; optimum; or a checkpoint file. May be given again. "
            "Default: the trained model.",
            autocompletion=completion.or_file((*KINDS, "optimum")),
            rich_help_panel="Agents",
        ),
    ] = None,
    baselines: Annotated[
        bool | None,
        typer.Option(
            "--baselines/--no-baselines",
            help="All policies and the optimum too. Default: only if no agent is named.",
            rich_help_panel="Agents",
        ),
    ] = None,
    to: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw who solves what, or of a season costs, as .png.")
    ] = None,
) -> None:
    """Compare agents on a fixed suite, generated problems or traces.

    How many they solve, in how many steps against the optimum, and how lean. They act greedily. Without --agent the
    trained model that comes with Sim-Arena is held against all baselines. The name dqn is an untrained network.
    """
    from env.embedded.kept_replays import KeptReplays
    from env.problems.scenario import fingerprint
    from runner.evaluation.compare import OPTIMUM, compare
    from runner.evaluation.intervals import CONFIDENCE
    from runner.evaluation.suite import OF_ROOMS, STANDARD

    if SEASON in (problems.suite, workload.env) or problems.series is not None:
        _check_season(problems, workload, cluster)
        check_place(to, "--to")
        of_season.evaluate(agent or [], season, problems.series, to, baselines=baselines, as_json=output.as_json)
        return
    if FLEET in (problems.suite, workload.env):
        _check_fleet(problems, workload, cluster, season, to)
        of_fleet.evaluate(agent or [], season.variant, as_json=output.as_json)
        return
    for option in changed(season):
        raise ConfigError(f"{option}: is of --suite season; leave it out, or add --suite season")
    kind = environment_kind(workload.env)
    if kind.evaluate is not None:
        kind.check_played(workload, cluster, suite=problems.suite, seed=problems.seed)
        kind.evaluate(
            agent or [], baselines=baselines, episodes=problems.scenarios, steps=episode.steps, as_json=output.as_json
        )
        return
    model.check_needed(agent or [])
    check_place(to, "--to")
    named, seed = problems.suite, problems.seed or 0
    if not workload.source and (problems.scenarios, workload.problem, problems.seed) == (None, None, None):
        if LLM in (agent or []) and problems.suite is None:
            raise ConfigError(f"--agent {LLM}: asks its model once a step; say how many problems, with --scenarios N")
        named = problems.suite or STANDARD
    actors = _actors(agent or [], baselines, seed, model)
    kept = KeptReplays("suite-rooms") if named == OF_ROOMS else None
    given = _scenarios(workload, named, problems.scenarios, seed, kept)
    with interruptible("nothing was saved") as should_stop, cluster.opened(ctx.obj) as place, _closed(kept):
        measures = compare(
            {name: actor for name, actor in actors.items() if actor is not None},
            given,
            episode.steps,
            seed,
            optimum=OPTIMUM in actors,
            reward=episode.reward,
            cluster=place,
            replays=kept,
            should_stop=should_stop,
            progress=progress,
        )
    if to is not None:
        from runner.evaluation.pictures import draw  # matplotlib, which takes a second

        draw(measures, to)
    if not output.as_json:
        tables.show(tables.measures(measures))
        return
    facts = {
        "suite": named,
        "sha256": fingerprint(given),
        "scenarios": len(given),
        "steps": episode.steps,
        "reward": episode.reward,
    }
    rows = {name: [row.as_row() for row in some] for name, some in measures.items()}
    print_json({**facts, "seed": seed, "confidence": CONFIDENCE, "agents": rows})


def _check_season(problems: ProblemsChoice, workload: WorkloadChoice, cluster: ClusterChoice) -> None:
    """Refuse options about other problems than the season suite's.

    Raises:
        ConfigError: One is given.
    """
    if problems.suite not in (None, SEASON):
        raise ConfigError(f"--suite {problems.suite}: cannot be had together with --series or --env {SEASON}")
    others = {"--scenarios": problems.scenarios, "--seed": problems.seed}
    given = [option for choice in (workload, cluster) for option in changed(choice) if option != "--env"]
    for option in (*given, *(name for name, value in others.items() if value is not None)):
        raise ConfigError(f"{option}: is not of --suite {SEASON}; leave it out")


def _check_fleet(
    problems: ProblemsChoice, workload: WorkloadChoice, cluster: ClusterChoice, season: SeasonChoice, to: Path | None
) -> None:
    """Refuse options about other problems than the fleet suite's.

    Raises:
        ConfigError: One is given.
    """
    if problems.suite not in (None, FLEET):
        raise ConfigError(f"--suite {problems.suite}: cannot be had together with --env {FLEET}")
    others = {"--scenarios": problems.scenarios, "--seed": problems.seed, "--to": to}
    given = [option for choice in (workload, cluster, season) for option in changed(choice)]
    given = [option for option in given if option not in ("--env", "--variant")]
    for option in (*given, *(name for name, value in others.items() if value is not None)):
        raise ConfigError(f"{option}: is not of --suite {FLEET}; leave it out")


def _actors(names: Sequence[str], baselines: bool | None, seed: int, model: ModelChoice) -> dict[str, Agent | None]:
    """The agents asked for, by the names of their rows; the optimum, which is no agent, as None.

    Raises:
        AgentError: one that does not exist, or cannot be read.
    """
    from agents.default_model import default_model_path
    from agents.load import load_agent
    from runner.evaluation.compare import OPTIMUM

    actors: dict[str, Agent | None] = {}
    if not (names or baselines):
        actors[DEFAULT_MODEL] = load_agent(default_model_path())
        baselines = baselines is None
    for name in [*names, *((*POLICY_NAMES, OPTIMUM) if baselines else ())]:
        actors[name] = None if name == OPTIMUM else open_agent(name, seed, model)
    return actors


@contextmanager
def _closed(kept: KeptReplays | None) -> Iterator[None]:
    """Write what was replayed, also if it ends before its time."""
    try:
        yield
    finally:
        if kept is not None:
            kept.close()


def _scenarios(
    workload: WorkloadChoice, suite_name: str | None, count: int | None, seed: int, kept: KeptReplays | None
) -> list[Scenario]:
    """The traces or manifests given, the suite, or generated problems.

    Raises:
        ConfigError: two of these asked for at once, or no such suite.
        SimArenaError: a trace or an option that does not fit.
    """
    from env.gym.rooms import make_scenario
    from runner.evaluation.suite import check_suite, rooms, standard

    generates = [f"--{name} {value}" for name, value in (("problem", workload.problem), ("scenarios", count)) if value]
    chosen = [f"--suite {suite_name}"] if suite_name else []
    traces = [workload.source] if workload.source else []
    asked = [*generates[:1], *chosen, *traces]
    if len(asked) > 1:
        raise ConfigError(f"{asked[0]}: cannot be had together with {asked[1]}; each says which problems to solve")
    found = workload.scenarios()
    if found:
        return found
    if suite_name is not None:
        check_suite(suite_name)
        return standard() if kept is None else rooms(kept)
    return [make_scenario(workload.problem, seed + number) for number in range(count or _GENERATED)]
