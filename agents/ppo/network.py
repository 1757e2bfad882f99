"""The actor's and the critic's tensors by name, without torch.

Names and shapes are those of `torch.nn.Sequential(Linear, Tanh, Linear, Tanh, Linear)`, so what is made here can be
published by a program that has no torch and is loaded by one that has.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from agents.ppo.memory import memory_size
from agents.ppo.settings import PPOSettings
from agents.settings import parse_settings
from agents.spaces import CLUSTER, Spaces
from env.errors import AgentError

ACTOR, CRITIC = "actor", "critic"
TRAINED = ""
"""What the names of the tensors that are trained begin with: all."""
_LAST_OF_ACTOR = 0.01  # so that all actions are about equally likely at first (Andrychowicz et al., ICLR 2021)

Layout = dict[str, tuple[int, ...]]
Weights = dict[str, npt.NDArray[np.float32]]


def inputs(spaces: Spaces) -> int:
    """Numbers that a network gets for a state; `agents.ppo.ppo.encoded` says which."""
    return len(spaces.features) * (2 if spaces.spread else 1) + memory_size(spaces)


def layout(settings: PPOSettings | Mapping[str, Any] | None = None, spaces: Spaces = CLUSTER) -> Layout:
    """Name -> shape of every tensor of both nets: "actor.0.weight" (out, in), "actor.0.bias" (out,), …

    Raises:
        AgentError: settings that `parse_settings` refuses.
    """
    if not isinstance(settings, PPOSettings):
        settings = parse_settings(PPOSettings, settings)
    shapes: Layout = {}
    for net, outputs in ((ACTOR, len(spaces.actions)), (CRITIC, 1)):
        for layer, (n, m) in enumerate(pairwise((inputs(spaces), *settings.hidden, outputs))):
            shapes[f"{net}.{2 * layer}.weight"] = (m, n)
            shapes[f"{net}.{2 * layer}.bias"] = (m,)
    return shapes


def settings_of(weights: Mapping[str, Any], what: str) -> PPOSettings:
    """Settings with the layers of these tensors, the defaults otherwise.

    Raises:
        AgentError: there are no such layers.
    """
    names = (f"{ACTOR}.{layer}.bias" for layer in range(0, 2 * len(weights), 2))
    widths = [tuple(getattr(weights[name], "shape", ())) for name in names if name in weights]
    if len(widths) < 2 or any(len(width) != 1 for width in widths):
        raise AgentError(f"{what}: holds no networks of this kind")
    *hidden, _ = (int(width[0]) for width in widths)
    return PPOSettings(hidden=tuple(hidden))


def initial_weights(shapes: Mapping[str, tuple[int, ...]], seed: int) -> Weights:
    """The weights every member of a federation with this seed starts from.

    Uniform with variance 1 / inputs (LeCun et al., 1998), biases 0, the actor's last layer a hundredth of that. CleanRL
    draws orthogonal matrices; their factorisation would give other bits on other machines.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    last = max((name for name in shapes if name.startswith(ACTOR) and name.endswith("weight")), key=_number)
    drawn: Weights = {}
    for name, shape in shapes.items():
        if len(shape) == 1:
            drawn[name] = np.zeros(shape, np.float32)
            continue
        bound = math.sqrt(3.0 / shape[1]) * (_LAST_OF_ACTOR if name == last else 1.0)
        drawn[name] = rng.uniform(-bound, bound, shape).astype(np.float32)
    return drawn


def _number(name: str) -> int:
    return int(name.split(".")[1])
