"""The settings of a training as a file holds them: the options of `sim-arena train`, by their names.

A user writes one as TOML or JSON for `--config`; the folder of a run has one, with everything that was left open
filled in.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from agents.kinds import DEFAULT, TRAINABLE
from env.errors import ConfigError, nearest, reason
from runner.clusters.choice import EMBEDDED, ClusterChoice
from runner.options import completion
from runner.options.agents import EpisodeChoice, SettingsOption
from runner.options.doctor import DoctorChoice
from runner.options.epochs import EpochsChoice
from runner.options.flatten import build, options_of, values
from runner.options.manifests import STDIN
from runner.options.season import SeasonChoice, SeriesChoice
from runner.options.workload import WorkloadChoice

if TYPE_CHECKING:
    from runner.training.loop import LoopPlan
    from runner.training.training import TrainingConfig

MAX_BYTES = 1 << 20
_EVALUATIONS, _CHECKPOINTS = 20, 10

_GONE = {"runs": "and name the run's folder with --to"}
"""Options of release 0.1, and what is said instead. None of them changes what a run is."""


@dataclass(frozen=True, kw_only=True)
class TrainingChoice:
    """Who is trained, how long and from what."""

    panel: ClassVar[str] = "Training"

    agent: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"{', '.join(TRAINABLE)}. Default: {DEFAULT}, of a season forecast, of a doctor or fleet ppo.",
            autocompletion=completion.of(TRAINABLE),
        ),
    ] = None
    episodes: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Episodes in all. Default: enough for a good DQN.")
    ] = None
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Same seed, same weights.")] = 0
    settings: SettingsOption = field(default_factory=dict)
    weights: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Start from the networks in this .pt file.", autocompletion=completion.files),
    ] = None


_DEFAULT_SIZE = {"node_cpu": "16", "node_memory": "32Gi", "node_pods": 110}
"""What a run's config.json said of nodes where nothing was asked for, when `nodes` was a number only."""


@dataclass(frozen=True, kw_only=True)
class ValidationChoice:
    """How often the agent is evaluated, and when that ends the training."""

    panel: ClassVar[str] = "Evaluation"

    evaluate_every: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="After every N-th episode or epoch; 0: never. Default: 20 times, episodes at least 50 apart.",
        ),
    ] = None
    stop_solved: Annotated[
        float | None, typer.Option(metavar="SHARE", min=0, max=1, help="End once this share is solved, e.g. 0.99.")
    ] = None
    patience: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="End after so many evaluations in a row that are not the best."),
    ] = None

    def __post_init__(self) -> None:
        if self.stop_solved == 0:
            raise ConfigError("stop_solved = 0: every agent solves that share; give one above 0")


@dataclass(frozen=True, kw_only=True)
class CheckpointChoice:
    """How often the run is saved."""

    panel: ClassVar[str] = "Run"

    checkpoint_every: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Keep a checkpoint, of which the last three stay, and draw, after every N-th episode or epoch. "
            "Default: 10 times, episodes at least 50 apart.",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What `sim-arena train` is told. None: left to the program, or to each trace."""

    training: TrainingChoice = field(default_factory=TrainingChoice)
    episode: EpisodeChoice = field(default_factory=EpisodeChoice)
    workload: WorkloadChoice = field(default_factory=WorkloadChoice)
    by_epochs: EpochsChoice = field(default_factory=EpochsChoice)
    doctor: DoctorChoice = field(default_factory=DoctorChoice)
    season: SeasonChoice = field(default_factory=SeasonChoice)
    beside: SeriesChoice = field(default_factory=SeriesChoice)
    validation: ValidationChoice = field(default_factory=ValidationChoice)
    checkpoints: CheckpointChoice = field(default_factory=CheckpointChoice)
    cluster: ClusterChoice = field(default_factory=ClusterChoice)

    @classmethod
    def of(cls, given: Mapping[str, Any], what: str) -> RunConfig:
        """Settings from a mapping, which errors call `what`; ConfigError that names the first key that does not fit."""
        from pydantic import ConfigDict, Field, ValidationError, create_model

        options: dict[str, Any] = {
            option.name: (option.json_type, Field(None, ge=option.info.min, le=option.info.max))
            for option in options_of(cls)
        }
        if type(given.get("nodes")) is int:  # a number of nodes may be written as a number
            given = {**given, "nodes": str(given["nodes"])}
        model: Any = create_model("RunConfig", __config__=ConfigDict(extra="forbid", strict=True), **options)
        try:
            return build(cls, model.model_validate(dict(given)).model_dump(exclude_unset=True))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = ".".join(map(str, first["loc"]))
            if key in _GONE:
                raise ConfigError(f"{what}: {key!r} is of release 0.1; take it out, {_GONE[key]}") from error
            if first["type"] == "extra_forbidden":
                raise ConfigError(f"{what}: {key!r:.80} is unknown; {nearest(key, options)}") from error
            raise ConfigError(f"{what}: {key} = {first['input']!r:.80}: {reason(first)}") from error

    @classmethod
    def read(cls, path: Path) -> RunConfig:
        """Settings from a .toml or .json file; ConfigError if it cannot be read or a key does not fit."""
        return cls.of(_without_default_size(_document(path)), str(path))

    @classmethod
    def of_run(cls, path: Path) -> RunConfig:
        """Settings from the config.json of a run's folder, also of an older release; ConfigError as `read`."""
        given = {name: value for name, value in _document(path).items() if name not in _GONE}
        return cls.of(_without_default_size(given), str(path))

    def over(self, given: Mapping[str, Any]) -> RunConfig:
        """These settings with others over them; agent's settings and SimKube's are merged one by one."""
        mine = self.dump()
        merged = {name: {**mine[name], **given[name]} for name in ("settings", "simkube") if name in given}
        return self.of({**mine, **given, **merged}, "options")

    def dump(self) -> dict[str, Any]:
        """The settings as JSON holds them, by the names of the options."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values(self).items()}

    def filled(self) -> RunConfig:
        """The same with what the number of episodes or epochs decides and the agent's own settings.

        A run has about 20 evaluations and 10 checkpoints, a short one fewer: an evaluation takes as long as the
        training of some hundred episodes. On a real cluster there are none, since a step takes a minute there.

        Raises:
            ConfigError: Two settings contradict each other, or one is of another environment.
            AgentError: An agent that cannot learn there, or a setting that does not fit.
        """
        from runner.commands.environments import environment_kind

        given, kind = self.dump(), environment_kind(self.workload.env)
        kind.check(given, RunConfig().dump())
        if STDIN in self.workload.manifests.filename:
            raise ConfigError(
                "-f -: a run reads its manifests again when it is loaded; make a trace of them with: "
                "sim-arena trace make -f - --to web.sktrace, and give it with --trace web.sktrace"
            )
        self.cluster.check()
        training, validation = self.training, self.validation
        agent, units = training.agent or kind.learner, given[kind.counted_by] or kind.units
        settings = kind.settings(units, agent, training.settings)
        evaluate_every = 0 if self.cluster.cluster != EMBEDDED else max(kind.fewest, units // _EVALUATIONS)
        if validation.evaluate_every is not None:
            evaluate_every = validation.evaluate_every
        for rule in ("stop_solved", "patience"):
            if (limit := getattr(validation, rule)) is not None and evaluate_every == 0:
                raise ConfigError(f"{rule} = {limit}: needs evaluations; give --evaluate-every too")
        return self.over(
            {
                "agent": agent,
                kind.counted_by: units,
                "evaluate_every": evaluate_every,
                "checkpoint_every": self.checkpoints.checkpoint_every or max(kind.fewest, units // _CHECKPOINTS),
                "settings": dict(settings),
            }
        )

    def portable(self) -> RunConfig:
        """The same with absolute paths of what is read."""
        from env.problems.node_text import names_file

        weights = None if self.training.weights is None else str(Path(self.training.weights).resolve())
        read: dict[str, Any] = {"trace": [str(Path(path).resolve()) for path in self.workload.trace]}
        read |= {"weights": weights, "recording": [str(Path(path).resolve()) for path in self.doctor.recording]}
        read["filename"] = [str(Path(path).resolve()) for path in self.workload.manifests.filename]
        nodes = self.workload.replay.nodes
        if nodes is not None and names_file(nodes):
            read["nodes"] = str(Path(nodes).resolve())
        return self.over(read)

    def training_config(self) -> TrainingConfig:
        """What the training is, apart from its scenarios; of filled settings."""
        from runner.training.training import TrainingConfig

        return TrainingConfig(
            agent=self.training.agent or DEFAULT,
            agent_settings=self.training.settings,
            episodes=self.training.episodes or TrainingConfig.episodes,
            steps=self.episode.steps,
            reward=self.episode.reward,
            seed=self.training.seed,
            problem=self.workload.problem,
        )

    def plan(self) -> LoopPlan:
        """When it is looked at and ended; of filled settings."""
        from runner.training.loop import LoopPlan
        from runner.training.validation import StopRule

        stop = StopRule(self.validation.stop_solved, self.validation.patience)
        return LoopPlan(self.validation.evaluate_every or 0, self.checkpoints.checkpoint_every or 1, stop)


def _without_default_size(given: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in given.items() if (name, value) not in _DEFAULT_SIZE.items()}


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
