"""A training with `--env doctor`: its settings, and how it is made, of a run and of a job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runner.training.ppo import check_ppo

if TYPE_CHECKING:
    from env.cluster import Cluster
    from runner.commands.run_config import RunConfig
    from runner.rl.train import DoctorTraining
    from runner.training.epochs import WantedEpochs
    from runner.training.trainee import Opened


def settings(units: int, agent: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The learner's settings, filled in."""
    from agents.settings import as_mapping
    from runner.rl.train import doctor_settings

    check_ppo(agent, "doctor")
    return as_mapping(doctor_settings(units, given))


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


def planned(wanted: WantedEpochs) -> DoctorTraining:
    """The plan of a job."""
    from runner.rl.train import DoctorTraining, doctor_settings

    check_ppo(wanted.agent, "doctor")
    return DoctorTraining(
        epochs=wanted.epochs,
        max_steps=wanted.max_steps,
        seed=wanted.seed,
        environments=wanted.environments,
        settings=doctor_settings(wanted.epochs, wanted.agent_settings, epoch_steps=wanted.epoch_steps),
        epoch_steps=wanted.epoch_steps,
        member=wanted.member,
    )


def opened(wanted: RunConfig, cluster: Cluster | None) -> Opened:
    """An untrained training."""
    from runner.commands.console import note
    from runner.rl.evaluator import exam
    from runner.rl.recordings import about
    from runner.training.epochs import EpochTrainee
    from runner.training.trainee import Opened

    episodes, plan = wanted.doctor.exam, doctor_training(wanted)
    for line in about(plan.recordings) if plan.recordings else ():
        note(line)
    return Opened(
        EpochTrainee(plan),
        plan.evaluator() if wanted.validation.evaluate_every else None,
        exam(plan.max_steps, episodes, plan.recordings) if episodes else None,
    )
