"""`sim-arena episode`: one episode, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from runner.clusters.choice import ClusterChoice
from runner.commands import tables
from runner.commands.console import check_place, print_json
from runner.commands.interrupt import interruptible
from runner.commands.saved_trace import save_trace
from runner.options.agents import EpisodeChoice, PlayerOption, SaveOption, SeedOption, open_agent
from runner.options.flatten import flattened
from runner.options.output import OutputChoice
from runner.options.workload import WorkloadChoice

if TYPE_CHECKING:
    from runner.episode import StepRecord


@flattened
def episode(
    ctx: typer.Context,
    workload: WorkloadChoice,
    cluster: ClusterChoice,
    output: OutputChoice,
    rules: EpisodeChoice,
    agent: PlayerOption = "heuristic",
    seed: SeedOption = 0,
    to: SaveOption = None,
) -> None:
    """Play one episode, greedily and without learning, step by step."""
    import numpy as np

    from env.gym.cluster_env import ClusterEnv
    from runner.episode import run_episode

    check_place(to, "--to")
    scenario = workload.one_scenario(seed)
    actor = open_agent(agent, seed)
    records: list[StepRecord] = []
    with interruptible("nothing was saved") as should_stop, cluster.opened(ctx.obj) as place:
        result = run_episode(
            ClusterEnv([scenario], reward=rules.reward, max_steps=rules.steps, cluster=place),
            actor,
            seed_sequence=np.random.SeedSequence(seed),
            explore=False,
            learn=None,
            should_stop=should_stop,
            on_step=records.append,
        )
    if to is not None:
        save_trace(to, scenario, records[-1])
    facts: dict[str, Any] = {"scenario": result.scenario, "target": result.target, "solved": result.solved}
    facts |= {"steps": result.steps, "return": result.reward, "end": records[-1]["after"]}
    facts |= {"why": records[-1]["why"]}
    if output.as_json:
        print_json({**facts, "records": records})
    else:
        tables.show(tables.steps(records))
        facts |= {"end": tables.end(facts["end"], result.target), "why": "; ".join(facts["why"])}
        tables.show_facts({name: value for name, value in facts.items() if name != "why" or value})
