"""Truth files: what a real control plane decided, step by step, to hold the engine against.

JSON Lines, one scenario a line:

    {"id": "dev-0", "kind": "single",
     "nodes": [{"name": "n0", "cpu": "8", "memory": "32Gi",
                "pods": 110, "labels": {}, "taints": [], "unschedulable": false}],
     "steps": [[object, ...], ...],
     "outcome": [{"failed_scheduling": [message, ...],
                  "workloads": {"web": {"nodes": {"n0": 4}, "pending": 0, "ready": 4, "succeeded": 0, "total": 4,
                                        "revisions": {"700m|3776Mi": 4}}}}, ...]}

A step's objects are applied in their order, all into one namespace; its outcome is what was there when the cluster
had settled. `failed_scheduling` holds every distinct message that the scheduler gave in a FailedScheduling Event since
the scenario began, sorted: Events outlive their pods, so that the list never shrinks from one step to the next. A
workload without pods is left out of `workloads`. Pods of a Job stay after they have succeeded, and still count for
their node.

A PriorityClass may be one of the objects. Those in PRIORITY_CLASSES need not be: they are there from the beginning.

Several lines with the same id, kind, nodes and steps are recordings of one scenario (see `recorded_sets`). A scenario
that could not be recorded has no `outcome`, but the reason in `unrecorded`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from env.engine.manifests.resource_names import is_counted
from env.errors import QuantityError, TruthError, reason
from env.quantity import canonical, parse_cpu, parse_memory
from env.words import count

Manifest = dict[str, Any]

MAX_LINE_BYTES = 64 * 2**20
MAX_SCENARIOS = 100_000
MAX_NODES = 10_000
MAX_STEPS = 10_000
MAX_OBJECTS = 10_000
MAX_MESSAGE = 4096

# Recorded scenarios name this class without saying its value. They show that its pods preempt those without a class,
# whose priority is 0, and nothing else about it; so any value above 0 decides alike.
PRIORITY_CLASSES: Mapping[str, int] = {"truth-high": 1000}

Name = Annotated[str, Field(min_length=1, max_length=253)]
Message = Annotated[str, Field(max_length=MAX_MESSAGE)]
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]


class _Record(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class RecordedTaint(_Record):
    """A node's taint."""

    key: Name
    value: str | None = None
    effect: Annotated[str, Field(pattern="^(NoSchedule|PreferNoSchedule|NoExecute)$")]


class RecordedNode(_Record):
    """A node and what it can allocate; `cpu` and `memory` as Kubernetes quantities.

    Other resources stand beside them by their names: `"nvidia.com/gpu": "1"`, `"ephemeral-storage": "20Gi"`.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, str]

    name: Name
    cpu: str
    memory: str
    pods: Count = 110
    labels: dict[str, str] = {}
    taints: list[RecordedTaint] = []
    unschedulable: bool = False

    @field_validator("cpu", "memory")
    @classmethod
    def _is_quantity(cls, text: str) -> str:
        try:
            parse_cpu(text), parse_memory(text)
        except QuantityError as error:
            raise ValueError(str(error)) from None
        return text

    @model_validator(mode="after")
    def _has_resources(self) -> Self:
        for name, text in self.resources.items():
            if not is_counted(name):
                raise ValueError(f"{name!r:.80} is no field, and no resource that a scheduler counts")
            try:
                parse_memory(text)
            except QuantityError as error:
                raise ValueError(f"{name}: {error}") from None
        return self

    @property
    def resources(self) -> dict[str, str]:
        """Resources besides CPU and memory."""
        return self.__pydantic_extra__


class WorkloadOutcome(_Record):
    """A workload's pods: how many there are in which state, on which node, of which revision (see `revision`)."""

    nodes: dict[str, Count]
    pending: Count
    ready: Count
    succeeded: Count
    total: Count
    revisions: dict[str, Count]


class RecordedOutcome(_Record):
    """What was there when the cluster had settled after a step."""

    failed_scheduling: Annotated[list[Message], Field(max_length=100_000)]
    workloads: dict[str, WorkloadOutcome]


class RecordedScenario(_Record):
    """Nodes, what is applied step by step, and the outcome of each step; none where it is still to be recorded.

    Attributes:
        unrecorded: Why the cluster gave no outcomes, such as that a step did not settle.
    """

    id: Name
    kind: Name
    nodes: Annotated[list[RecordedNode], Field(max_length=MAX_NODES)]
    steps: Annotated[
        list[Annotated[list[Manifest], Field(max_length=MAX_OBJECTS)]], Field(min_length=1, max_length=MAX_STEPS)
    ]
    outcome: list[RecordedOutcome] = []
    unrecorded: Message = ""

    @field_validator("nodes")
    @classmethod
    def _have_names_of_their_own(cls, nodes: list[RecordedNode]) -> list[RecordedNode]:
        if len({node.name for node in nodes}) < len(nodes):
            raise ValueError("two of the same name")
        return nodes

    @field_validator("steps")
    @classmethod
    def _are_objects(cls, steps: list[list[Manifest]]) -> list[list[Manifest]]:
        for i, step in enumerate(steps):
            for j, manifest in enumerate(step):
                metadata = manifest.get("metadata")
                texts = (manifest.get("apiVersion"), manifest.get("kind"), _get(metadata, "name"))
                if not all(isinstance(text, str) and text for text in texts):
                    raise ValueError(f"[{i}][{j}] must have apiVersion, kind and metadata.name")
        return steps

    def to_json(self) -> Manifest:
        """The scenario as a line holds it: fields not given stay away."""
        return self.model_dump(mode="json", exclude_unset=True)

    def to_play(self) -> RecordedScenario:
        """The scenario without what a recording found."""
        return RecordedScenario(id=self.id, kind=self.kind, nodes=self.nodes, steps=self.steps)


def read_truth(path: Path, *, recorded: bool = True) -> list[RecordedScenario]:
    """The scenarios of a file.

    Args:
        path: A file as described above.
        recorded: Whether each must have an outcome for every step, or say why it has none.

    Raises:
        TruthError: Unreadable, or a line is not such a scenario; names file and line.
    """
    try:
        with path.open("rb") as file:
            scenarios = [_scenario(line, f"{path}, line {number}", recorded) for number, line in _lines(file, path)]
    except OSError as error:
        raise TruthError(f"{path}: cannot be read ({error.strerror})") from error
    if not scenarios:
        raise TruthError(f"{path}: holds no scenario; expected one JSON object a line")
    return scenarios


def recorded_sets(scenarios: Iterable[RecordedScenario]) -> list[list[RecordedScenario]]:
    """The recordings of each scenario, both in the order of the file: those of the same id, kind, nodes and steps."""
    sets: dict[bytes, list[RecordedScenario]] = {}
    for scenario in scenarios:
        key = hashlib.sha256(truth_line(scenario.to_play()).encode("utf-8", "surrogatepass")).digest()
        sets.setdefault(key, []).append(scenario)
    return list(sets.values())


def truth_line(scenario: RecordedScenario) -> str:
    """The scenario as a line of a truth file, with its line end."""
    return json.dumps(scenario.to_json(), sort_keys=True, ensure_ascii=False) + "\n"


def revision(pod_spec: Mapping[str, Any]) -> str:
    """What `revisions` counts pods by: CPU and memory that its first container requests, in canonical form.

    A request that is missing is the limit, as the API server has it; "-" where there is neither.

    Raises:
        QuantityError: A quantity that Kubernetes would refuse.
    """
    containers = pod_spec.get("containers") or [{}]
    resources = containers[0].get("resources") or {}
    asked = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return "|".join(canonical(asked[name]) if name in asked else "-" for name in ("cpu", "memory"))


def priority_classes(steps: Iterable[Sequence[Manifest]]) -> list[Manifest]:
    """The PriorityClass objects to begin with: those of PRIORITY_CLASSES that no step brings itself."""
    brought = {
        manifest["metadata"]["name"] for step in steps for manifest in step if manifest["kind"] == "PriorityClass"
    }
    return [
        {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": value}
        for name, value in PRIORITY_CLASSES.items()
        if name not in brought
    ]


def _lines(file: BinaryIO, path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines that hold something, from 1 on."""
    for number in range(1, 2 * MAX_SCENARIOS):
        line = file.readline(MAX_LINE_BYTES + 1)
        if not line:
            return
        if len(line) > MAX_LINE_BYTES:
            raise TruthError(f"{path}, line {number}: longer than {MAX_LINE_BYTES // 2**20} MiB")
        if line.strip():
            yield number, line
    raise TruthError(f"{path}: more than {MAX_SCENARIOS:,} scenarios; split the file")


def _scenario(line: bytes, place: str, recorded: bool) -> RecordedScenario:
    try:
        scenario = RecordedScenario.model_validate(json.loads(line))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise TruthError(f"{place}: {_path(first['loc'])}: {reason(first)}") from error
    except (ValueError, RecursionError) as error:
        raise TruthError(f"{place}: not JSON ({error})") from error
    if scenario.unrecorded and scenario.outcome:
        raise TruthError(f"{place}: has both outcomes and unrecorded; take one of them out")
    if recorded and not scenario.unrecorded and len(scenario.outcome) != len(scenario.steps):
        raise TruthError(
            f"{place}: {count(len(scenario.outcome), 'outcome')} for "
            f"{count(len(scenario.steps), 'step')}; record it first, "
            "with sim-arena truth record"
        )
    return scenario


def _path(location: Sequence[int | str]) -> str:
    return ".".join(str(part) for part in location) or "the line"


def _get(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None
