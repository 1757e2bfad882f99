"""The network's tensors by name, without torch.

Names and shapes are those of `torch.nn.Sequential(Linear, ReLU, Linear, ReLU, Linear)`, so what is made here can be
published by a program that has no torch and is loaded by one that has.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from agents.forecast.settings import ForecastSettings
from agents.settings import parse_settings
from agents.spaces import CLUSTER, Spaces
from env.errors import AgentError

NET = "forecast"
TRAINED = ""
"""What the names of the tensors that are trained begin with: all."""

Layout = dict[str, tuple[int, ...]]
Weights = dict[str, npt.NDArray[np.float32]]


def layout(settings: ForecastSettings | Mapping[str, Any] | None = None, spaces: Spaces = CLUSTER) -> Layout:
    """Name -> shape of every tensor: "forecast.0.weight" (out, in), "forecast.0.bias" (out,), …

    Raises:
        AgentError: settings that `parse_settings` refuses.
    """
    if not isinstance(settings, ForecastSettings):
        settings = parse_settings(ForecastSettings, settings)
    shapes: Layout = {}
    for layer, (n, m) in enumerate(pairwise((len(spaces.features), *settings.hidden, len(spaces.actions) + 1))):
        shapes[f"{NET}.{2 * layer}.weight"] = (m, n)
        shapes[f"{NET}.{2 * layer}.bias"] = (m,)
    return shapes


def settings_of(weights: Mapping[str, Any], what: str) -> ForecastSettings:
    """Settings with the layers of these tensors, the defaults otherwise.

    Raises:
        AgentError: there are no such layers.
    """
    names = (f"{NET}.{layer}.bias" for layer in range(0, 2 * len(weights), 2))
    widths = [tuple(getattr(weights[name], "shape", ())) for name in names if name in weights]
    if len(widths) < 2 or any(len(width) != 1 for width in widths):
        raise AgentError(f"{what}: holds no network of this kind")
    *hidden, _ = (int(width[0]) for width in widths)
    return ForecastSettings(hidden=tuple(hidden))


def initial_weights(shapes: Mapping[str, tuple[int, ...]], seed: int) -> Weights:
    """The weights every member of a federation with this seed starts from.

    Uniform with variance 2 / inputs (He et al., 2015), biases 0.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    drawn: Weights = {}
    for name, shape in shapes.items():
        bound = math.sqrt(6.0 / shape[1]) if len(shape) == 2 else 0.0
        drawn[name] = rng.uniform(-bound, bound, shape).astype(np.float32)
    return drawn
