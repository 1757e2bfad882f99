"""PPO, proximal policy optimisation (Schulman et al., arXiv 1707.06347), as CleanRL writes it: to be read in order.

    repeat:
        act with the policy for `rollout_steps` steps                      Rollout, sample
        how much better was each action than the critic expected?          advantages
        for some epochs, in minibatches drawn without replacement:         update
            make good actions likelier and bad ones less likely, but stop  loss
            where the new policy is `clip` away from the one that acted
            move the critic towards the returns

Everything random comes from one NumPy generator, and torch computes on one thread, so that equal seeds give equal bits
on the same kind of CPU.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from agents.ppo.memory import memory_size
from agents.ppo.network import inputs
from agents.ppo.settings import PPOSettings
from agents.spaces import Spaces
from env.doctor.spread import LEAST_SHARE

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

_FORBIDDEN = -1e8  # a logit whose probability is 0 in float32, and whose product with that is 0 and not NaN
_MOST_LOG_RATIO = 20.0  # exp of it is finite
METRICS = ("loss", "policy_loss", "value_loss", "entropy", "approx_kl", "clip_fraction")


class ActorCritic(nn.Module):
    """Two networks without common layers: the actor gives a logit for each action, the critic a state's value."""

    def __init__(self, spaces: Spaces, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self._spread = torch.tensor(spaces.spread).reshape(-1, 4).T
        self.actor = _layers((inputs(spaces), *hidden, len(spaces.actions)))
        self.critic = _layers((inputs(spaces), *hidden, 1))

    def logits(self, states: Tensor, masks: Tensor | None) -> Tensor:
        """(n, actions); those that the masks forbid get probability 0."""
        logits: Tensor = self.actor(self._inputs(states))
        return logits if masks is None else logits.masked_fill(~masks, _FORBIDDEN)

    def values(self, states: Tensor) -> Tensor:
        """(n,), the expected discounted return, of scaled rewards."""
        values: Tensor = self.critic(self._inputs(states))
        return values.squeeze(-1)

    def _inputs(self, states: Tensor) -> Tensor:
        if not (n := self._spread.shape[1]):
            return states
        return torch.cat([encoded(states[..., :n], self._spread), states[..., n:]], -1)


def encoded(shares: Tensor, spread: Tensor) -> Tensor:
    """(…, n) within [0, 1] -> (…, 2 n): each x and its log(1 + 1000 x), with mean 0 and variance 1 over random play.

    To a network that sees x alone, one pod of a thousand is next to nothing: it needs weights in the hundreds to tell
    it from none. And products, such as pods times the share of them that fails, are sums of logarithms.

    Args:
        spread: (4, n), of `Spaces.spread`.
    """
    mean, deviation, log_mean, log_deviation = spread
    logs = torch.log1p(shares / LEAST_SHARE) / math.log1p(1 / LEAST_SHARE)
    return torch.cat([(shares - mean) / deviation, (logs - log_mean) / log_deviation], -1)


def _layers(widths: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n, m in pairwise(widths):
        # Without its own first weights, which come from torch's global generator.
        linear: nn.Linear = nn.utils.skip_init(nn.Linear, n, m)  # type: ignore[no-untyped-call]
        layers += [linear, nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def sample(logits: Floats, rng: np.random.Generator) -> tuple[NDArray[np.int64], Floats]:
    """An action for each row of logits, drawn by their softmax, and its log-probability.

    With E exponential, argmax(logit - log E) is such a draw (the Gumbel-max trick).
    """
    noise = rng.standard_exponential(logits.shape, np.float32)
    actions = (logits - np.log(np.maximum(noise, np.float32(1e-30)))).argmax(axis=1)
    return actions, log_probs_of(logits, actions)


def log_probs_of(logits: Floats, actions: NDArray[np.int64]) -> Floats:
    """The logarithm of the probability of an action of each row, (n,)."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    chosen = np.take_along_axis(shifted, actions[:, None], 1)[:, 0]
    found: Floats = chosen - np.log(np.exp(shifted).sum(axis=1))
    return found


class Rollout(NamedTuple):
    """What happened in n environments for T steps: arrays of shape (T, n, …).

    An episode's last state is a row of `next_states` like any other, so the value of a truncated episode is
    bootstrapped and that of a terminated one is not.
    """

    states: Floats
    """With what the agent remembered then, as `agents.ppo.memory.told` joins them; so are `next_states`."""
    actions: NDArray[np.int64]
    log_probs: Floats
    """Of the actions, under the policy that took them."""
    rewards: Floats
    next_states: Floats
    terminated: Bools
    ended: Bools
    """Terminated or truncated."""
    taken: Bools
    """False where the environment was being reset and ignored the action: nothing is learned from that."""
    masks: Bools
    """(T, n, actions): which actions were allowed."""

    @classmethod
    def empty(cls, steps: int, environments: int, spaces: Spaces) -> Rollout:
        """Memory for so many steps."""
        shape, width = (steps, environments), len(spaces.features) + memory_size(spaces)
        return cls(
            states=np.zeros((*shape, width), np.float32),
            actions=np.zeros(shape, np.int64),
            log_probs=np.zeros(shape, np.float32),
            rewards=np.zeros(shape, np.float32),
            next_states=np.zeros((*shape, width), np.float32),
            terminated=np.zeros(shape, np.bool_),
            ended=np.zeros(shape, np.bool_),
            taken=np.ones(shape, np.bool_),
            masks=np.ones((*shape, len(spaces.actions)), np.bool_),
        )


def advantages(rollout: Rollout, values: Floats, next_values: Floats, settings: PPOSettings) -> Floats:
    """Generalised advantage estimation (Schulman et al., ICLR 2016, eq. 16), (T, n).

    A_t = delta_t + gamma lambda A_{t+1} up to the episode's end or the rollout's, with
    delta_t = r_t + gamma V(s_{t+1}) - V(s_t) and V = 0 after a terminated episode; r_t is scaled by `reward_scale`.
    """
    s = settings
    deltas = s.reward_scale * rollout.rewards + s.gamma * next_values * ~rollout.terminated - values
    carried = s.gamma * s.gae_lambda * ~rollout.ended
    found = np.empty_like(values)
    following = np.zeros_like(values[0])
    for t in reversed(range(len(values))):
        found[t] = following = deltas[t] + carried[t] * following
    return found


class Batch(NamedTuple):
    """Steps of a rollout with what they are to teach, (m, …) each."""

    states: Tensor
    actions: Tensor
    """(m, 1)."""
    log_probs: Tensor
    advantages: Tensor
    returns: Tensor
    masks: Tensor


def normalised(given: Floats) -> Floats:
    """With mean 0 and variance 1; of a single one, and of equal ones, only what can be had without dividing by 0."""
    if len(given) < 2:
        return given
    found: Floats = (given - given.mean()) / (given.std() + np.float32(1e-8))
    return found


def loss(network: ActorCritic, batch: Batch, masked: bool, entropy_weight: float, settings: PPOSettings) -> Tensor:
    """The loss of a minibatch and its parts, as `METRICS` names them; the first one has the gradient."""
    log_probs = network.logits(batch.states, batch.masks if masked else None).log_softmax(1)
    entropy = -(log_probs.exp() * log_probs).sum(1).mean()
    log_ratios = log_probs.gather(1, batch.actions).squeeze(1) - batch.log_probs
    ratios = log_ratios.clamp(-_MOST_LOG_RATIO, _MOST_LOG_RATIO).exp()
    clipped = ratios.clamp(1.0 - settings.clip, 1.0 + settings.clip)
    policy_loss = -torch.minimum(ratios * batch.advantages, clipped * batch.advantages).mean()
    value_loss = 0.5 * (network.values(batch.states) - batch.returns).square().mean()
    total = policy_loss + settings.value * value_loss - entropy_weight * entropy
    with torch.no_grad():
        approx_kl = (ratios - 1.0 - log_ratios).mean()  # http://joschu.net/blog/kl-approx.html
        clip_fraction = (ratios != clipped).float().mean()
    return torch.stack([total, policy_loss, value_loss, entropy, approx_kl, clip_fraction])


def update(
    network: ActorCritic,
    optimizer: torch.optim.Optimizer,
    rollout: Rollout,
    settings: PPOSettings,
    *,
    masked: bool,
    learning_rate: float,
    entropy_weight: float,
    anchor: Mapping[str, Tensor],
    rng: np.random.Generator,
) -> dict[str, float]:
    """Learn from a rollout; changes the network and the optimizer.

    Args:
        masked: Whether the rollout's masks count.
        learning_rate, entropy_weight: What their schedules say now.
        anchor: Weights that `proximal` pulls to.
        rng: Orders the steps in each epoch.

    Returns:
        Means over the gradient steps, of `METRICS` and of `gradient_norm`, before it is clipped; and
        `explained_variance`, the share of the returns' variance that the critic knew before the update.
    """
    with torch.no_grad():
        values, next_values = (
            network.values(torch.from_numpy(states)).numpy() for states in (rollout.states, rollout.next_states)
        )
    gained = advantages(rollout, values, next_values, settings)
    taken, returns = rollout.taken, gained + values
    whole = Batch(
        torch.from_numpy(rollout.states[taken]),
        torch.from_numpy(rollout.actions[taken])[:, None],
        torch.from_numpy(rollout.log_probs[taken]),
        torch.from_numpy(normalised(gained[taken])),
        torch.from_numpy(returns[taken]),
        torch.from_numpy(rollout.masks[taken]),
    )
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    parameters = list(network.parameters())
    steps = []
    for _ in range(settings.epochs):
        order = torch.from_numpy(rng.permutation(len(whole.states)))
        shuffled = (torch.split(column[order], settings.minibatch_size) for column in whole)
        for columns in zip(*shuffled, strict=True):
            losses = loss(network, Batch(*columns), masked, entropy_weight, settings)
            optimizer.zero_grad()
            losses[0].backward()  # type: ignore[no-untyped-call]
            if settings.proximal > 0:
                for name, parameter in network.named_parameters():
                    assert parameter.grad is not None  # noqa: S101 (all take part in the loss)
                    parameter.grad += settings.proximal * (parameter.detach() - anchor[name])
            norm = nn.utils.clip_grad_norm_(parameters, settings.max_gradient)
            optimizer.step()
            steps.append(torch.cat([losses.detach(), norm[None]]))
    means = torch.stack(steps).mean(0).tolist() if steps else [0.0] * (len(METRICS) + 1)
    explained = _explained_variance(values[taken], returns[taken])
    return dict(zip((*METRICS, "gradient_norm"), means, strict=True)) | {"explained_variance": explained}


def _explained_variance(values: Floats, returns: Floats) -> float:
    """1 for a critic that knew the returns, 0 for one that knew no more than their mean, also where all are equal."""
    variance = float(returns.var()) if len(returns) else 0.0
    return 1.0 - float((returns - values).var()) / variance if variance > 0 else 0.0
