"""The compiled arithmetic against torch: the same gradients and the same Adam."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import smooth_l1_loss

from agents.dqn import kernel
from agents.dqn.kernel import Batch, Columns, Moments, Networks, Objective, Workspace
from env.actions import Action
from env.gym.features import STATE_DIM

ACTIONS = len(Action)


class Reference(nn.Module):
    """The same network in torch."""

    def __init__(self, widths: list[int], vector: np.ndarray) -> None:  # type: ignore[type-arg]
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(n, m) for n, m in pairwise(widths))
        at = 0
        for layer, (n, m) in zip(self.layers, pairwise(widths), strict=True):
            assert isinstance(layer, nn.Linear)
            layer.weight.data = torch.from_numpy(vector[at : at + n * m].reshape(n, m).T.copy())
            layer.bias.data = torch.from_numpy(vector[at + n * m : at + n * m + m].copy())
            at += n * m + m

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        last: torch.Tensor = self.layers[-1](x)
        return last

    def vector(self) -> np.ndarray:  # type: ignore[type-arg]
        parts = [p.detach().numpy().T.ravel() for p in self.parameters()]
        return np.concatenate(parts)


def columns(rng: np.random.Generator, n: int) -> Columns:
    states = [
        (rng.uniform(-1, 1, (n, STATE_DIM)) * (rng.random((n, STATE_DIM)) < 0.7)).astype(np.float32) for _ in "ab"
    ]
    discounts = np.where(rng.random(n) < 0.2, 0.0, 0.9).astype(np.float32)
    return Columns(
        states[0], rng.integers(ACTIONS, size=n), (3 * rng.normal(size=n)).astype(np.float32), states[1], discounts
    )


@pytest.mark.parametrize(("double", "gap", "proximal"), list(product([True, False], [0.0, 0.5], [0.0, 0.1])))
@pytest.mark.parametrize("hidden", [[16], [33, 17]])
def test_gradient_steps_are_those_of_torch(hidden: list[int], double: bool, gap: float, proximal: float) -> None:
    rng = np.random.default_rng(7)
    widths = [STATE_DIM, *hidden, ACTIONS]
    size = sum(n * m + m for n, m in pairwise(widths))
    net, target, anchor = ((0.3 * rng.normal(size=size)).astype(np.float32) for _ in range(3))
    data, batch = columns(rng, 50), 32
    theirs, their_target = Reference(widths, net), Reference(widths, target)
    optimizer = torch.optim.Adam(theirs.parameters(), lr=0.01)
    networks = Networks(net, target, anchor, np.array(widths))
    moments = Moments(np.zeros(size, np.float32), np.zeros(size, np.float32), np.ones(2))
    spaces = [np.zeros(n, np.float32) for n in (batch * sum(widths), batch * sum(widths), batch * max(widths) * 4)]
    for _ in range(4):
        rows = rng.integers(50, size=batch)
        weights = rng.uniform(0.5, 1, batch).astype(np.float32)
        errors, loss, q_mean = kernel.gradient_step(
            networks, moments, Batch(data, rows, weights), Objective(double, gap, proximal), 0.01, Workspace(*spaces)
        )
        states, actions, returns, following, discounts = (torch.from_numpy(column[rows]) for column in data)
        with torch.no_grad():
            best = (theirs if double else their_target)(following).argmax(dim=1, keepdim=True)
            wanted = returns + discounts * their_target(following).gather(1, best).squeeze(1)
            now = their_target(states)
            wanted += gap * (now.gather(1, actions[:, None]).squeeze(1) - now.max(dim=1).values)
        q = theirs(states).gather(1, actions[:, None]).squeeze(1)
        expected = (torch.from_numpy(weights) * smooth_l1_loss(q, wanted, reduction="none")).mean()
        pull = sum(
            ((p - a) ** 2).sum()
            for p, a in zip(theirs.parameters(), Reference(widths, anchor).parameters(), strict=True)
        )
        optimizer.zero_grad()
        (expected + proximal / 2 * pull).backward()
        optimizer.step()
        assert loss == pytest.approx(expected.item(), rel=1e-4)
        assert q_mean == pytest.approx(q.mean().item(), rel=1e-3, abs=1e-5)
        np.testing.assert_allclose(errors, (q - wanted).detach().numpy(), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(net, theirs.vector(), rtol=1e-3, atol=2e-4)


def test_moments_of_weights_without_gradients_fade_to_zero_and_move_nothing_on_the_way() -> None:
    moments = Moments(np.array([1e-28, -1e-28], np.float32), np.array([1e-37, 2e-37], np.float32), np.full(2, 0.5))
    net = np.array([1e-3, -1e-3], np.float32)
    for _ in range(900):
        kernel.adam(net, np.zeros(2, np.float32), moments, 1e-3)
    assert moments.mean.tolist() == moments.square.tolist() == [0.0, 0.0]
    assert net.tolist() == np.array([1e-3, -1e-3], np.float32).tolist()


def test_one_state_and_many_have_the_same_values_bit_for_bit() -> None:
    rng = np.random.default_rng(1)
    widths = np.array([STATE_DIM, 20, ACTIONS])
    net = rng.normal(size=int((widths[:-1] * widths[1:] + widths[1:]).sum())).astype(np.float32)
    states = rng.uniform(-1, 1, (9, STATE_DIM)).astype(np.float32)
    together = kernel.act(net, widths, np.zeros(9 * int(widths.sum()), np.float32), states).copy()
    for row, state in zip(together, states, strict=True):
        alone = kernel.act(net, widths, np.zeros(int(widths.sum()), np.float32), state[None])
        assert np.array_equal(alone[0], row)
