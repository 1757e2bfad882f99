"""`sim-arena step`: one step of an episode."""

from __future__ import annotations

from typing import Annotated

import typer

from env.actions import Action
from env.errors import ConfigError, nearest
from runner.clusters.choice import ClusterChoice
from runner.commands import decisions, tables
from runner.commands.console import check_place, print_json
from runner.commands.saved_trace import save_trace
from runner.options import completion
from runner.options.agents import PlayerOption, RewardOption, SaveOption, SeedOption, open_agent
from runner.options.flatten import flattened
from runner.options.language_model import ModelChoice
from runner.options.output import OutputChoice
from runner.options.workload import WorkloadChoice

ACTIONS = [action.name.lower() for action in Action]


@flattened
def step(
    ctx: typer.Context,
    workload: WorkloadChoice,
    cluster: ClusterChoice,
    output: OutputChoice,
    model: ModelChoice,
    agent: PlayerOption = "heuristic",
    action: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Instead of the agent's choice, e.g. reduce_cpu_small.",
            autocompletion=completion.of(ACTIONS),
            rich_help_panel="Episode",
        ),
    ] = None,
    seed: SeedOption = 0,
    reward: RewardOption = "shaped",
    to: SaveOption = None,
) -> None:
    """Play one step: replay, observe, act, replay, reward."""
    import numpy as np

    from env.embedded.left_out import left_out
    from env.gym.cluster_env import ClusterEnv
    from runner.episode import step_record
    from runner.situation import tell

    check_place(to, "--to")
    model.check_needed([agent])
    scenario = workload.one_scenario(seed)
    actor = open_agent(agent, seed, model)
    actor.seed(np.random.default_rng(seed))
    with cluster.opened(ctx.obj) as place:
        env = ClusterEnv([scenario], reward=reward, cluster=place)
        state, info = env.reset(seed=seed)
        if action is None:
            tell(actor, env)
        index = actor.act(state, explore=False) if action is None else _action(action)
        _, value, terminated, _, after = env.step(np.int64(index))
        why = [] if terminated else [*env.why()]
    record = {**step_record(state, info, value, after), "solved": terminated, "why": why}
    if to is not None:
        save_trace(to, scenario, record)
    beyond = left_out(scenario)
    if output.as_json:
        print_json(
            {**record, **decisions.document(actor), "left_out": [tables.left_out_document(each) for each in beyond]}
        )
    else:
        tables.show(tables.steps([{"step": 1, **record}]))
        tables.show_why(why)
        if told := decisions.facts(actor):
            tables.show_facts(told)
        tables.show_left_out(beyond)


def _action(name: str) -> int:
    if name.lower() not in ACTIONS:
        raise ConfigError(f"--action {name}: unknown; {nearest(name.lower(), ACTIONS)}")
    return ACTIONS.index(name.lower())
