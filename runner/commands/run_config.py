"""The settings of a training as a file holds them: the options of `sim-arena train`, by their names.

A user writes one as TOML or JSON for `--config`; the folder of a run has one, with everything that was left open
filled in.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.kinds import DEFAULT, agent_kind
from env.errors import ConfigError, nearest, reason
from runner.clusters.choice import ClusterChoice
from runner.clusters.simkube import TRACE_DIR
from runner.options.flatten import build
from runner.options.workload import WorkloadChoice

if TYPE_CHECKING:
    from runner.training.loop import LoopPlan
    from runner.training.training import TrainingConfig

MAX_BYTES = 1 << 20
_EVALUATIONS, _CHECKPOINTS, _FEWEST = 20, 10, 50

_GONE = {"runs": "and name the run's folder with --to"}
"""Options of release 0.1, and what is said instead. None of them changes what a run is."""

Count = Annotated[int, Field(ge=1)]


class RunConfig(BaseModel):
    """What `sim-arena train` is told. None: left to the program, or to each trace."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    agent: str = DEFAULT
    episodes: Count | None = None
    steps: Count = 100
    reward: str = "shaped"
    problem: str | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    settings: dict[str, Any] = {}
    weights: str | None = None
    env: str = "cluster"
    trace: list[str] = []
    deploy: str | None = None
    namespace: str | None = None
    target: Count | None = None
    nodes: Count | None = None
    node_cpu: str = "16"
    node_memory: str = "32Gi"
    node_pods: Count = 110
    duration: float | None = None
    evaluate_every: Annotated[int, Field(ge=0)] | None = None
    stop_solved: Annotated[float, Field(gt=0, le=1)] | None = None
    patience: Count | None = None
    checkpoint_every: Count | None = None
    cluster: str = "embedded"
    kube_context: str | None = None
    trace_dir: str = TRACE_DIR
    trace_bucket: str | None = None
    simkube: dict[str, Any] = {}

    @classmethod
    def of(cls, values: Mapping[str, Any], what: str) -> RunConfig:
        """Settings from a mapping, which errors call `what`; ConfigError that names the first key that does not fit."""
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = ".".join(map(str, first["loc"]))
            if key in _GONE:
                raise ConfigError(f"{what}: {key!r} is of release 0.1; take it out, {_GONE[key]}") from error
            if first["type"] == "extra_forbidden":
                raise ConfigError(f"{what}: {key!r:.80} is unknown; {nearest(key, RunConfig.model_fields)}") from error
            raise ConfigError(f"{what}: {key} = {first['input']!r:.80}: {reason(first)}") from error

    @classmethod
    def read(cls, path: Path) -> RunConfig:
        """Settings from a .toml or .json file; ConfigError if it cannot be read or a key does not fit."""
        return cls.of(_document(path), str(path))

    @classmethod
    def of_run(cls, path: Path) -> RunConfig:
        """Settings from the config.json of a run's folder, also of one that release 0.1 made; ConfigError as `read`."""
        return cls.of({name: value for name, value in _document(path).items() if name not in _GONE}, str(path))

    def over(self, given: Mapping[str, Any]) -> RunConfig:
        """These settings with others over them; agent's settings and SimKube's are merged one by one."""
        merged = {name: {**getattr(self, name), **given[name]} for name in ("settings", "simkube") if name in given}
        return self.of({**self.model_dump(), **given, **merged}, "options")

    def filled(self) -> RunConfig:
        """The same with what the number of episodes decides and the agent's own settings; ConfigError if two settings
        contradict each other.

        A run has about 20 evaluations and 10 checkpoints, a short one fewer: an evaluation takes as long as the
        training of some hundred episodes. On a real cluster there are none, since a step takes a minute there.
        """
        from runner.training.training import TrainingConfig

        self.workload()
        self.cluster_choice().check()
        episodes = self.episodes or TrainingConfig.episodes
        evaluate_every = 0 if self.cluster != "embedded" else max(_FEWEST, episodes // _EVALUATIONS)
        if self.evaluate_every is not None:
            evaluate_every = self.evaluate_every
        rule = "stop_solved" if self.stop_solved is not None else "patience" if self.patience is not None else None
        if rule is not None and evaluate_every == 0:
            raise ConfigError(f"{rule} = {getattr(self, rule)}: needs evaluations; give --evaluate-every too")
        checkpoint_every = self.checkpoint_every or max(_FEWEST, episodes // _CHECKPOINTS)
        return self.over(
            {
                "episodes": episodes,
                "evaluate_every": evaluate_every,
                "checkpoint_every": checkpoint_every,
                "settings": agent_kind(self.agent).filled(self.settings),
            }
        )

    def portable(self) -> RunConfig:
        """The same with absolute paths of what is read."""
        weights = None if self.weights is None else str(Path(self.weights).resolve())
        return self.over({"trace": [str(Path(path).resolve()) for path in self.trace], "weights": weights})

    def workload(self) -> WorkloadChoice:
        """What is to be solved; ConfigError if two settings contradict each other."""
        return build(WorkloadChoice, self.model_dump())

    def cluster_choice(self) -> ClusterChoice:
        """Where traces are replayed; ConfigError if a setting belongs to another backend."""
        return build(ClusterChoice, self.model_dump())

    def training(self) -> TrainingConfig:
        """What the training is, apart from its scenarios; of filled settings."""
        from runner.training.training import TrainingConfig

        return TrainingConfig(
            agent=self.agent,
            agent_settings=self.settings,
            episodes=self.episodes or TrainingConfig.episodes,
            steps=self.steps,
            reward=self.reward,
            seed=self.seed,
            problem=self.problem,
        )

    def plan(self) -> LoopPlan:
        """When it is looked at and ended; of filled settings."""
        from runner.training.loop import LoopPlan
        from runner.training.validation import StopRule

        stop = StopRule(self.stop_solved, self.patience)
        return LoopPlan(self.evaluate_every or 0, self.checkpoint_every or 1, stop)


def _document(path: Path) -> Mapping[str, Any]:
    """What is in the file: TOML if its name says so, else JSON."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_BYTES >> 20} MiB; a config has a few lines")
    try:
        document = tomllib.loads(data.decode()) if path.suffix == ".toml" else json.loads(data)
    except (ValueError, RecursionError) as error:
        kind = "TOML" if path.suffix == ".toml" else "JSON"
        raise ConfigError(f"{path}: no {kind} ({' '.join(str(error).split())})") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: holds a {type(document).__name__}, not names and values")
    return document
