"""Train an agent in Season-v0: many workloads at a time, in epochs (`runner.training.epochs`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.forecast.agent import Forecaster
from agents.forecast.settings import ForecastSettings
from agents.forecast.vector import train as train_told
from agents.ppo.agent import PPO
from agents.ppo.settings import PPOSettings
from agents.ppo.vector import train as train_ppo
from agents.settings import as_mapping, parse_settings
from agents.spaces import season as season_spaces
from env.errors import AgentError, ConfigError, nearest
from env.season.joined import JoinedSeasons, of_kinds
from env.season.laws import RANGES
from env.season.real import LEAST_STEPS
from env.season.season_env import checked_series
from env.season.series import kind_number, measured
from env.season.truth import Told, Truth
from env.season.variants import KAPPA, Variant, variant_named
from env.season.vector_env import SeasonVectorEnv
from runner.season.evaluator import SeasonEvaluator
from runner.training.epochs import first_seed, last_measured
from runner.training.validation import SEED

EPOCH_STEPS = 1 << 16
EPOCHS, ENVIRONMENTS = 60, 256
"""Of a training where nothing else is asked for."""
ONE_OF, SIZES = 8, 20
"""One of so many environments plays series beside generated workloads, each as of so many sizes."""
LEARNERS = (Forecaster.name, PPO.name)

SeasonAgent = Forecaster | PPO


@dataclass(frozen=True)
class SeasonTraining:
    """What a training is; everything random follows from `seed`.

    Attributes:
        epochs: How many.
        seed: Of the first weights, and of all that is drawn.
        environments: Workloads that are stepped together.
        agent: The name of who learns, one of LEARNERS.
        settings: Of the agent.
        variant, kappa: As in `env.season.season_env.SeasonEnv`.
        kinds: Of what is generated, as many workloads of each as of any other; none: any kind.
        epoch_steps: Environment steps of an epoch, of all environments together.
        member: Its place in a federation.
        series: Recorded peaks, in steps, to train on in place of generated ones, float64 (n, windows); None: there are
            none.
        beside: The same, which an eighth of the environments play beside what the others do, as of many sizes.
    """

    epochs: int
    seed: int
    environments: int
    agent: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    variant: str = "memory"
    kappa: float = KAPPA
    kinds: tuple[str, ...] = ()
    epoch_steps: int = EPOCH_STEPS
    member: int = 0
    series: NDArray[np.float64] | None = None
    beside: NDArray[np.float64] | None = None

    @property
    def played(self) -> dict[str, Any]:
        """What is played, as SeasonEnv takes it, but for kinds and series."""
        return {"variant": self.variant, "kappa": self.kappa}

    def environments_of_an_epoch(self) -> JoinedSeasons:
        """New ones.

        Raises:
            ConfigError: There is no such variant or kind, or the series cannot be played.
        """
        if self.series is not None:
            recorded = measured(self.series)
            return JoinedSeasons([SeasonVectorEnv(self.environments, series=recorded, **self.played)])
        beside = 0 if self.beside is None else -(-self.environments // ONE_OF)
        parts = of_kinds(self.kinds or (None,), self.environments - beside, **self.played)
        if self.beside is not None:
            recorded = measured(of_many_sizes(self.beside, variant_named(self.variant)))
            parts.append(SeasonVectorEnv(beside, series=recorded, **self.played))
        return JoinedSeasons(parts)

    def checked(self) -> SeasonTraining:
        """Itself, if it can be played.

        Raises:
            ConfigError: There is no such variant or kind, series of another length or with impossible peaks, or more
                kinds than environments.
        """
        variant = variant_named(self.variant)
        for kind in self.kinds:
            kind_number(kind)
        if len(self.kinds) > self.environments:
            raise ConfigError(f"environments {self.environments}: must be as many as kinds, {len(self.kinds)}")
        for series in (self.series, self.beside):
            if series is not None:
                checked_series(measured(series), None)
                if series.max() > variant.most_peak:
                    raise ConfigError(f"series: peaks up to {series.max():g} steps; at most {variant.most_peak:g}")
        if self.beside is not None and self.environments < 2:
            raise ConfigError("environments 1: with series beside generated workloads it takes 2 at least")
        return self

    def identity(self) -> dict[str, Any]:
        """What must be equal for a training to be gone on with."""
        return {
            "seed": self.seed,
            "environments": self.environments,
            "epoch_steps": self.epoch_steps,
            "agent": self.agent,
            "settings": dict(self.settings),
            "kinds": list(self.kinds),
            "series": _digest(self.series),
            **({} if self.beside is None else {"beside": _digest(self.beside)}),
            **self.played,
        }

    def new_agent(self) -> SeasonAgent:
        """An agent that has learned nothing."""
        made = PPO if self.agent == PPO.name else Forecaster
        return made(seed=self.seed, settings=self.settings, spaces=season_spaces())

    def train(self, agent: SeasonAgent, epoch: int) -> dict[str, float]:
        """Train an epoch; what its last update measured.

        Raises:
            Stopped: A stop was asked for, see `env.interrupt`; the agent is of no more use.
        """
        envs = self.environments_of_an_epoch()
        seed = first_seed(self, epoch, self.environments, SEED)
        if isinstance(agent, PPO):
            return last_measured(partial(train_ppo, agent, envs, self.epoch_steps, seed=seed))
        tellers = [Truth(part) for part in envs.parts]

        def told() -> Told:
            return Told(*(np.concatenate(parts) for parts in zip(*(teller() for teller in tellers), strict=True)))

        return last_measured(partial(train_told, agent, envs, told, self.epoch_steps, seed=seed))

    def evaluator(self) -> SeasonEvaluator:
        """Workloads that no training draws, of its kind where it has only one."""
        return SeasonEvaluator(kind=self.kinds[0] if len(self.kinds) == 1 else None, **self.played)


def of_many_sizes(peaks: NDArray[np.float64], variant: Variant) -> NDArray[np.float64]:
    """Copies of series whose typical peaks are spread as those of generated workloads are: as many for each series."""
    low, high = np.log(RANGES[variant.name].base)
    copies = np.repeat(peaks, SIZES, axis=0)
    typical = np.exp(np.random.default_rng(0).uniform(low, high, len(copies)))
    sized: NDArray[np.float64] = copies * (typical / np.median(copies, axis=1))[:, None]
    return sized.clip(LEAST_STEPS, variant.most_peak)


def _digest(series: NDArray[np.float64] | None) -> str | None:
    return None if series is None else sha256(series.tobytes()).hexdigest()


def season_settings(
    agent: str, epochs: int, changed: Mapping[str, Any] | None = None, *, epoch_steps: int = EPOCH_STEPS
) -> dict[str, Any]:
    """An agent's settings for this environment, chosen by short trainings; step sizes fall to the end.

    Args:
        agent: One of LEARNERS.
        epochs: Of the training.
        changed: Others than these, by name.
        epoch_steps: Environment steps of an epoch.

    Raises:
        AgentError: It is none of them, or a setting is out of range.
    """
    steps = epochs * epoch_steps
    if agent == PPO.name:
        given: dict[str, Any] = {
            "rollout_steps": 1 << 14,
            "minibatch_size": 1 << 11,
            "epochs": 3,
            "anneal_steps": steps,
            "gamma": 0.9,
            "gae_lambda": 0.9,
            **(changed or {}),
        }
        return as_mapping(parse_settings(PPOSettings, given))
    if agent == Forecaster.name:
        return as_mapping(parse_settings(ForecastSettings, {"anneal_steps": steps, **(changed or {})}))
    raise AgentError(f"agent {agent!r}: does not learn --env season; {nearest(agent, LEARNERS)}")
