"""What is to be solved: traces, or generated problems, and on which nodes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from env import ENVIRONMENTS
from env.errors import ConfigError, ScenarioError, nearest
from env.problems.draw import PROBLEMS
from env.problems.rooms.kinds import ANY, ANY_ROOM, NAMES, ROOMS
from runner.options import completion
from runner.options.flatten import changed

if TYPE_CHECKING:
    from env.problems.nodes import NodePool, NodePools
    from env.problems.scenario import Scenario

CLUSTER = "cluster"
"""The environment that scenarios are of; the default."""

ProblemOption = Annotated[
    str | None,
    typer.Option(
        metavar="KIND",
        help=f"Generate this kind: {', '.join(PROBLEMS)}. Default: any of these. Or a kind of room: "
        f"{', '.join(ROOMS)}; {ANY_ROOM}: any of these; {ANY}: one half rooms. Or an installed package's.",
        autocompletion=completion.or_plugin("problem", NAMES),
    ),
]


@dataclass(frozen=True, kw_only=True)
class ReplayChoice:
    """Which workload of a trace, on which nodes, how long; None leaves it to the trace.

    Attributes:
        duration: Seconds.
    """

    panel: ClassVar[str] = "Workload"

    deploy: Annotated[
        str | None, typer.Option(metavar="NAME", help="The Deployment to fix, where a trace holds several.")
    ] = None
    namespace: Annotated[str | None, typer.Option(metavar="NAME", help="Its namespace in the trace.")] = None
    target: Annotated[int | None, typer.Option(metavar="N", min=1, help="Pods that should be ready.")] = None
    nodes: Annotated[
        str | None,
        typer.Option(
            metavar="NODES",
            help="Virtual nodes: 3; 3x16:32Gi (CPU:memory); 3xm6i.xlarge,2xg5.xlarge; or a file of Node manifests. "
            "Default: the trace's own, else 3.",
            autocompletion=completion.nodes,
        ),
    ] = None
    node_cpu: Annotated[
        str | None, typer.Option(metavar="CPU", help="Each node's CPU, where --nodes is a number. Default: 16.")
    ] = None
    node_memory: Annotated[
        str | None, typer.Option(metavar="MEMORY", help="Each node's memory, likewise. Default: 32Gi.")
    ] = None
    node_pods: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Pods that each node takes, likewise. Default: 110.")
    ] = None
    node_label: Annotated[
        tuple[str, ...],
        typer.Option(metavar="KEY=VALUE", help="A label of all nodes (with --nodes). May be given again."),
    ] = ()
    node_taint: Annotated[
        tuple[str, ...],
        typer.Option(metavar="KEY=VALUE:EFFECT", help="A taint of all nodes (with --nodes). May be given again."),
    ] = ()
    duration: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Replay only the first seconds of each trace.")
    ] = None

    def scenarios(self, trace: str) -> list[Scenario]:
        """The scenarios of a trace file, or of all in a folder.

        Raises:
            TraceError, ScenarioError, QuantityError: a trace or an option that does not fit.
        """
        from env.problems.scenario import scenario_from_trace
        from env.trace.document import load_trace, trace_files

        nodes = self.pools()
        return [
            scenario_from_trace(
                load_trace(path),
                name=path.name,
                deploy=self.deploy,
                namespace=self.namespace,
                target=self.target,
                nodes=nodes,
                duration_s=self.duration,
            )
            for path in trace_files(trace)
        ]

    def scenario(self, trace: str) -> Scenario:
        """The scenario of one trace file; ConfigError if it is a folder of several."""
        found = self.scenarios(trace)
        if len(found) != 1:
            raise ConfigError(f"{trace}: {len(found)} traces; this command takes one")
        return found[0]

    def pools(self) -> NodePools | None:
        """The nodes that the options say; None: each trace's own.

        Raises:
            ConfigError: not a form of nodes, or options that do not go together.
            QuantityError: a size that is no quantity.
        """
        from env.problems.node_text import is_count, parse_labels, parse_nodes, parse_taints

        sizes = {"--node-cpu": self.node_cpu, "--node-memory": self.node_memory, "--node-pods": self.node_pods}
        given: dict[str, object] = {option: value for option, value in sizes.items() if value is not None}
        if self.nodes is None:
            given |= {f"--node-label {text}": "" for text in self.node_label}
            given |= {f"--node-taint {text}": "" for text in self.node_taint}
            for option, value in given.items():
                raise ConfigError(f"{option} {value}".rstrip() + ": needs --nodes, such as --nodes 3")
            return None
        for option, value in given.items() if not is_count(self.nodes) else ():
            raise ConfigError(f"{option} {value}: the nodes of --nodes {self.nodes} have their own size; leave it out")
        option = f"--nodes {self.nodes}"
        try:
            found = parse_nodes(self.nodes, self._size())
            option = "--node-label"
            labels = parse_labels(self.node_label)
            option = "--node-taint"
            return found.marked(labels, parse_taints(self.node_taint))
        except ScenarioError as error:
            raise ConfigError(f"{option}: {error}") from error

    def _size(self) -> NodePool:
        """The size of nodes of which only the number is said."""
        from env.problems.nodes import NodePool
        from env.quantity import parse_cpu, parse_memory

        size = NodePool()
        return NodePool(
            cpu_m=size.cpu_m if self.node_cpu is None else parse_cpu(self.node_cpu),
            memory_bytes=size.memory_bytes if self.node_memory is None else parse_memory(self.node_memory),
            pods=size.pods if self.node_pods is None else self.node_pods,
        )


@dataclass(frozen=True, kw_only=True)
class WorkloadChoice:
    """The traces to solve, or the kind of problem to generate.

    Raises:
        ConfigError: an environment that does not exist, or traces together with a kind of problem.
    """

    panel: ClassVar[str] = "Workload"

    env: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help=f"Environment: {', '.join(ENVIRONMENTS)}.",
            autocompletion=completion.of(ENVIRONMENTS),
        ),
    ] = CLUSTER
    trace: Annotated[
        tuple[str, ...],
        typer.Option(
            metavar="PATH", help="A trace file, or a folder. May be given again. Default: generated problems."
        ),
    ] = ()
    problem: ProblemOption = None
    replay: ReplayChoice = field(default_factory=ReplayChoice)

    def __post_init__(self) -> None:
        if self.env not in ENVIRONMENTS:
            raise ConfigError(f"--env {self.env}: unknown; {nearest(self.env, ENVIRONMENTS)}")
        if self.trace and self.problem is not None:
            raise ConfigError(f"--problem {self.problem}: generates a trace, but --trace {self.trace[0]} is given")

    def scenarios(self) -> list[Scenario]:
        """A scenario of every trace, in the order given; none if there are no traces.

        Raises:
            TraceError, ScenarioError, QuantityError: a trace or an option that does not fit.
            ConfigError: options about traces, and no trace.
        """
        self.check_needed()
        return [scenario for trace in self.trace for scenario in self.replay.scenarios(trace)]

    def one_scenario(self, seed: int) -> Scenario:
        """The scenario of the one trace given, or the generated one of (problem, seed).

        Raises:
            ConfigError: more than one trace.
        """
        from env.gym.rooms import make_scenario

        scenarios = self.scenarios()
        if not scenarios:
            return make_scenario(self.problem, seed)
        if len(scenarios) != 1:
            raise ConfigError(f"--trace: {len(scenarios)} traces; this command takes one")
        return scenarios[0]

    def check_needed(self) -> None:
        """Refuse another environment, which has no scenarios, and options about traces where there is no trace.

        A wrong value is told first.
        """
        if self.env != CLUSTER:
            raise ConfigError(f"--env {self.env}: has no traces and no generated workloads; here it must be {CLUSTER}")
        self.replay.pools()
        for option in changed(self.replay) if not self.trace else ():
            raise ConfigError(f"{option}: needs --trace; a generated problem brings its own workload and nodes")
