"""Command-line options that several commands share, and what is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.kinds import KINDS
from env.errors import ConfigError
from env.gym.reward import REWARDS

if TYPE_CHECKING:
    from agents.agent import Agent
    from env.problems.scenario import NodePool, Scenario

AGENT_NAMES = ", ".join(KINDS)

TraceOption = Annotated[
    list[Path] | None,
    typer.Option(help="A trace file, or a folder of them. May be given again. Default: generated problems."),
]
DeployOption = Annotated[str | None, typer.Option(help="The Deployment to fix, where a trace holds several.")]
NamespaceOption = Annotated[str | None, typer.Option(help="Its namespace in the trace.")]
TargetOption = Annotated[int | None, typer.Option(min=1, help="Pods that should be ready.")]
NodesOption = Annotated[int | None, typer.Option(min=1, help="Virtual nodes. Default: the trace's own, else 3.")]
NodeCpuOption = Annotated[str, typer.Option(help="Each node's CPU (with --nodes).")]
NodeMemoryOption = Annotated[str, typer.Option(help="Each node's memory (with --nodes).")]
NodePodsOption = Annotated[int, typer.Option(min=1, help="Pods a node takes (with --nodes).")]
DurationOption = Annotated[float | None, typer.Option(help="Replay only so many seconds of each trace.")]
ProblemOption = Annotated[
    str | None,
    typer.Option(help="Generate this kind: cpu, memory, replica-deficit, combined, over-allocation. Default: any."),
]
AgentOption = Annotated[str, typer.Option(help=f"{AGENT_NAMES}; or a checkpoint file.")]
StepsOption = Annotated[int, typer.Option(min=1, help="At most so many steps an episode.")]
RewardOption = Annotated[str, typer.Option(help=f"{', '.join(REWARDS)}.")]
SaveOption = Annotated[Path | None, typer.Option(help="Write the trace with the resources at the end.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
ClusterOption = Annotated[
    str, typer.Option(help="Where traces are replayed: embedded, in this process; or simkube, on a real Kubernetes.")
]
KubeContextOption = Annotated[
    str | None, typer.Option(help="Context of the kubeconfig (simkube). Default: the current one.")
]
TraceDirOption = Annotated[
    str, typer.Option(metavar="HERE:NODE", help="Folder for traces, here and as the nodes have it mounted (simkube).")
]
TraceBucketOption = Annotated[
    str | None, typer.Option(metavar="s3://BUCKET/PREFIX", help="Hand traces over in S3 instead (simkube).")
]
SimKubeOption = Annotated[
    list[str] | None,
    typer.Option("--simkube", metavar="NAME=VALUE", help="A setting of docs/simkube.md, e.g. settle_s=5 (simkube)."),
]


@dataclass(frozen=True)
class Inputs:
    """Which traces, which workload in them and on which nodes; None leaves it to each trace."""

    traces: tuple[str, ...] = ()
    deploy: str | None = None
    namespace: str | None = None
    target: int | None = None
    nodes: int | None = None
    node_cpu: str = "16"
    node_memory: str = "32Gi"
    node_pods: int = 110
    duration_s: float | None = None

    def scenarios(self) -> list[Scenario]:
        """A scenario of every trace, in the order given; none if there are no traces.

        Raises:
            TraceError, ScenarioError, QuantityError: a trace or an option that does not fit.
            ConfigError: options about traces, and no trace.
        """
        from env.problems.scenario import scenario_from_trace
        from env.trace.document import load_trace, trace_files

        self._check_needed()
        return [
            scenario_from_trace(
                load_trace(path),
                name=path.name,
                deploy=self.deploy,
                namespace=self.namespace,
                target=self.target,
                nodes=self._pool(),
                duration_s=self.duration_s,
            )
            for trace in self.traces
            for path in trace_files(trace)
        ]

    def _check_needed(self) -> None:
        given = [name for name, value in asdict(self).items() if value != getattr(Inputs, name)]
        if given and not self.traces:
            flag = given[0].removesuffix("_s").replace("_", "-")
            raise ConfigError(f"--{flag}: needs --trace; a generated problem brings its own workload and nodes")

    def _pool(self) -> NodePool | None:
        from env.problems.scenario import NodePool
        from env.quantity import parse_cpu, parse_memory

        if self.nodes is None:
            return None
        return NodePool(self.nodes, parse_cpu(self.node_cpu), parse_memory(self.node_memory), self.node_pods)


def trace_paths(traces: Sequence[Path] | None) -> tuple[str, ...]:
    """The paths of a `--trace` option for `Inputs`, absolute."""
    return tuple(str(path.resolve()) for path in traces or ())


def one_scenario(inputs: Inputs, problem: str | None, seed: int) -> Scenario:
    """The scenario of the one trace given, or the generated one of (problem, seed).

    Raises:
        ConfigError: more than one trace, or both a trace and a problem.
    """
    from env.problems.generate import generate_scenario

    scenarios = inputs.scenarios()
    if not scenarios:
        return generate_scenario(problem, seed)
    if problem is not None:
        raise ConfigError(f"--problem {problem}: generates a trace, but --trace {inputs.traces[0]} is given")
    if len(scenarios) != 1:
        raise ConfigError(f"--trace: {len(scenarios)} traces; this command takes one")
    return scenarios[0]


def open_agent(name: str, seed: int) -> Agent:
    """An agent by its name, or from a checkpoint file.

    Raises:
        AgentError: neither an agent's name nor a file that holds an agent.
    """
    from agents.kinds import KINDS, make_agent
    from agents.load import load_agent

    is_file = name not in KINDS and (Path(name).suffix in (".pt", ".json") or Path(name).exists())
    return load_agent(Path(name)) if is_file else make_agent(name, seed=seed)
