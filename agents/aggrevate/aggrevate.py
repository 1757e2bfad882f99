"""AggreVaTe (Ross and Bagnell, arXiv 1406.5979), to be read in order.

    repeat:
        play `rollout_steps` steps, likelier actions being those that seem cheap     choose
        in each state, the adviser says what every action costs from there on        Advice
        for some epochs, in minibatches drawn without replacement:                   update
            make the network say by how much each action costs more than the best

The adviser knows what the agent does not see. Where two situations look the same, the network learns the mean of their
costs, and the cheapest action of that is right if all that is hidden became known one step later (QMDP: Littman et
al., ICML 1995). No reward is needed, and no value of a later state is guessed, so one step tells of all actions.

Everything random comes from one NumPy generator, and torch computes on one thread, so that equal seeds give equal bits
on the same kind of CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from agents.adam import Adam
from agents.aggrevate.settings import AggrevateSettings
from agents.spaces import Spaces

Floats = NDArray[np.float32]

Advice = Callable[[], NDArray[np.floating]]
"""What each action costs from here on, now, (environments, actions); only differences within a row count."""
METRICS = ("loss", "excess_cost")


class Costs(nn.Module):
    """By how much each action costs more than the best one."""

    def __init__(self, spaces: Spaces, hidden: tuple[int, ...]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for n, m in pairwise((len(spaces.features), *hidden, len(spaces.actions))):
            # Without its own first weights, which come from torch's global generator.
            linear: nn.Linear = nn.utils.skip_init(nn.Linear, n, m)  # type: ignore[no-untyped-call]
            layers += [linear, nn.ReLU()]
        self.costs = nn.Sequential(*layers[:-1])

    def forward(self, states: Tensor) -> Tensor:
        """(n, features) -> (n, actions)."""
        costs: Tensor = self.costs(states)
        return costs


def choose(costs: Floats, temperature: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """An action for each row of costs, drawn with probability proportional to exp(-cost / temperature).

    With E exponential, argmin(cost / temperature + log E) is such a draw (the Gumbel-max trick).
    """
    noise = rng.standard_exponential(costs.shape, np.float32)
    drawn: NDArray[np.int64] = (costs / np.float32(temperature) + np.log(np.maximum(noise, 1e-30))).argmin(axis=1)
    return drawn


class Advised(NamedTuple):
    """States that the agent got into, and what was said of them: (m, features) and (m, actions)."""

    states: Floats
    costs: Floats


def excess(costs: NDArray[np.floating], most: float) -> Floats:
    """Costs above the row's least one, at most `most`."""
    found: Floats = np.minimum(costs - costs.min(axis=1, keepdims=True), most).astype(np.float32)
    return found


def update(
    network: Costs,
    adam: Adam,
    advised: Advised,
    settings: AggrevateSettings,
    learning_rate: float,
    rng: np.random.Generator,
) -> dict[str, float]:
    """Learn from a rollout; changes the network and the optimizer.

    Returns:
        Means over the gradient steps: `loss`, half the squared error; and `excess_cost`, by how much the action that
        seemed cheapest was worse than the best.
    """
    states, costs = torch.from_numpy(advised.states), torch.from_numpy(excess(advised.costs, settings.most_cost))
    for group in adam.optimizer.param_groups:
        group["lr"] = learning_rate
    steps = []
    for _ in range(settings.epochs):
        order = torch.from_numpy(rng.permutation(len(states)))
        for rows in torch.split(order, settings.minibatch_size):
            said = network(states[rows])
            loss = 0.5 * (said - costs[rows]).square().mean()
            adam.optimizer.zero_grad()
            loss.backward()
            if settings.proximal > 0:
                adam.pull(settings.proximal)
            nn.utils.clip_grad_norm_(network.parameters(), settings.max_gradient)
            adam.optimizer.step()
            with torch.no_grad():
                steps.append(torch.stack([loss, costs[rows].gather(1, said.argmin(1, keepdim=True)).mean()]))
    means = torch.stack(steps).mean(0).tolist() if steps else [0.0] * len(METRICS)
    return dict(zip(METRICS, means, strict=True))
