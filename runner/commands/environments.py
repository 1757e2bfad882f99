"""The one list of environments: who learns there, how a training is counted and made, what else commands do there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from agents.kinds import DEFAULT, agent_kind, check_learns_from_rewards, check_trainable
from env.errors import AgentError, ConfigError, nearest
from runner.clusters.choice import ClusterChoice
from runner.commands.episode_request import EpisodeRequest, check_not_of_season
from runner.options.doctor import DoctorChoice
from runner.options.epochs import EpochsChoice
from runner.options.flatten import changed, flag, options_of
from runner.options.season import KINDS as SEASON_KINDS
from runner.options.season import SeasonChoice, SeriesChoice
from runner.options.workload import CLUSTER, WorkloadChoice

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from env.cluster import Cluster
    from runner.commands.run_config import RunConfig
    from runner.rl.train import DoctorTraining
    from runner.season.train import SeasonTraining
    from runner.training.epochs import EpochPlan, WantedEpochs
    from runner.training.trainee import Evaluator, Exam, Trainee


class Opened(NamedTuple):
    """An untrained training, what it is evaluated on, and the exam at its end."""

    training: Trainee
    evaluator: Evaluator | None = None
    exam: Exam | None = None


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
        plan: Makes the plan of a job's training by epochs; None: jobs are trained there by episodes.
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


def _cluster_settings(units: int, agent: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    check_learns_from_rewards(agent)
    return agent_kind(agent).filled(given)


def _open_cluster(wanted: RunConfig, cluster: Cluster | None) -> Opened:
    from runner.training.training import Training
    from runner.training.validation import Validation, validation_problems

    workload, episode = wanted.workload, wanted.episode
    scenarios = workload.scenarios()
    training = Training(wanted.training_config(), scenarios or None, cluster)
    if not wanted.validation.evaluate_every:
        return Opened(training)
    problems = scenarios or validation_problems(workload.problem)
    return Opened(training, Validation(problems, episode.steps, episode.reward, cluster))


_DOCTORS_LEARNER = "ppo"


def _doctor_settings(units: int, agent: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    from agents.settings import as_mapping
    from runner.rl.train import doctor_settings

    _check_doctors_learner(agent)
    return as_mapping(doctor_settings(units, given))


def _check_doctors_learner(agent: str) -> None:
    if agent != _DOCTORS_LEARNER:
        check_trainable(agent)
        raise AgentError(f"agent {agent!r}: does not learn --env doctor; {_DOCTORS_LEARNER} does")


def doctor_training(wanted: RunConfig) -> DoctorTraining:
    """What a training of a doctor is, of filled settings."""
    from agents.ppo.settings import PPOSettings
    from agents.settings import parse_settings
    from runner.rl.recordings import read
    from runner.rl.train import ENVIRONMENTS, EPOCHS, DoctorTraining

    return DoctorTraining(
        epochs=wanted.by_epochs.epochs or EPOCHS,
        max_steps=wanted.episode.steps,
        seed=wanted.training.seed,
        environments=wanted.by_epochs.environments or ENVIRONMENTS,
        settings=parse_settings(PPOSettings, wanted.training.settings),
        recordings=tuple(read(wanted.doctor.recording)),
    )


def _plan_doctor(wanted: WantedEpochs) -> DoctorTraining:
    from runner.rl.train import DoctorTraining, doctor_settings

    _check_doctors_learner(wanted.agent)
    for name, given in (("kind", wanted.kinds), ("environment setting", wanted.settings)):
        if given:
            raise ConfigError(f"{name} {next(iter(given))!r}: --env doctor has none; leave it out")
    if wanted.series is not None:
        raise ConfigError("series: --env doctor is not trained on any; leave them out")
    return DoctorTraining(
        epochs=wanted.epochs,
        max_steps=wanted.max_steps,
        seed=wanted.seed,
        environments=wanted.environments,
        settings=doctor_settings(wanted.epochs, wanted.agent_settings, epoch_steps=wanted.epoch_steps),
        epoch_steps=wanted.epoch_steps,
        member=wanted.member,
    )


def _open_doctor(wanted: RunConfig, cluster: Cluster | None) -> Opened:
    from runner.commands.console import note
    from runner.rl.evaluator import DoctorEvaluator, exam
    from runner.rl.recordings import about
    from runner.training.epochs import EpochTrainee

    episodes, plan = wanted.doctor.exam, doctor_training(wanted)
    for line in about(plan.recordings) if plan.recordings else ():
        note(line)
    return Opened(
        EpochTrainee(plan),
        DoctorEvaluator(plan.max_steps, recordings=plan.recordings) if wanted.validation.evaluate_every else None,
        exam(plan.max_steps, episodes, plan.recordings) if episodes else None,
    )


_SEASONS_LEARNER = "forecast"


def _season_settings(units: int, agent: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    from runner.season.train import season_settings

    check_trainable(agent)
    return season_settings(agent, units, given)


def season_training(wanted: RunConfig) -> SeasonTraining:
    """What a training in a season is, of filled settings."""
    from env.season.variants import checked_kappa
    from runner.season.train import ENVIRONMENTS, EPOCHS, SeasonTraining

    season, file = wanted.season, wanted.beside.series
    played = {} if season.variant is None else {"variant": season.variant}
    return SeasonTraining(
        epochs=wanted.by_epochs.epochs or EPOCHS,
        seed=wanted.training.seed,
        environments=wanted.by_epochs.environments or ENVIRONMENTS,
        agent=wanted.training.agent or _SEASONS_LEARNER,
        settings=wanted.training.settings,
        variant=season.variant or _VARIANT,
        kappa=checked_kappa(season.kappa),
        kinds=(season.kind,) if season.kind else (),
        beside=None if file is None else _read_season_series(Path(file), played),
    ).checked()


_VARIANT = "memory"
_MOST_ENVIRONMENTS = 2048
"""Of a job."""


def _open_season(wanted: RunConfig, cluster: Cluster | None) -> Opened:
    from runner.season.evaluator import SeasonEvaluator
    from runner.training.epochs import EpochTrainee

    plan = season_training(wanted)
    evaluator = None
    if wanted.validation.evaluate_every:
        evaluator = SeasonEvaluator(kind=wanted.season.kind, **plan.played)
    return Opened(EpochTrainee(plan), evaluator)


def _plan_season(wanted: WantedEpochs) -> SeasonTraining:
    from env.season.variants import checked_kappa
    from runner.season.train import SeasonTraining, season_settings

    check_trainable(wanted.agent)
    if wanted.environments > _MOST_ENVIRONMENTS:
        raise ConfigError(f"environments {wanted.environments}: a job in a season has at most {_MOST_ENVIRONMENTS:,}")
    for name in wanted.settings.keys() - {"variant", "kappa"}:
        raise ConfigError(f"environment setting {name!r:.80}: --env season has none; there are variant and kappa")
    return SeasonTraining(
        epochs=wanted.epochs,
        seed=wanted.seed,
        environments=wanted.environments,
        agent=wanted.agent,
        settings=season_settings(wanted.agent, wanted.epochs, wanted.agent_settings, epoch_steps=wanted.epoch_steps),
        variant=wanted.settings.get("variant", _VARIANT),
        kappa=checked_kappa(wanted.settings.get("kappa")),
        kinds=tuple(wanted.kinds),
        epoch_steps=wanted.epoch_steps,
        member=wanted.member,
        series=wanted.series,
    ).checked()


def _read_season_series(path: Path, settings: Mapping[str, Any]) -> NDArray[np.float64]:
    from env.season.real import read_series
    from env.season.variants import variant_named

    return read_series(path, variant_named(settings.get("variant", _VARIANT))).series.peaks


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
            settings=_cluster_settings,
            open=_open_cluster,
        ),
        EnvironmentKind(
            name="doctor",
            learner=_DOCTORS_LEARNER,
            unit="epoch",
            units=100,
            fewest=1,
            options=_names(EpochsChoice, DoctorChoice) | {"steps"},
            settings=_doctor_settings,
            open=_open_doctor,
            plan=_plan_doctor,
            evaluate=_evaluate_doctors,
            episode=_play_doctor,
        ),
        EnvironmentKind(
            name="season",
            learner=_SEASONS_LEARNER,
            unit="epoch",
            units=60,
            fewest=1,
            options=_names(EpochsChoice, SeasonChoice, SeriesChoice),
            settings=_season_settings,
            open=_open_season,
            plan=_plan_season,
            episode=_play_season,
            kinds=SEASON_KINDS,
            read_series=_read_season_series,
        ),
    )
}


def environment_kind(name: str) -> EnvironmentKind:
    """The kind of a name; ConfigError, with the nearest name, if there is none."""
    if name not in KINDS:
        raise ConfigError(f"--env {name}: unknown; {nearest(name, KINDS)}")
    return KINDS[name]
