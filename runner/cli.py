"""The commands of `sim-arena` that run agents: train, step, episode, evaluate."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from env.cli import Exit, err, fail, parse_set, print_json
from env.errors import AgentError, ConfigError
from runner import options as o
from runner import tables, trace_cli
from runner.clusters import TRACE_DIR, ClusterChoice, OpenBucket
from runner.options import Inputs

if TYPE_CHECKING:
    from env.cluster import Cluster
    from env.scenario import Scenario
    from runner.episode import StepRecord
    from runner.run_folder import RunFolder
    from runner.training import Training, TrainingConfig


def register(app: typer.Typer, open_bucket: OpenBucket | None = None) -> None:
    """Add the commands to an app; `open_bucket` lets them hand traces over in S3."""
    app.info.context_settings = {**(app.info.context_settings or {}), "obj": open_bucket}
    app.command()(train)
    app.command()(step)
    app.command()(episode)
    app.command()(evaluate)
    app.add_typer(trace_cli.app, name="trace")


def train(
    ctx: typer.Context,
    agent: Annotated[str, typer.Option(help=f"{o.AGENT_NAMES}.")] = "dqn",
    episodes: Annotated[int | None, typer.Option(min=1, help="Episodes in all. Default: 200.")] = None,
    steps: o.StepsOption = 100,
    reward: o.RewardOption = "shaped",
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same weights.")] = 0,
    trace: o.TraceOption = None,
    deploy: o.DeployOption = None,
    namespace: o.NamespaceOption = None,
    target: o.TargetOption = None,
    nodes: o.NodesOption = None,
    node_cpu: o.NodeCpuOption = "16",
    node_memory: o.NodeMemoryOption = "32Gi",
    node_pods: o.NodePodsOption = 110,
    duration: o.DurationOption = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="An agent's setting, e.g. learning_rate=0.001."),
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="Start from the networks in this .pt file.")] = None,
    checkpoint_every: Annotated[int, typer.Option(min=1, help="Keep a checkpoint of every N-th episode.")] = 50,
    runs: Annotated[Path, typer.Option(help="Folder in which the run's folder is made.")] = Path("runs"),
    load: Annotated[Path | None, typer.Option(help="Go on with a run: its folder or a checkpoint in it.")] = None,
    cluster: o.ClusterOption = "embedded",
    kube_context: o.KubeContextOption = None,
    trace_dir: o.TraceDirOption = TRACE_DIR,
    trace_bucket: o.TraceBucketOption = None,
    simkube: o.SimKubeOption = None,
    as_json: o.JsonOption = False,
) -> None:
    """Train an agent; everything about it ends up in one folder. Ctrl-C stops it so that --load can go on."""
    from runner.training import TrainingConfig

    if load is not None:
        _refuse_changes(ctx)
        choice = _recorded_choice(load)
    else:
        choice = ClusterChoice(cluster, kube_context, trace_dir, trace_bucket, parse_set(simkube or (), "--simkube"))
    inputs = Inputs(_paths(trace), deploy, namespace, target, nodes, node_cpu, node_memory, node_pods, duration)
    with choice.opened(ctx.obj) as place:
        if load is not None:
            run, training, every = _resume(load, episodes, place)
        else:
            config = TrainingConfig(agent, parse_set(settings or ()), episodes or 200, steps, reward, seed)
            run, training, every = _begin(config, inputs, choice, place, weights, checkpoint_every, runs)
        summary = _train(run, training, every)
    if as_json:
        print_json(summary)
    else:
        tables.show_facts(summary)


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

    from env.gym_env import ClusterEnv
    from runner.episode import step_record

    choice = ClusterChoice(cluster, kube_context, trace_dir, trace_bucket, parse_set(simkube or (), "--simkube"))
    inputs = Inputs(_paths(trace), deploy, namespace, target, nodes, node_cpu, node_memory, node_pods, duration)
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

    from env.gym_env import ClusterEnv
    from runner.episode import run_episode

    choice = ClusterChoice(cluster, kube_context, trace_dir, trace_bucket, parse_set(simkube or (), "--simkube"))
    inputs = Inputs(_paths(trace), deploy, namespace, target, nodes, node_cpu, node_memory, node_pods, duration)
    scenario = o.one_scenario(inputs, problem, seed)
    actor = o.open_agent(agent, seed)
    records: list[StepRecord] = []
    with _interruptible("nothing was saved") as should_stop, choice.opened(ctx.obj) as place:
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


def evaluate(
    ctx: typer.Context,
    agents: Annotated[list[str], typer.Argument(metavar="AGENT|CHECKPOINT...", help="Names of agents or checkpoints.")],
    scenarios: Annotated[int, typer.Option(min=1, help="How many problems to generate.")] = 200,
    problem: o.ProblemOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the first generated problem; the others follow.")] = 0,
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
    """How many problems agents solve and in how many steps, greedily. The name dqn is an untrained network."""
    from env.generate import generate_scenario
    from runner import evaluate as evaluation

    choice = ClusterChoice(cluster, kube_context, trace_dir, trace_bucket, parse_set(simkube or (), "--simkube"))
    inputs = Inputs(_paths(trace), deploy, namespace, target, nodes, node_cpu, node_memory, node_pods, duration)
    if inputs.traces and problem is not None:
        raise ConfigError(f"--problem {problem}: generates traces, but --trace {inputs.traces[0]} is given")
    actors = {name: o.open_agent(name, seed) for name in agents}
    given = inputs.scenarios() or [generate_scenario(problem, seed + i) for i in range(scenarios)]
    scores = {}
    with _interruptible("nothing was saved") as should_stop, choice.opened(ctx.obj) as place:
        for name, actor in actors.items():
            scores[name] = evaluation.evaluate(
                actor, given, steps, seed, reward=reward, cluster=place, should_stop=should_stop
            )
    if as_json:
        rows = {name: [{**asdict(row), "solved_rate": row.solved_rate} for row in s] for name, s in scores.items()}
        print_json({"scenarios": len(given), "steps": steps, "seed": seed, "agents": rows})
    else:
        tables.show(tables.scores(scores))


def _begin(
    config: TrainingConfig,
    inputs: Inputs,
    choice: ClusterChoice,
    cluster: Cluster | None,
    weights: Path | None,
    checkpoint_every: int,
    runs: Path,
) -> tuple[RunFolder, Training, int]:
    """A new run: everything is checked before its folder is made."""
    from agents.files import read_bounded
    from runner.run_folder import RunFolder
    from runner.training import Training

    training = Training(config, inputs.scenarios() or None, cluster)
    if weights is not None:
        training.load_weights(read_bounded(weights))
    document = {"training": asdict(config), "inputs": asdict(inputs), "checkpoint_every": checkpoint_every}
    document |= {"cluster": asdict(choice)}
    return RunFolder.create(runs, config.agent, ["sim-arena", *sys.argv[1:]], document), training, checkpoint_every


def _recorded_choice(load: Path) -> ClusterChoice:
    """The cluster of the run that `load` belongs to."""
    from runner.run_folder import RunFolder

    run = RunFolder.open(load)
    try:
        return ClusterChoice(**run.config().get("cluster", {}))
    except (AttributeError, TypeError) as error:
        raise ConfigError(f"{run.path / 'config.json'}: damaged ({error})") from error


def _resume(load: Path, episodes: int | None, cluster: Cluster | None) -> tuple[RunFolder, Training, int]:
    """The run that `load` belongs to, at the checkpoint it names or the latest."""
    from agents.files import read_bounded
    from runner.run_folder import RunFolder
    from runner.training import Training, TrainingConfig

    run = RunFolder.open(load)
    document = run.config()
    try:
        wanted = {**document["training"], **({"episodes": episodes} if episodes else {})}
        config = TrainingConfig(**wanted)
        inputs = Inputs(**{**document["inputs"], "traces": tuple(document["inputs"]["traces"])})
        checkpoint_every = int(document["checkpoint_every"])
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{run.path / 'config.json'}: damaged ({error})") from error
    training = Training(config, inputs.scenarios() or None, cluster)
    state = run.latest if load.is_dir() else load
    try:
        training.restore(read_bounded(state))
    except AgentError as error:
        raise ConfigError(
            f"{state}: {error}; --load takes a run's folder or a checkpoint_latest or _ep file"
        ) from error
    if training.done >= config.episodes:
        fail(f"{run.path}: {training.done} episodes are done; ask for more with --episodes", Exit.NOTHING_TO_DO)
    run.write_json("config.json", {**document, "training": asdict(config)})  # the next --load knows of new --episodes
    return run, training, checkpoint_every


def _train(run: RunFolder, training: Training, checkpoint_every: int) -> dict[str, Any]:
    from runner.loop import train as run_loop

    err.print(f"run folder {run.path}", highlight=False)
    hint = f"go on with: sim-arena train --load {run.path}"
    with _progress(training.done, training.config.episodes) as advance, _interruptible(hint) as should_stop:
        return run_loop(training, run, checkpoint_every=checkpoint_every, should_stop=should_stop, on_episode=advance)


def _refuse_changes(ctx: typer.Context) -> None:
    """A run that goes on with other settings would be another run."""
    for parameter in ctx.command.params:
        source = ctx.get_parameter_source(parameter.name or "")
        given = source is not None and source.name == "COMMANDLINE"
        if given and parameter.name not in ("load", "episodes", "as_json"):
            fail(f"{parameter.opts[0]}: a run that is loaded keeps its settings, except for --episodes", Exit.USAGE)


def _action(name: str) -> int:
    from env.actions import Action

    names = [action.name.lower() for action in Action]
    if name.lower() not in names:
        raise ConfigError(f"--action {name}: unknown; choose from {', '.join(names)}")
    return names.index(name.lower())


def _save(path: Path | None, scenario: Scenario, record: StepRecord) -> None:
    """Write the scenario's trace with the resources that the step of `record` led to."""
    from agents.files import write_atomic
    from env.actions import Resources
    from env.quantity import parse_cpu, parse_memory
    from env.scenario import edited_trace

    if path is not None:
        asked = record["after"]["resources"]
        resources = Resources(parse_cpu(asked["cpu"]), parse_memory(asked["memory"]), asked["replicas"])
        write_atomic(path, edited_trace(scenario, resources).to_bytes())


def _paths(traces: Sequence[Path] | None) -> tuple[str, ...]:
    return tuple(str(path.resolve()) for path in traces or ())


@contextmanager
def _interruptible(hint: str) -> Iterator[Callable[[], bool]]:
    """Ctrl-C ends the work between two steps, with one line and exit code 130."""
    from runner.episode import Stopped
    from runner.interrupt import stop_requested

    try:
        with stop_requested() as should_stop:
            yield should_stop
    except Stopped:
        fail(f"interrupted; {hint}", Exit.INTERRUPTED)


@contextmanager
def _progress(done: int, total: int) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A bar on stderr, where that is a terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("episode"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=err, disable=not err.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=total, completed=done)

        def advance(summary: dict[str, Any]) -> None:
            end = "solved" if summary["solved"] else "not solved"
            bar.update(task, advance=1, description=f"{end} in {summary['steps']}")

        yield advance
