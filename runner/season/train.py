"""Train an agent in Season-v0: many workloads at a time, in epochs (`runner.training.epochs`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.aggrevate.agent import Aggrevate
from agents.aggrevate.settings import AggrevateSettings
from agents.aggrevate.vector import train as train_advised
from agents.ppo.agent import PPO
from agents.ppo.settings import PPOSettings
from agents.ppo.vector import train as train_ppo
from agents.settings import as_mapping, parse_settings
from agents.spaces import season as season_spaces
from env.errors import AgentError, ConfigError, nearest
from env.interrupt import stop_if_asked
from env.season.advice import Adviser
from env.season.joined import JoinedSeasons, of_kinds
from env.season.season_env import checked_series
from env.season.series import kind_number, measured
from env.season.variants import KAPPA, variant_named
from env.season.vector_env import SeasonVectorEnv
from runner.training.epochs import first_seed
from runner.training.validation import SEED

EPOCH_STEPS = 1 << 16
EPOCHS, ENVIRONMENTS = 60, 256
"""Of a training where nothing else is asked for."""
CAUTION = 2.25
"""Of the adviser. With 1 its pupil is above its request a quarter more often. It pays the same on generated workloads,
and one per cent more on real ones."""
LEARNERS = (Aggrevate.name, PPO.name)

SeasonAgent = Aggrevate | PPO


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
        if self.kinds:
            return JoinedSeasons(of_kinds(self.kinds, self.environments, **self.played))
        return JoinedSeasons([SeasonVectorEnv(self.environments, **self.played)])

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
        if self.series is not None:
            checked_series(measured(self.series), None)
            if self.series.max() > variant.most_peak:
                raise ConfigError(f"series: peaks up to {self.series.max():g} steps; at most {variant.most_peak:g}")
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
            "series": None if self.series is None else sha256(self.series.tobytes()).hexdigest(),
            **self.played,
        }

    def new_agent(self) -> SeasonAgent:
        """An agent that has learned nothing."""
        made = PPO if self.agent == PPO.name else Aggrevate
        return made(seed=self.seed, settings=self.settings, spaces=season_spaces())

    def train(self, agent: SeasonAgent, epoch: int) -> dict[str, float]:
        """Train an epoch; what its last update measured.

        Raises:
            Stopped: A stop was asked for, see `env.interrupt`; the agent is of no more use.
        """
        metrics: dict[str, float] = {}

        def keep(update: Mapping[str, float]) -> None:
            metrics.update(update)
            stop_if_asked()

        envs = self.environments_of_an_epoch()
        seed = first_seed(self, epoch, self.environments, SEED)
        if isinstance(agent, PPO):
            train_ppo(agent, envs, self.epoch_steps, seed=seed, on_update=keep)
        else:
            advisers = [Adviser(part, CAUTION) for part in envs.parts]

            def advice() -> NDArray[np.float64]:
                return np.concatenate([adviser() for adviser in advisers])

            train_advised(agent, envs, advice, self.epoch_steps, seed=seed, on_update=keep)
        return metrics


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
    if agent == Aggrevate.name:
        return as_mapping(parse_settings(AggrevateSettings, {"anneal_steps": steps, **(changed or {})}))
    raise AgentError(f"agent {agent!r}: does not learn --env season; {nearest(agent, LEARNERS)}")
