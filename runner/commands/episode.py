"""`sim-arena episode`: one episode, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from runner.clusters.choice import ClusterChoice
from runner.commands import decisions, tables
from runner.commands.console import check_place, err, print_json
from runner.commands.environments import environment_kind
from runner.commands.episode_request import EpisodeRequest, check_not_of_season
from runner.commands.interrupt import interruptible
from runner.commands.saved_trace import save_trace
from runner.options.agents import EpisodeChoice, PlayerOption, SaveOption, SeedOption, open_agent
from runner.options.flatten import flattened, typed
from runner.options.language_model import ModelChoice
from runner.options.output import OutputChoice
from runner.options.season import SeasonChoice
from runner.options.workload import WorkloadChoice

if TYPE_CHECKING:
    from runner.episode import StepRecord


@flattened
def episode(
    ctx: typer.Context,
    workload: WorkloadChoice,
    season: SeasonChoice,
    cluster: ClusterChoice,
    output: OutputChoice,
    rules: EpisodeChoice,
    model: ModelChoice,
    agent: PlayerOption = "heuristic",
    seed: SeedOption = 0,
    to: SaveOption = None,
) -> None:
    """Play one episode, greedily and without learning, step by step.

    With --env season: one workload over 112 windows. A cluster other than the embedded one then replays each window.
    With --env fleet: one problem, by the planner, noop, VPA, rule (the best tuned one), or a model's file.
    """
    import numpy as np

    from env.gym.cluster_env import ClusterEnv
    from runner.episode import run_episode

    kind = environment_kind(workload.env)
    if kind.episode is not None:
        named = agent if "agent" in typed(ctx) else None
        steps = rules.steps if "steps" in typed(ctx) else None
        kind.episode(EpisodeRequest(named, workload, cluster, season, ctx.obj, seed, steps, to, output.as_json))
        return
    check_not_of_season(kind.name, season)
    check_place(to, "--to")
    model.check_needed([agent])
    scenario = workload.one_scenario(seed)
    actor = open_agent(agent, seed, model)
    records: list[StepRecord] = []

    def keep(record: StepRecord) -> None:
        records.append(record)
        status.update(f"step {len(records)} of at most {rules.steps}")

    with (
        interruptible("nothing was saved") as should_stop,
        cluster.opened(ctx.obj) as place,
        err.status("playing") as status,
    ):
        result = run_episode(
            ClusterEnv([scenario], reward=rules.reward, max_steps=rules.steps, cluster=place),
            actor,
            seed_sequence=np.random.SeedSequence(seed),
            explore=False,
            learn=None,
            should_stop=should_stop,
            on_step=keep,
        )
    if to is not None:
        save_trace(to, scenario, records[-1])
    facts: dict[str, Any] = {"scenario": result.scenario, "target": result.target, "solved": result.solved}
    facts |= {"steps": result.steps, "return": result.reward, "end": records[-1]["after"]}
    facts |= {"why": records[-1]["why"]}
    if output.as_json:
        print_json({**facts, "records": records, **decisions.document(actor)})
    else:
        tables.show(tables.steps(records))
        facts |= {"end": tables.end(facts["end"], result.target), "why": "; ".join(facts["why"])}
        facts |= decisions.facts(actor)
        tables.show_facts({name: value for name, value in facts.items() if name != "why" or value})
