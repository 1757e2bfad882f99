"""The one list of environments: who learns there, how a training is counted and made, what else commands do there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.kinds import DEFAULT
from env.errors import AgentError, ConfigError, nearest
from runner.clusters.choice import ClusterChoice
from runner.commands import training_of_cluster, training_of_doctor, training_of_fleet, training_of_season
from runner.commands.episode_request import EpisodeRequest, check_not_of_season
from runner.options.doctor import DoctorChoice
from runner.options.epochs import EpochsChoice
from runner.options.flatten import changed, flag, options_of
from runner.options.season import KINDS as SEASON_KINDS
from runner.options.season import SETTINGS, SeasonChoice, SeriesChoice
from runner.options.workload import CLUSTER, WorkloadChoice
from runner.training.ppo import LEARNER as PPO

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from env.cluster import Cluster
    from runner.commands.run_config import RunConfig
    from runner.training.epochs import EpochPlan, WantedEpochs
    from runner.training.trainee import Opened


@dataclass(frozen=True)
class EnvironmentKind:
    """An environment that can be trained.

    Attributes:
        name: As `--env` has it.
        learner: The agent that is trained if no other is asked for.
        unit: What a training is counted in; the option that says how many is its plural.
        units: How many, if nothing else is asked for.
        fewest: Units between two evaluations or checkpoints, at least.
        options: Those of `sim-arena train` that only some environments take, and this one does.
        settings: The learner's settings filled in, of the run's units and of the agent's name and settings.
        open: Makes the training of filled settings.
        plan: Makes the plan of a job's training by epochs; None: no job is trained there by epochs.
        kinds: Of what is generated there, one of which each member of a federation may have; none: there is one only.
        read_series: Reads a file of recorded series, for settings of the environment; None: it has no such files.
        evaluate, episode: What `sim-arena evaluate` and `episode` do there; None: they play scenarios, as they are.
    """

    name: str
    learner: str
    unit: str
    units: int
    fewest: int
    options: frozenset[str]
    settings: Callable[[int, str, Mapping[str, Any]], Mapping[str, Any]]
    open: Callable[[RunConfig, Cluster | None], Opened]
    plan: Callable[[WantedEpochs], EpochPlan[Any]] | None = None
    kinds: tuple[str, ...] = ()
    read_series: Callable[[Path, Mapping[str, Any]], NDArray[np.float64]] | None = None
    evaluate: Callable[..., None] | None = None
    episode: Callable[[EpisodeRequest], None] | None = None

    @property
    def counted_by(self) -> str:
        """The option that says how many units a training has."""
        return f"{self.unit}s"

    def check(self, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
        """Refuse options that only other environments take.

        Args:
            given: A run's settings, by the names of the options.
            defaults: Those of a run that nothing was said about.

        Raises:
            ConfigError: One is given.
        """
        for other in KINDS.values():
            for name in sorted(other.options - self.options):
                if given[name] != defaults[name]:
                    raise ConfigError(f"{flag(name)}: is of --env {other.name}; leave it out with --env {self.name}")

    def planned(self, wanted: WantedEpochs) -> EpochPlan[Any]:
        """The plan of a job's training by epochs.

        Raises:
            ConfigError, AgentError: No job is trained here by epochs, or there is no such agent, kind or setting here.
        """
        if self.plan is None:
            raise ConfigError(f"--env {self.name}: is not trained by epochs")
        for kind in wanted.kinds if not self.kinds else ():
            raise ConfigError(f"kind {kind!r:.80}: --env {self.name} has none; leave it out")
        known = [name for name in SETTINGS if name in self.options]
        for name in sorted(wanted.settings.keys() - known):
            has = f"has only {' and '.join(known)}" if known else "has none"
            raise ConfigError(f"environment setting {name!r:.80}: --env {self.name} {has}; leave it out")
        if wanted.series is not None and self.read_series is None:
            raise ConfigError(f"series: --env {self.name} is not trained on any; leave them out")
        return self.plan(wanted)

    def check_played(self, *choices: Any, **others: object) -> None:
        """Refuse options of commands that play scenarios, which this environment has none of.

        Args:
            choices: Of such options.
            others: Further ones by name; None where not given.

        Raises:
            ConfigError: One is given.
        """
        given = [option for choice in choices for option in changed(choice) if option != "--env"]
        for option in (*given, *(flag(name) for name, value in others.items() if value is not None)):
            raise ConfigError(f"{option}: is of --env {CLUSTER}; leave it out with --env {self.name}")


def _evaluate_doctors(names: Sequence[str], **options: Any) -> None:
    from runner.commands.of_doctor import evaluate

    evaluate(names, **options)


def _play_doctor(request: EpisodeRequest) -> None:
    from runner.commands.of_doctor import episode

    KINDS["doctor"].check_played(request.workload, request.cluster, to=request.to)
    check_not_of_season("doctor", request.season)
    if request.agent is None:
        raise AgentError("--agent: name the file of a model; --env doctor has none of its own")
    episode(request.agent, seed=request.seed, steps=request.steps or 100, as_json=request.as_json)


def _play_season(request: EpisodeRequest) -> None:
    from runner.commands.season_episode import episode

    KINDS["season"].check_played(request.workload)
    episode(request)


def _play_fleet(request: EpisodeRequest) -> None:
    from runner.commands.fleet_episode import episode

    KINDS["fleet"].check_played(request.workload, request.cluster, to=request.to)
    episode(request)


def _names(*choices: type) -> frozenset[str]:
    """The options of these choices, by their names in a run's settings."""
    return frozenset(option.name for choice in choices for option in options_of(choice)) - {"env"}


KINDS: Mapping[str, EnvironmentKind] = {
    kind.name: kind
    for kind in (
        EnvironmentKind(
            name=CLUSTER,
            learner=DEFAULT,
            unit="episode",
            units=10_000,
            fewest=50,
            options=_names(WorkloadChoice, ClusterChoice) | {"episodes", "steps", "reward"},
            settings=training_of_cluster.settings,
            open=training_of_cluster.opened,
        ),
        EnvironmentKind(
            name="doctor",
            learner=PPO,
            unit="epoch",
            units=100,
            fewest=1,
            options=_names(EpochsChoice, DoctorChoice) | {"steps"},
            settings=training_of_doctor.settings,
            open=training_of_doctor.opened,
            plan=training_of_doctor.planned,
            evaluate=_evaluate_doctors,
            episode=_play_doctor,
        ),
        EnvironmentKind(
            name="season",
            learner=training_of_season.LEARNER,
            unit="epoch",
            units=60,
            fewest=1,
            options=_names(EpochsChoice, SeasonChoice, SeriesChoice),
            settings=training_of_season.settings,
            open=training_of_season.opened,
            plan=training_of_season.planned,
            episode=_play_season,
            kinds=SEASON_KINDS,
            read_series=training_of_season.read_series,
        ),
        EnvironmentKind(
            name="fleet",
            learner=PPO,
            unit="epoch",
            units=30,
            fewest=1,
            options=_names(EpochsChoice) | {"variant"},
            settings=training_of_fleet.settings,
            open=training_of_fleet.opened,
            plan=training_of_fleet.planned,
            episode=_play_fleet,
        ),
    )
}


def environment_kind(name: str) -> EnvironmentKind:
    """The kind of a name; ConfigError, with the nearest name, if there is none."""
    if name not in KINDS:
        raise ConfigError(f"--env {name}: unknown; {nearest(name, KINDS)}")
    return KINDS[name]
