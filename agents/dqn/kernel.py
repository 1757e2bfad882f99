"""The arithmetic of deep Q-learning, compiled by numba: a whole gradient step is one call.

Longer than 300 lines, because numba's cache knows compiled code by its file. Small networks spend their time in a
framework's calls, not in arithmetic. These loops add in one fixed order, and
nothing is contracted or reassociated, so IEEE 754 leaves no choice: the bits are the same on every CPU, with any number
of cores. No BLAS is used. Zeros are skipped: half of a ReLU's outputs are zero, and all errors but one action's.

A network with layers of widths (w0, w1, ..., wn) is one float32 vector: for each layer its weights as (inputs, outputs)
in C order, then its biases. All layers but the last are followed by max(0, x). The last one has an output for each
action, its Q-value.

Sources: Mnih et al., Nature 2015 (the loss, the target network); van Hasselt et al., AAAI 2016 (double Q-learning);
Bellemare et al., AAAI 2016 (advantage learning); Li et al., MLSys 2020 (FedProx); Kingma & Ba, ICLR 2015 (Adam).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from env.jit import compiled

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

BETA1, BETA2, TINY = 0.9, 0.999, 1e-8  # Adam's defaults
NOTHING = np.float32(1e-30)
"""Moments below it become 0. Those of a weight without gradients would otherwise fade into subnormal numbers and stay
there, where a CPU takes a hundred times as long for each."""

# The named tuples stand here and not with their users, because the cache of compiled code looks at this file alone.


class Columns(NamedTuple):
    """n transitions; states have the shape (n, STATE_DIM), the others (n,)."""

    states: Floats
    actions: Ints
    returns: Floats
    """Discounted rewards of the steps from the state to the next one."""
    next_states: Floats
    discounts: Floats
    """Factor of the next state's value: gamma to the number of steps, 0 where the episode terminated."""


class Batch(NamedTuple):
    """The transitions of one gradient step."""

    transitions: Columns
    rows: Ints
    """Which of the transitions."""
    weights: Floats
    """Factor of each one's loss, like `rows`."""


class Networks(NamedTuple):
    """Vectors of equal length, and the widths of their layers."""

    net: Floats
    """The online network, which learns."""
    target: Floats
    anchor: Floats
    """What the proximal term pulls the online network to."""
    widths: Ints


class Moments(NamedTuple):
    """The state of Adam."""

    mean: Floats
    """Of the gradients, as long as a network."""
    square: Floats
    """Mean of the gradients' squares."""
    powers: NDArray[np.float64]
    """The two betas to the power of the number of steps taken."""


class Objective(NamedTuple):
    """What a gradient step reduces."""

    double: bool
    """Whether the online network picks the next action that the target network values: double Q-learning."""
    gap: float
    """Share of an action's disadvantage, by the target network, that is taken off its value: advantage learning."""
    proximal: float
    """Adds `proximal` / 2 |net - anchor|^2 to the loss: FedProx."""


class Workspace(NamedTuple):
    """Memory that is allocated once."""

    layers: Floats
    """For all layers of a batch."""
    errors: Floats
    """For the derivatives of the loss by them."""
    matrix: Floats
    """For the largest transposed layer or matrix of weights."""


@register_jitable
def add_products(x: Floats, weights: Floats, y: Floats) -> None:
    """y += x W; every sum runs over the entries of x's row that are not 0, in order, four at a time."""
    rows, outputs = y.shape
    found = np.empty(x.shape[1], np.int64)
    for r in range(rows):
        count = 0
        for i in range(x.shape[1]):  # branch-free: the branch would be unpredictable
            found[count] = i
            count += x[r, i] != 0
        fours = count - count % 4
        for k in range(0, fours, 4):
            i0, i1, i2, i3 = found[k], found[k + 1], found[k + 2], found[k + 3]
            x0, x1, x2, x3 = x[r, i0], x[r, i1], x[r, i2], x[r, i3]
            for o in range(outputs):
                y[r, o] += (x0 * weights[i0, o] + x1 * weights[i1, o]) + (x2 * weights[i2, o] + x3 * weights[i3, o])
        for k in range(fours, count):
            i0 = found[k]
            x0 = x[r, i0]
            for o in range(outputs):
                y[r, o] += x0 * weights[i0, o]


@register_jitable
def transpose(a: Floats, space: Floats) -> Floats:
    """The transpose of a matrix, written into `space`."""
    rows, columns = a.shape
    b = space[: a.size].reshape(columns, rows)
    for r in range(rows):
        for c in range(columns):
            b[c, r] = a[r, c]
    return b


@register_jitable
def forward(net: Floats, widths: Ints, layers: Floats, rows: int) -> Floats:
    """Compute all layers from the first one.

    Args:
        layers: `rows` rows of widths[0], then as many of widths[1], and so on.

    Returns:
        The last layer, (rows, widths[-1]).
    """
    at, start = 0, 0
    x = layers[: rows * widths[0]].reshape(rows, widths[0])
    for k in range(1, len(widths)):
        n, m = widths[k - 1], widths[k]
        start += rows * n
        y = layers[start : start + rows * m].reshape(rows, m)
        weights = net[at : at + n * m].reshape(n, m)
        biases = net[at + n * m : at + n * m + m]
        at += n * m + m
        for r in range(rows):
            y[r] = biases
        add_products(x, weights, y)
        if k < len(widths) - 1:
            for r in range(rows):
                for o in range(m):
                    y[r, o] = max(y[r, o], np.float32(0))
        x = y
    return x


@register_jitable
def backward(net: Floats, widths: Ints, workspace: Workspace, rows: int) -> Floats:
    """The gradients of a loss, a vector like `net`.

    Args:
        workspace: Layers as `forward` left them; the last part of `errors` is the derivative of the loss by the last
            layer, the rest is overwritten.
    """
    layers, errors, space = workspace
    gradients = np.zeros_like(net)
    at, start = len(net), rows * widths.sum()
    for k in range(len(widths) - 1, 0, -1):
        n, m = widths[k - 1], widths[k]
        start -= rows * m
        at -= n * m + m
        x = layers[start - rows * n : start].reshape(rows, n)
        error = errors[start : start + rows * m].reshape(rows, m)
        by_weight = gradients[at : at + n * m].reshape(n, m)
        by_bias = gradients[at + n * m : at + n * m + m]
        add_products(transpose(x, space), error, by_weight)
        for r in range(rows):
            for o in range(m):
                by_bias[o] += error[r, o]
        if k == 1:
            break
        weights = net[at : at + n * m].reshape(n, m)
        before = errors[start - rows * n : start].reshape(rows, n)
        before[:] = 0
        add_products(error, transpose(weights, space), before)
        for r in range(rows):
            for i in range(n):
                if x[r, i] <= 0:
                    before[r, i] = 0
    return gradients


@register_jitable
def adam(net: Floats, gradients: Floats, moments: Moments, rate: float) -> None:
    """One step of Adam, in place."""
    mean, square, powers = moments
    powers[0] *= BETA1
    powers[1] *= BETA2
    step = np.float32(rate * np.sqrt(1 - powers[1]) / (1 - powers[0]))
    tiny = np.float32(TINY * np.sqrt(1 - powers[1]))
    b1, b2 = np.float32(BETA1), np.float32(BETA2)
    c1, c2 = np.float32(1 - BETA1), np.float32(1 - BETA2)
    for i in range(len(net)):
        g = gradients[i]
        m, v = b1 * mean[i] + c1 * g, b2 * square[i] + c2 * (g * g)
        mean[i] = m if abs(m) > NOTHING else np.float32(0)
        square[i] = v if v > NOTHING else np.float32(0)
        net[i] -= step * mean[i] / (np.sqrt(square[i]) + tiny)


def act(net: Floats, widths: Ints, layers: Floats, states: Floats) -> Floats:
    """Q-values of some states, (n, actions); `layers` has space for n rows, and the result lies in it."""
    rows = states.shape[0]
    layers[: states.size].reshape(states.shape)[:] = states
    return forward(net, widths, layers, rows)


@register_jitable
def wanted_values(networks: Networks, batch: Batch, objective: Objective, layers: Floats) -> Floats:
    """What the Q-value of each transition's action should be; leaves the transitions' states in the first layer."""
    net, target, _, widths = networks
    states, actions, returns, next_states, discounts = batch.transitions
    rows = batch.rows
    n = len(rows)
    first = layers[: n * widths[0]].reshape(n, widths[0])
    best = np.empty(n, np.int64)
    wanted = np.empty(n, np.float32)
    for r in range(n):
        first[r] = next_states[rows[r]]
    q = forward(net if objective.double else target, widths, layers, n)
    for r in range(n):
        best[r] = q[r].argmax()
    if objective.double:
        q = forward(target, widths, layers, n)
    for r in range(n):
        wanted[r] = returns[rows[r]] + discounts[rows[r]] * q[r, best[r]]
        first[r] = states[rows[r]]
    if objective.gap > 0:
        q = forward(target, widths, layers, n)
        for r in range(n):
            wanted[r] += np.float32(objective.gap) * (q[r, actions[rows[r]]] - q[r].max())
    return wanted


@register_jitable
def slopes(differences: Floats, actions: Ints, weights: Floats, error: Floats) -> float:
    """The derivative of the mean Huber loss by the last layer, written into `error`; returns the loss."""
    n = len(differences)
    error[:] = 0
    loss = 0.0
    for r in range(n):
        d = differences[r]
        size = abs(d)
        loss += weights[r] * (0.5 * d * d if size < 1 else size - 0.5)
        error[r, actions[r]] = weights[r] * max(np.float32(-1), min(np.float32(1), d)) / np.float32(n)
    mean: float = loss / n
    return mean


def gradient_step(
    networks: Networks, moments: Moments, batch: Batch, objective: Objective, rate: float, workspace: Workspace
) -> tuple[Floats, float, float]:
    """One step of Adam on the mean Huber loss of a batch; changes the online network and the moments in place.

    Args:
        rate: Adam's step size.

    Returns:
        (temporal-difference errors, mean loss, mean Q-value of the transitions' actions).
    """
    net, _, anchor, widths = networks
    layers, errors, _ = workspace
    n = len(batch.rows)
    wanted = wanted_values(networks, batch, objective, layers)
    q = forward(net, widths, layers, n)
    actions = batch.transitions.actions[batch.rows]
    differences = np.empty(n, np.float32)
    q_sum = 0.0
    for r in range(n):
        differences[r] = q[r, actions[r]] - wanted[r]
        q_sum += q[r, actions[r]]
    last = errors[n * (widths.sum() - widths[-1]) : n * widths.sum()].reshape(n, widths[-1])
    loss = slopes(differences, actions, batch.weights, last)
    gradients = backward(net, widths, workspace, n)
    if objective.proximal > 0:
        gradients += np.float32(objective.proximal) * (net - anchor)
    adam(net, gradients, moments, rate)
    return differences, loss, q_sum / n


act = compiled(act, error_model="numpy")
gradient_step = compiled(gradient_step, error_model="numpy")
