"""The commands of `sim-arena` that run agents: step and episode here, the others in files of their own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from env.errors import ConfigError
from runner.clusters import TRACE_DIR, ClusterChoice, OpenBucket
from runner.commands import options as o
from runner.commands import tables
from runner.commands import trace as trace_cli
from runner.commands.console import check_place, parse_set, print_json
from runner.commands.evaluate import evaluate
from runner.commands.interrupt import interruptible
from runner.commands.options import Inputs, trace_paths
from runner.commands.suggest import suggest
from runner.commands.train import train

if TYPE_CHECKING:
    from env.problems.scenario import Scenario
    from runner.episode import StepRecord


def register(app: typer.Typer, open_bucket: OpenBucket | None = None) -> None:
    """Add the commands to an app; `open_bucket` lets them hand traces over in S3."""
    app.info.context_settings = {**(app.info.context_settings or {}), "obj": open_bucket}
    app.command()(train)
    app.command()(step)
    app.command()(episode)
    app.command()(evaluate)
    app.command()(suggest)
    app.add_typer(trace_cli.app, name="trace")


def step(
    ctx: typer.Context,
    agent: o.AgentOption = "heuristic",
    action: Annotated[str | None, typer.Option(help="Instead of the agent's choice, e.g. reduce_cpu_small.")] = None,
    trace: o.TraceOption = None,
    problem: o.ProblemOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the generated problem and the agent.")] = 0,
    reward: o.RewardOption = "shaped",
    deploy: o.DeployOption = None,
    namespace: o.NamespaceOption = None,
    target: o.TargetOption = None,
    nodes: o.NodesOption = None,
    node_cpu: o.NodeCpuOption = "16",
    node_memory: o.NodeMemoryOption = "32Gi",
    node_pods: o.NodePodsOption = 110,
    duration: o.DurationOption = None,
    save: o.SaveOption = None,
    cluster: o.ClusterOption = "embedded",
    kube_context: o.KubeContextOption = None,
    trace_dir: o.TraceDirOption = TRACE_DIR,
    trace_bucket: o.TraceBucketOption = None,
    simkube: o.SimKubeOption = None,
    as_json: o.JsonOption = False,
) -> None:
    """One step: replay, observe, act, replay, reward."""
    import numpy as np

    from env.gym.cluster_env import ClusterEnv
    from runner.episode import step_record

    check_place(save, "--save")
    choice = ClusterChoice(cluster, kube_context, trace_dir, trace_bucket, parse_set(simkube or (), "--simkube"))
    inputs = Inputs(trace_paths(trace), deploy, namespace, target, nodes, node_cpu, node_memory, node_pods, duration)
    scenario = o.one_scenario(inputs, problem, seed)
    actor = o.open_agent(agent, seed)
    actor.seed(np.random.default_rng(seed))
    with choice.opened(ctx.obj) as place:
        env = ClusterEnv([scenario], reward=reward, cluster=place)
        state, info = env.reset(seed=seed)
        index = actor.act(state, explore=False) if action is None else _action(action)
        _, value, terminated, _, after = env.step(np.int64(index))
    record = {**step_record(state, info, value, after), "solved": terminated}
    _save(save, scenario, record)
    if as_json:
        print_json(record)
    else:
        tables.show(tables.steps([{"step": 1, **record}]))


def episode(
    ctx: typer.Context,
    agent: o.AgentOption = "heuristic",
    trace: o.TraceOption = None,
    problem: o.ProblemOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the generated problem and the agent.")] = 0,
    steps: o.StepsOption = 100,
    reward: o.RewardOption = "shaped",
    deploy: o.DeployOption = None,
    namespace: o.NamespaceOption = None,
    target: o.TargetOption = None,
    nodes: o.NodesOption = None,
    node_cpu: o.NodeCpuOption = "16",
    node_memory: o.NodeMemoryOption = "32Gi",
    node_pods: o.NodePodsOption = 110,
    duration: o.DurationOption = None,
    save: o.SaveOption = None,
    cluster: o.ClusterOption = "embedded",
    kube_context: o.KubeContextOption = None,
    trace_dir: o.TraceDirOption = TRACE_DIR,
    trace_bucket: o.TraceBucketOption = None,
    simkube: o.SimKubeOption = None,
    as_json: o.JsonOption = False,
) -> None:
    """One episode, greedily and without learning, step by step."""
    import numpy as np

    from env.gym.cluster_env import ClusterEnv
    from runner.episode import run_episode

    check_place(save, "--save")
    choice = ClusterChoice(cluster, kube_context, trace_dir, trace_bucket, parse_set(simkube or (), "--simkube"))
    inputs = Inputs(trace_paths(trace), deploy, namespace, target, nodes, node_cpu, node_memory, node_pods, duration)
    scenario = o.one_scenario(inputs, problem, seed)
    actor = o.open_agent(agent, seed)
    records: list[StepRecord] = []
    with interruptible("nothing was saved") as should_stop, choice.opened(ctx.obj) as place:
        result = run_episode(
            ClusterEnv([scenario], reward=reward, max_steps=steps, cluster=place),
            actor,
            seed_sequence=np.random.SeedSequence(seed),
            explore=False,
            learn=False,
            should_stop=should_stop,
            on_step=records.append,
        )
    _save(save, scenario, records[-1])
    facts = {"scenario": result.scenario, "target": result.target, "solved": result.solved}
    facts |= {"steps": result.steps, "return": result.reward, "end": records[-1]["after"]}
    if as_json:
        print_json({**facts, "records": records})
    else:
        tables.show(tables.steps(records))
        tables.show_facts(facts)


def _action(name: str) -> int:
    from env.actions import Action

    names = [action.name.lower() for action in Action]
    if name.lower() not in names:
        raise ConfigError(f"--action {name}: unknown; choose from {', '.join(names)}")
    return names.index(name.lower())


def _save(path: Path | None, scenario: Scenario, record: StepRecord) -> None:
    """Write the scenario's trace with the resources that the step of `record` led to."""
    from agents.saved.files import write_atomic
    from env.problems.scenario import edited_trace
    from env.quantity import parse_cpu, parse_memory
    from env.workload import Resources

    if path is not None:
        asked = record["after"]["resources"]
        resources = Resources(parse_cpu(asked["cpu"]), parse_memory(asked["memory"]), asked["replicas"])
        write_atomic(path, edited_trace(scenario, resources).to_bytes())
