"""The arithmetic of deep Q-learning, compiled by numba: a whole gradient step is one call.

Small networks spend their time in a framework's calls, not in arithmetic. These loops add in one fixed order, and
nothing is contracted or reassociated, so IEEE 754 leaves no choice: the bits are the same on every CPU, with any number
of cores, and no BLAS is asked. Zeros are skipped: half of what passes a ReLU is zero, and all but one action's error.

A network with layers of widths (w0, w1, ..., wn) is one float32 vector: for each layer its weights as (inputs, outputs)
in C order, then its biases. All layers but the last are followed by max(0, x). With `dueling` the last layer has one
output more than there are actions, the value of the state: Q = value + advantage - mean advantage.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from env.jit import compiled

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

BETA1, BETA2, TINY = 0.9, 0.999, 1e-8  # Adam's (Kingma & Ba, ICLR 2015)
NOTHING = np.float32(1e-30)
"""Moments below it are 0. What is never active would otherwise fade into subnormal numbers and stay there, where a CPU
takes a hundred times as long for each."""


class Columns(NamedTuple):
    """Of n transitions; states are of shape (n, STATE_DIM), the others (n,).

    Here and not with the replay buffer, because the cache of compiled code looks at this file alone.
    """

    states: Floats
    actions: Ints
    returns: Floats
    """Discounted rewards of the steps from the state to the next one."""
    next_states: Floats
    discounts: Floats
    """What the next state's value counts: gamma to the number of steps, 0 where the episode terminated."""


@register_jitable
def add_products(x: Floats, weights: Floats, y: Floats) -> None:
    """y += x W; every sum runs over the entries of x's row that are not 0, in order, four at a time."""
    rows, outputs = y.shape
    found = np.empty(x.shape[1], np.int64)
    for r in range(rows):
        count = 0
        for i in range(x.shape[1]):  # without a branch, as none of these could be foretold
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
def to_values(outputs: Floats, dueling: bool) -> Floats:
    """Q-values from the last layer, in place; (rows, actions)."""
    if not dueling:
        return outputs
    actions = outputs.shape[1] - 1
    for r in range(outputs.shape[0]):
        mean = np.float32(0)
        for a in range(actions):
            mean += outputs[r, a]
        mean /= np.float32(actions)
        for a in range(actions):
            outputs[r, a] += outputs[r, actions] - mean
    return outputs[:, :actions]


@register_jitable
def backward(net: Floats, widths: Ints, layers: Floats, errors: Floats, rows: int, space: Floats) -> Floats:
    """Add up the gradients of a loss, in a vector like `net`.

    Args:
        layers: As `forward` left them.
        errors: Like `layers`; its last part is the loss's derivative by the last layer, the rest is overwritten.
        space: For the largest layer or matrix.
    """
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
def adam(
    net: Floats, gradients: Floats, mean: Floats, square: Floats, powers: NDArray[np.float64], rate: float
) -> None:
    """One step of Adam, in place; `powers` are the betas to the number of steps before this one."""
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


def act(net: Floats, widths: Ints, layers: Floats, states: Floats, dueling: bool) -> Floats:
    """Q-values of some states, (n, actions); `layers` has space for n rows, and the result lies in it."""
    rows = states.shape[0]
    layers[: states.size].reshape(states.shape)[:] = states
    return to_values(forward(net, widths, layers, rows), dueling)


@register_jitable
def wanted_values(
    net: Floats,
    target: Floats,
    widths: Ints,
    transitions: Columns,
    rows: Ints,
    layers: Floats,
    double: bool,
    dueling: bool,
    gap: float,
) -> Floats:
    """What the value of each transition's action should be; leaves the transitions' states in the first layer."""
    states, actions, returns, next_states, discounts = transitions
    n = len(rows)
    first = layers[: n * widths[0]].reshape(n, widths[0])
    best = np.empty(n, np.int64)
    wanted = np.empty(n, np.float32)
    for r in range(n):
        first[r] = next_states[rows[r]]
    q = to_values(forward(net if double else target, widths, layers, n), dueling)
    for r in range(n):
        best[r] = q[r].argmax()
    if double:
        q = to_values(forward(target, widths, layers, n), dueling)
    for r in range(n):
        wanted[r] = returns[rows[r]] + discounts[rows[r]] * q[r, best[r]]
        first[r] = states[rows[r]]
    if gap > 0:
        q = to_values(forward(target, widths, layers, n), dueling)
        for r in range(n):
            wanted[r] += np.float32(gap) * (q[r, actions[rows[r]]] - q[r].max())
    return wanted


@register_jitable
def slopes(differences: Floats, actions: Ints, weights: Floats, error: Floats, dueling: bool) -> float:
    """The derivative of the mean Huber loss by the last layer, written into `error`; returns the loss."""
    n, outputs = error.shape
    error[:] = 0
    loss = 0.0
    for r in range(n):
        d = differences[r]
        size = abs(d)
        loss += weights[r] * (0.5 * d * d if size < 1 else size - 0.5)
        slope = weights[r] * max(np.float32(-1), min(np.float32(1), d)) / np.float32(n)
        error[r, actions[r]] = slope
        if dueling:
            error[r, outputs - 1] = slope
            for a in range(outputs - 1):
                error[r, a] -= slope / np.float32(outputs - 1)
    mean: float = loss / n
    return mean


def gradient_step(
    net: Floats,
    target: Floats,
    widths: Ints,
    moments: Floats,
    powers: NDArray[np.float64],
    transitions: Columns,
    rows: Ints,
    weights: Floats,
    workspace: tuple[Floats, Floats, Floats],
    rate: float,
    double: bool,
    dueling: bool,
    gap: float,
    proximal: float,
    anchor: Floats,
) -> tuple[Floats, float, float]:
    """One step of Adam on the Huber loss of some transitions.

    With `double` the online network picks the next action that the target network values (van Hasselt et al., AAAI
    2016). `gap` of what an action falls short of the best one, by the target network, is taken off its value: advantage
    learning (Bellemare et al., AAAI 2016). `proximal` / 2 |net - anchor|^2 is added to the loss: FedProx (Li et al.,
    MLSys 2020).

    Args:
        moments: Adam's, (2, len(net)).
        transitions: Those to choose from.
        rows: Which of them.
        weights: Of each one's loss.
        workspace: Space for the layers of `rows`, for as much again, and for the largest layer or matrix.

    Returns:
        (temporal-difference errors, mean loss, mean Q-value of the transitions' actions).
    """
    layers, errors, space = workspace
    n = len(rows)
    wanted = wanted_values(net, target, widths, transitions, rows, layers, double, dueling, gap)
    q = to_values(forward(net, widths, layers, n), dueling)
    actions = transitions.actions[rows]
    differences = np.empty(n, np.float32)
    q_sum = 0.0
    for r in range(n):
        differences[r] = q[r, actions[r]] - wanted[r]
        q_sum += q[r, actions[r]]
    last = errors[n * (widths.sum() - widths[-1]) : n * widths.sum()].reshape(n, widths[-1])
    loss = slopes(differences, actions, weights, last, dueling)
    gradients = backward(net, widths, layers, errors, n, space)
    if proximal > 0:
        gradients += np.float32(proximal) * (net - anchor)
    adam(net, gradients, moments[0], moments[1], powers, rate)
    return differences, loss, q_sum / n


act = compiled(act, error_model="numpy")
gradient_step = compiled(gradient_step, error_model="numpy")
