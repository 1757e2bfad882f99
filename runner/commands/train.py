"""`sim-arena train`."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.kinds import DEFAULT
from env.errors import AgentError, ConfigError
from runner.clusters import TRACE_DIR
from runner.commands import options as o
from runner.commands import tables
from runner.commands.console import Exit, err, fail, parse_set, print_json
from runner.commands.interrupt import interruptible

if TYPE_CHECKING:
    from env.cluster import Cluster
    from runner.training.run_config import RunConfig
    from runner.training.run_folder import RunFolder
    from runner.training.training import Summary, Training
    from runner.training.validation import Validation

_MAY_CHANGE = ("episodes", "stop_solved", "patience")
"""Options that do not change what a run has done so far."""


def train(
    ctx: typer.Context,
    config: Annotated[
        Path | None, typer.Option(help="Options from a .toml or .json file; those on the command line go over them.")
    ] = None,
    agent: Annotated[str, typer.Option(help=f"{o.AGENT_NAMES}.")] = DEFAULT,
    episodes: Annotated[
        int | None, typer.Option(min=1, help="Episodes in all. Default: enough for a good DQN.")
    ] = None,
    steps: o.StepsOption = 100,
    reward: o.RewardOption = "shaped",
    problem: o.ProblemOption = None,
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
    evaluate_every: Annotated[
        int | None,
        typer.Option(min=0, help="Evaluate after every N-th episode; 0: never. Default: 20 times, at least 50 apart."),
    ] = None,
    stop_solved: Annotated[
        float | None, typer.Option(min=0, max=1, help="End once an evaluation solves this share, e.g. 0.99.")
    ] = None,
    patience: Annotated[
        int | None, typer.Option(min=1, help="End after so many evaluations in a row that are not the best.")
    ] = None,
    checkpoint_every: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Keep a checkpoint, and draw, after every N-th episode. Default: 10 times, at least 50 apart.",
        ),
    ] = None,
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
    # Options are taken from the context: only there one that was given can be told from a default, which must not go
    # over what a file says.
    from runner.training.run_config import RunConfig
    from runner.training.run_folder import RunFolder

    given = _given(ctx)
    if load is not None:
        _refuse_changes(given, config)
        run = RunFolder.open(load)
        wanted = RunConfig.read(run.config).over(given)
    else:
        wanted = (RunConfig.read(config) if config is not None else RunConfig()).over(given)
    wanted = wanted.filled()
    with wanted.choice().opened(ctx.obj) as place:
        training, validation = _made(wanted, place)
        if load is not None:
            _restore(training, run, run.latest if load.is_dir() else load, wanted)
        else:
            run = _begin(training, wanted)
        summary = _train(training, run, wanted, validation)
    if as_json:
        print_json(summary)
    else:
        tables.show_facts(summary)


def _given(ctx: typer.Context) -> dict[str, Any]:
    """The options on the command line that a config may hold too, as a config holds them."""
    from runner.training.run_config import RunConfig

    given = {}
    for name, value in ctx.params.items():
        source = ctx.get_parameter_source(name)
        if name in RunConfig.model_fields and source is not None and source.name == "COMMANDLINE":
            given[name] = _plain(name, value)
    return given


def _plain(name: str, value: Any) -> Any:
    if name == "trace":
        return [str(path) for path in value]
    if name in ("settings", "simkube"):
        return parse_set(value, "--set" if name == "settings" else "--simkube")
    return str(value) if name in ("weights", "runs") else value


def _refuse_changes(given: Mapping[str, Any], config: Path | None) -> None:
    """A run that goes on with other settings would be another run."""
    other = [name for name in given if name not in _MAY_CHANGE] + (["config"] if config is not None else [])
    if other:
        flag = "--set" if other[0] == "settings" else f"--{other[0].replace('_', '-')}"
        may = ", ".join(f"--{name.replace('_', '-')}" for name in _MAY_CHANGE)
        fail(f"{flag}: a run that is loaded keeps its settings, except for {may}", Exit.USAGE)


def _made(wanted: RunConfig, cluster: Cluster | None) -> tuple[Training, Validation | None]:
    """An untrained training and what it is evaluated on."""
    from runner.training.training import Training
    from runner.training.validation import Validation, validation_problems

    scenarios = wanted.inputs().scenarios()
    training = Training(wanted.training(), scenarios or None, cluster)
    if not wanted.evaluate_every:
        return training, None
    return training, Validation(scenarios or validation_problems(wanted.problem), wanted.steps, wanted.reward, cluster)


def _begin(training: Training, wanted: RunConfig) -> RunFolder:
    """The folder of a new run; everything is checked before it is made."""
    from agents.saved.files import read_bounded
    from runner.training.environment import environment
    from runner.training.run_folder import RunFolder

    if wanted.weights is not None:
        training.load_weights(read_bounded(Path(wanted.weights)))
    run = RunFolder.create(
        Path(wanted.runs), wanted.agent, ["sim-arena", *sys.argv[1:]], wanted.portable().model_dump()
    )
    run.write_json("environment.json", environment())
    return run


def _restore(training: Training, run: RunFolder, state: Path, wanted: RunConfig) -> None:
    """Bring the training to a state of the run."""
    from agents.saved.files import read_bounded
    from runner.training.metrics import read_metrics

    data = read_bounded(state)
    try:
        training.restore(data)
    except AgentError as error:
        raise ConfigError(
            f"{state}: {error}; --load takes a run's folder or a checkpoint_latest or _ep file"
        ) from error
    if training.done >= training.config.episodes:
        fail(f"{run.path}: {training.done} episodes are done; ask for more with --episodes", Exit.NOTHING_TO_DO)
    reason = wanted.plan().stop.reason(read_metrics(run.metrics, training.done).evaluations)
    if reason is not None:
        change = "ask for more with --stop-solved or --patience"
        fail(f"{run.path}: ended after {training.done} episodes, {reason}; {change}", Exit.NOTHING_TO_DO)
    run.write_json(run.config.name, wanted.model_dump())  # the next --load knows of what has changed


def _train(training: Training, run: RunFolder, wanted: RunConfig, validation: Validation | None) -> dict[str, Any]:
    from runner.training.loop import train as run_loop

    err.print(f"run folder {run.path}", highlight=False)
    hint = f"go on with: sim-arena train --load {run.path}"
    with _progress(training) as advance, interruptible(hint) as should_stop:
        return run_loop(training, run, wanted.plan(), validation, should_stop=should_stop, on_episode=advance)


@contextmanager
def _progress(training: Training) -> Iterator[Callable[[Summary], None]]:
    """A bar on stderr, where that is a terminal."""
    if not err.is_terminal:
        yield lambda summary: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("episode"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    last: deque[bool] = deque((summary["solved"] for summary in training.history[-100:]), maxlen=100)
    total = training.config.episodes
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("", total=total, completed=training.done)

        def advance(summary: Summary) -> None:
            last.append(summary["solved"])
            if training.done % max(1, total // 1000) == 0:
                solved = f"{100 * sum(last) / len(last):.0f} % of the last {len(last)} solved"
                bar.update(task, completed=training.done, description=solved)

        yield advance
