"""What an agent is told of an environment: what a state and an action are."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from env import ENV_ID
from env.actions import Action
from env.gym.features import STATE_FEATURES


@dataclass(frozen=True)
class Spaces:
    """The states and actions of an environment with a Box of float32 (features,) and Discrete(actions).

    Attributes:
        id: As Gymnasium knows the environment, such as "SimArena/Cluster-v0".
        features: Names of a state's numbers, in their order.
        actions: Names of the actions, by index.
        masked: Whether `info["action_mask"]` says after every reset and step which actions are allowed: bool
            (actions,), at least one of them true; in a vector environment (num_envs, actions).
        spread: Where features are shares, within [0, 1], as (mean, standard deviation, the same of the logarithm) of
            each: see `env.doctor.spread`. Networks are told them centred and scaled. Empty: as they are.
        partial: Whether a state leaves out what was seen before and still matters. Agents then remember their last
            action.
    """

    id: str
    features: tuple[str, ...]
    actions: tuple[str, ...]
    masked: bool = False
    spread: tuple[tuple[float, float, float, float], ...] = ()
    partial: bool = False

    @property
    def schema(self) -> str:
        """SHA-256 of all but the id: equal where a model can be used."""
        parts = {name: part for name, part in asdict(self).items() if name != "id"}
        text = json.dumps(parts, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


CLUSTER = Spaces(ENV_ID, STATE_FEATURES, tuple(action.name.lower() for action in Action))
"""Of `env.gym.cluster_env`."""


def doctor() -> Spaces:
    """Of `env.doctor`, whose feature module needs the compiler and so is imported only here."""
    from env import DOCTOR_ID
    from env.doctor.actions import DoctorAction
    from env.doctor.features import FEATURES
    from env.doctor.spread import SPREAD

    actions = tuple(action.name.lower() for action in DoctorAction)
    return Spaces(DOCTOR_ID, FEATURES, actions, masked=True, spread=SPREAD, partial=True)


def season() -> Spaces:
    """Of `env.season`, whose feature module needs the compiler and so is imported only here."""
    from env import SEASON_ID
    from env.season.features import FEATURES
    from env.season.variants import JUMPS

    actions = tuple("keep" if jump == 0 else f"{'add' if jump > 0 else 'remove'}_{abs(jump)}" for jump in JUMPS)
    return Spaces(SEASON_ID, FEATURES, actions)


def fleet(variant: str = "small") -> Spaces:
    """Of `env.fleet` in a variant, whose modules need the compiler and so are imported only here."""
    from env import FLEET_ID
    from env.fleet.features import feature_names
    from env.fleet.variants import JUMPS, variant_named

    of = variant_named(variant)
    jumps = ["keep" if jump == 0 else f"{'add' if jump > 0 else 'remove'}_{abs(jump)}" for jump in JUMPS]
    actions = tuple(f"{jump}_{j + 1}" for j in range(of.most) for jump in jumps)
    return Spaces(FLEET_ID, feature_names(of), actions, masked=True, partial=True)
