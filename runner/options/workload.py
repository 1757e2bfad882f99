"""What is to be solved: traces, or generated problems, and on which nodes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from env import ENVIRONMENTS
from env.errors import ConfigError, nearest
from env.problems.draw import PROBLEMS
from env.problems.rooms.kinds import ANY, ANY_ROOM, NAMES, ROOMS
from env.workload import KINDS, parse_workload
from runner.options import completion
from runner.options.flatten import changed
from runner.options.manifests import ManifestsChoice
from runner.options.nodes import NodesChoice

if TYPE_CHECKING:
    from env.problems.scenario import Scenario
    from env.trace.document import Trace

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
class ReplayChoice(NodesChoice):
    """Which workload of a trace, on which nodes, how long; None leaves it to the trace.

    Attributes:
        duration: Seconds.
    """

    panel: ClassVar[str] = "Workload"

    deploy: Annotated[
        str | None, typer.Option(metavar="NAME", help="The Deployment to fix, where a trace holds several.")
    ] = None
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", metavar="NAME", help="Its namespace.")] = None
    workload: Annotated[
        str | None,
        typer.Option(
            metavar="KIND/NS/NAME",
            help=f"A workload of another kind to fix: {', '.join(KINDS[1:])}; such as StatefulSet/shop/db.",
        ),
    ] = None
    target: Annotated[int | None, typer.Option(metavar="N", min=1, help="Pods that should be ready.")] = None
    duration: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Replay only the first seconds of each trace.")
    ] = None

    def scenarios(self, trace: str) -> list[Scenario]:
        """The scenarios of a trace file, or of all in a folder.

        Raises:
            TraceError, ScenarioError, QuantityError: a trace or an option that does not fit.
        """
        from env.trace.document import load_trace, trace_files

        return [self.scenario_of(load_trace(path), path.name) for path in trace_files(trace)]

    def scenario_of(self, trace: Trace, name: str) -> Scenario:
        """The scenario of a trace, with that name; errors as of `scenarios`."""
        from env.problems.scenario import scenario_from_trace

        return scenario_from_trace(
            trace,
            name=name,
            **self.named(),
            target=self.target,
            nodes=self.pools(),
            duration_s=self.duration,
        )

    def named(self) -> dict[str, str | None]:
        """Kind, namespace and name of the workload, as `scenario_from_trace` takes them.

        Raises:
            ConfigError: options that do not go together, or not a form of a workload.
        """
        if self.workload is None:
            return {"kind": None, "namespace": self.namespace, "deploy": self.deploy}
        kind, namespace, name = parse_workload(self.workload)
        if self.deploy is not None:
            raise ConfigError(f"--workload {self.workload}: names the workload, and so does --deploy {self.deploy}")
        if namespace is not None and self.namespace is not None:
            raise ConfigError(f"--workload {self.workload}: holds the namespace; leave --namespace out")
        return {"kind": kind, "namespace": namespace or self.namespace, "deploy": name}

    def scenario(self, trace: str) -> Scenario:
        """The scenario of one trace file; ConfigError if it is a folder of several."""
        found = self.scenarios(trace)
        if len(found) != 1:
            raise ConfigError(f"{trace}: {len(found)} traces; this command takes one")
        return found[0]


@dataclass(frozen=True, kw_only=True)
class WorkloadChoice:
    """The traces or manifests to solve, or the kind of problem to generate.

    Raises:
        ConfigError: an environment that does not exist, or two of traces, manifests and a kind of problem.
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
    manifests: ManifestsChoice = field(default_factory=ManifestsChoice)
    problem: ProblemOption = None
    replay: ReplayChoice = field(default_factory=ReplayChoice)

    def __post_init__(self) -> None:
        if self.env not in ENVIRONMENTS:
            raise ConfigError(f"--env {self.env}: unknown; {nearest(self.env, ENVIRONMENTS)}")
        if self.source and self.problem is not None:
            raise ConfigError(f"--problem {self.problem}: generates a trace, but {self.source} is given")
        if self.trace and self.manifests.filename:
            raise ConfigError(f"--trace {self.trace[0]}: cannot be had together with {self.source}; leave one out")

    @property
    def source(self) -> str:
        """The first option that says what is solved, as it was typed; "" where problems are generated."""
        given = [f"-f {path}" for path in self.manifests.filename] + [f"--trace {path}" for path in self.trace]
        return given[0] if given else ""

    def scenarios(self) -> list[Scenario]:
        """A scenario of every trace, in the order given, or of the manifests; none if there are none.

        Raises:
            TraceError, ManifestError, ScenarioError, QuantityError: a trace or an option that does not fit.
            ConfigError: options about traces, and no trace.
        """
        self.check_needed()
        made = self.manifests.trace()
        if made is not None:
            return [self.replay.scenario_of(made, made.name.rstrip("/").rpartition("/")[2])]
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
        for option in changed(self.replay) if not self.source else ():
            raise ConfigError(f"{option}: needs --trace or -f; a generated problem brings its own workload and nodes")
