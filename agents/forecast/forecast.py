"""Learning to forecast, to be read in order.

    repeat:
        play `rollout_steps` steps, likelier actions being those that seem cheap     choose
        in each state, be told how probably use will be above each request           Told
        for some epochs, in minibatches drawn without replacement:                   update
            make the network say these probabilities, and how typical the request is

What is told knows the law that the agent does not see. Where two situations look the same, the network learns the mean,
which is the probability for one who sees no more: cross-entropy is a proper score (Gneiting & Raftery, "Strictly proper
scoring rules, prediction, and estimation", JASA 2007). No reward is needed, and no value of a later state is guessed,
so one step tells of all actions.

Everything random comes from one NumPy generator, and torch computes on one thread, so that equal seeds give equal bits
on the same kind of CPU.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from agents.adam import Adam
from agents.forecast.settings import ForecastSettings
from agents.spaces import Spaces

Floats = NDArray[np.float32]

METRICS = ("loss", "held_loss")


class Forecast(nn.Module):
    """Of each action the logit of use above the request that it leaves; last the logarithm of request over typical."""

    def __init__(self, spaces: Spaces, hidden: tuple[int, ...]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for n, m in pairwise((len(spaces.features), *hidden, len(spaces.actions) + 1)):
            # Without its own first weights, which come from torch's global generator.
            linear: nn.Linear = nn.utils.skip_init(nn.Linear, n, m)  # type: ignore[no-untyped-call]
            layers += [linear, nn.ReLU()]
        self.forecast = nn.Sequential(*layers[:-1])

    def forward(self, states: Tensor) -> Tensor:
        """(n, features) -> (n, actions + 1)."""
        said: Tensor = self.forecast(states)
        return said


def choose(costs: Floats, temperature: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """An action for each row of costs, drawn with probability proportional to exp(-cost / temperature).

    With E exponential, argmin(cost / temperature + log E) is such a draw (the Gumbel-max trick).
    """
    noise = rng.standard_exponential(costs.shape, np.float32)
    drawn: NDArray[np.int64] = (costs / np.float32(temperature) + np.log(np.maximum(noise, 1e-30))).argmin(axis=1)
    return drawn


class Told(NamedTuple):
    """States that the agent got into, and what was told of them.

    Attributes:
        states: (m, features).
        above: How probably use is above the request that an action leaves, (m, actions).
        held: The logarithm of the request over the typical peak, (m,).
    """

    states: Floats
    above: Floats
    held: Floats


def update(
    network: Forecast,
    adam: Adam,
    told: Told,
    settings: ForecastSettings,
    learning_rate: float,
    rng: np.random.Generator,
) -> dict[str, float]:
    """Learn from a rollout; changes the network and the optimizer.

    Returns:
        Means over the gradient steps: `loss`, the cross-entropy of the probabilities; and `held_loss`, half the squared
        error of the logarithm of request over typical.
    """
    states, above, held = (torch.from_numpy(each) for each in told)
    for group in adam.optimizer.param_groups:
        group["lr"] = learning_rate
    steps = []
    for _ in range(settings.epochs):
        order = torch.from_numpy(rng.permutation(len(states)))
        for rows in torch.split(order, settings.minibatch_size):
            said = network(states[rows])
            loss = binary_cross_entropy_with_logits(said[:, :-1], above[rows])
            held_loss = 0.5 * (said[:, -1] - held[rows]).square().mean()
            adam.optimizer.zero_grad()
            (loss + held_loss).backward()
            if settings.proximal > 0:
                adam.pull(settings.proximal)
            nn.utils.clip_grad_norm_(network.parameters(), settings.max_gradient)
            adam.optimizer.step()
            steps.append(torch.stack([loss.detach(), held_loss.detach()]))
    means = torch.stack(steps).mean(0).tolist() if steps else [0.0] * len(METRICS)
    return dict(zip(METRICS, means, strict=True))
