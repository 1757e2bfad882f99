"""What is to be solved: traces, or generated problems, and on which nodes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from env.errors import ConfigError, nearest
from env.problems.draw import PROBLEMS
from runner.options import completion
from runner.options.flatten import changed

if TYPE_CHECKING:
    from env.problems.scenario import NodePool, Scenario

ENVIRONMENTS = ("cluster",)
"""What `--env` may say: one Deployment on one cluster, as `docs/gym.md` describes it."""


ProblemOption = Annotated[
    str | None,
    typer.Option(
        metavar="KIND",
        help=f"Generate this kind: {', '.join(PROBLEMS)}. Default: any.",
        autocompletion=completion.of(PROBLEMS),
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
        int | None, typer.Option(metavar="N", min=1, help="Virtual nodes. Default: the trace's own, else 3.")
    ] = None
    node_cpu: Annotated[str, typer.Option(metavar="CPU", help="Each node's CPU (with --nodes).")] = "16"
    node_memory: Annotated[str, typer.Option(metavar="MEMORY", help="Each node's memory (with --nodes).")] = "32Gi"
    node_pods: Annotated[int, typer.Option(metavar="N", min=1, help="Pods a node takes (with --nodes).")] = 110
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

        return [
            scenario_from_trace(
                load_trace(path),
                name=path.name,
                deploy=self.deploy,
                namespace=self.namespace,
                target=self.target,
                nodes=self._pool(),
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

    def node_size(self) -> tuple[int, int]:
        """A node's CPU in m and memory in bytes; QuantityError if one of them is no quantity."""
        from env.quantity import parse_cpu, parse_memory

        return parse_cpu(self.node_cpu), parse_memory(self.node_memory)

    def _pool(self) -> NodePool | None:
        from env.problems.scenario import NodePool

        return None if self.nodes is None else NodePool(self.nodes, *self.node_size(), self.node_pods)


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
    ] = ENVIRONMENTS[0]
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
        from env.problems.generate import generate_scenario

        scenarios = self.scenarios()
        if not scenarios:
            return generate_scenario(self.problem, seed)
        if len(scenarios) != 1:
            raise ConfigError(f"--trace: {len(scenarios)} traces; this command takes one")
        return scenarios[0]

    def check_needed(self) -> None:
        """Refuse options about traces where there is no trace; a wrong value is told first."""
        self.replay.node_size()
        for option in changed(self.replay) if not self.trace else ():
            raise ConfigError(f"{option}: needs --trace; a generated problem brings its own workload and nodes")
