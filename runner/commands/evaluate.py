"""`sim-arena evaluate`: agents compared on a fixed suite, on generated problems or on traces."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from env.errors import ConfigError
from runner.clusters import TRACE_DIR, ClusterChoice
from runner.commands import options as o
from runner.commands import tables
from runner.commands.console import parse_set, print_json, progress
from runner.commands.interrupt import interruptible
from runner.commands.options import Inputs, trace_paths

if TYPE_CHECKING:
    from agents.agent import Agent
    from env.problems.scenario import Scenario

DEFAULT_MODEL = "default model"
_GENERATED = 200


def evaluate(
    ctx: typer.Context,
    agents: Annotated[
        list[str] | None,
        typer.Argument(metavar="AGENT|CHECKPOINT", help="Agents or checkpoints. Default: the trained model."),
    ] = None,
    weights: Annotated[list[Path] | None, typer.Option(help="A checkpoint. May be given again.")] = None,
    policy: Annotated[
        list[str] | None, typer.Option(help="A hand-written policy, or optimum. May be given again.")
    ] = None,
    baselines: Annotated[
        bool | None,
        typer.Option(help="All policies and the optimum too. Default: only if no agent is named."),
    ] = None,
    suite: Annotated[str | None, typer.Option(help="A fixed set of problems: standard, the default.")] = None,
    scenarios: Annotated[int | None, typer.Option(min=1, help="Generate so many problems instead.")] = None,
    problem: o.ProblemOption = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Generate problems from this seed on; also that of random agents.")
    ] = None,
    steps: o.StepsOption = 100,
    reward: o.RewardOption = "shaped",
    trace: o.TraceOption = None,
    deploy: o.DeployOption = None,
    namespace: o.NamespaceOption = None,
    target: o.TargetOption = None,
    nodes: o.NodesOption = None,
    node_cpu: o.NodeCpuOption = "16",
    node_memory: o.NodeMemoryOption = "32Gi",
    node_pods: o.NodePodsOption = 110,
    duration: o.DurationOption = None,
    cluster: o.ClusterOption = "embedded",
    kube_context: o.KubeContextOption = None,
    trace_dir: o.TraceDirOption = TRACE_DIR,
    trace_bucket: o.TraceBucketOption = None,
    simkube: o.SimKubeOption = None,
    as_json: o.JsonOption = False,
) -> None:
    """How many problems agents solve, in how many steps against the optimum, and how lean. They act greedily.

    Without a name the trained model that comes with Sim-Arena is held against all baselines. The name dqn is an
    untrained network.
    """
    from runner.evaluation.compare import OPTIMUM, compare
    from runner.evaluation.intervals import CONFIDENCE
    from runner.evaluation.suite import STANDARD, fingerprint

    choice = ClusterChoice(cluster, kube_context, trace_dir, trace_bucket, parse_set(simkube or (), "--simkube"))
    inputs = Inputs(trace_paths(trace), deploy, namespace, target, nodes, node_cpu, node_memory, node_pods, duration)
    named = suite
    if not inputs.traces and (scenarios, problem, seed) == (None, None, None):
        named = suite or STANDARD
    actors = _actors(agents or [], weights or [], policy or [], baselines, seed or 0)
    given = _scenarios(inputs, named, scenarios, problem, seed)
    with interruptible("nothing was saved") as should_stop, choice.opened(ctx.obj) as place:
        measures = compare(
            {name: actor for name, actor in actors.items() if actor is not None},
            given,
            steps,
            seed or 0,
            optimum=OPTIMUM in actors,
            reward=reward,
            cluster=place,
            should_stop=should_stop,
            progress=progress,
        )
    if not as_json:
        tables.show(tables.measures(measures))
        return
    facts = {"suite": named, "sha256": fingerprint(given), "scenarios": len(given), "steps": steps, "reward": reward}
    rows = {name: [row.as_row() for row in some] for name, some in measures.items()}
    print_json({**facts, "seed": seed or 0, "confidence": CONFIDENCE, "agents": rows})


def _actors(
    names: list[str], weights: list[Path], policies: list[str], baselines: bool | None, seed: int
) -> dict[str, Agent | None]:
    """The agents asked for, by the names of their rows; the optimum, which is no agent, as None.

    Raises:
        AgentError: one that does not exist, or cannot be read.
        ConfigError: a policy that does not exist.
    """
    from agents.default_model import default_model_path
    from agents.kinds import POLICY_NAMES
    from agents.load import load_agent
    from runner.evaluation.compare import OPTIMUM

    actors: dict[str, Agent | None] = {}
    if not (names or weights or policies or baselines):
        actors[DEFAULT_MODEL] = load_agent(default_model_path())
        baselines = baselines is None
    for name in policies:
        if name not in (*POLICY_NAMES, OPTIMUM):
            raise ConfigError(f"--policy {name}: unknown; choose from {', '.join((*POLICY_NAMES, OPTIMUM))}")
    actors |= {str(path): load_agent(path) for path in weights}
    for name in [*names, *policies, *((*POLICY_NAMES, OPTIMUM) if baselines else ())]:
        actors[name] = None if name == OPTIMUM else o.open_agent(name, seed)
    return actors


def _scenarios(
    inputs: Inputs, suite_name: str | None, count: int | None, problem: str | None, seed: int | None
) -> list[Scenario]:
    """The traces given, the suite, or generated problems.

    Raises:
        ConfigError: two of these asked for at once, or no such suite.
        SimArenaError: a trace or an option that does not fit.
    """
    from env.problems.generate import generate_scenario
    from runner.evaluation.suite import suite

    generates = [f"--{name} {value}" for name, value in (("problem", problem), ("scenarios", count)) if value]
    chosen = [f"--suite {suite_name}"] if suite_name else []
    traces = [f"--trace {inputs.traces[0]}"] if inputs.traces else []
    asked = [*generates[:1], *chosen, *traces]
    if len(asked) > 1:
        raise ConfigError(f"{asked[0]}: cannot be had together with {asked[1]}; each says which problems to solve")
    found = inputs.scenarios()
    if found:
        return found
    if suite_name is not None:
        return suite(suite_name)
    return [generate_scenario(problem, (seed or 0) + number) for number in range(count or _GENERATED)]
