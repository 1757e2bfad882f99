"""The DQN's two networks as named arrays, without torch.

Names and shapes are those of `torch.nn.Sequential(Linear, ReLU, Linear, ReLU, Linear)`, so what is made
here can be published by a program that has no torch and is loaded by one that has.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from agents.dqn.settings import DQNSettings
from agents.settings import parse_settings
from env.actions import Action
from env.errors import AgentError
from env.gym.features import STATE_DIM

NETS = ("q_net", "target_net")
TRAINED = f"{NETS[0]}."
"""What the names of the tensors that are trained begin with; the target network is a delayed copy."""

Layout = dict[str, tuple[int, ...]]
Weights = dict[str, npt.NDArray[np.float32]]


def net_layout(settings: DQNSettings) -> Layout:
    """Name -> shape of ONE net, without prefix: "0.weight" (out, in), "0.bias" (out,), "2.weight" …"""
    widths = (STATE_DIM, *settings.hidden, len(Action))
    shapes: Layout = {}
    for layer, (inputs, outputs) in enumerate(pairwise(widths)):
        shapes[f"{2 * layer}.weight"] = (outputs, inputs)
        shapes[f"{2 * layer}.bias"] = (outputs,)
    return shapes


def layout(settings: DQNSettings | Mapping[str, Any] | None = None) -> Layout:
    """Name -> shape of every tensor of both nets: "q_net.0.weight" … "target_net.4.bias".

    Raises:
        AgentError: settings that `parse_settings` refuses.
    """
    if not isinstance(settings, DQNSettings):
        settings = parse_settings(DQNSettings, settings)
    shapes = net_layout(settings)
    return {f"{net}.{name}": shape for net in NETS for name, shape in shapes.items()}


def settings_of(weights: Mapping[str, Any], what: str) -> DQNSettings:
    """Settings with the networks of both nets' tensors, the defaults otherwise.

    Raises:
        AgentError: there are no such layers.
    """
    layers = range(0, 2 * len(weights), 2)
    biases = [weights[name] for layer in layers if (name := f"{NETS[0]}.{layer}.bias") in weights]
    widths = [tuple(getattr(bias, "shape", ())) for bias in biases]
    if len(widths) < 2 or any(len(width) != 1 for width in widths):
        raise AgentError(f"{what}: holds no networks of this kind")
    *hidden, _ = (int(width[0]) for width in widths)
    return DQNSettings(hidden=tuple(hidden))


def initial_weights(shapes: Mapping[str, tuple[int, ...]], seed: int) -> Weights:
    """The weights every member of a federation with this seed starts from; both nets are equal.

    Uniform in ±1/√inputs for weights and biases, as `torch.nn.Linear` does.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    drawn: Weights = {}
    bound = 1.0
    for name, shape in shapes.items():
        net, _, parameter = name.partition(".")
        if net != NETS[0]:
            continue
        if len(shape) == 2:
            bound = 1.0 / math.sqrt(shape[1])
        drawn[parameter] = rng.uniform(-bound, bound, shape).astype(np.float32)
    return {name: drawn[name.partition(".")[2]].copy() for name in shapes}
