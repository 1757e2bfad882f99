"""A covering linear program, solved by the simplex method on its dual.

`min p x` with `A x >= b`, `x >= 0` has the dual `max b y` with `A' y <= p`, `y >= 0`. Every `y` that the dual admits
gives a valid lower bound, also where the method was stopped before the optimum or has rounded; so what is returned is
scaled until it is admitted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from env.plan.demand import Floats

_MOST_PIVOTS = 5_000
_TINY = 1e-9


@dataclass(frozen=True, eq=False)
class Covering:
    """A solved program.

    Attributes:
        bound: No `x` costs less.
        amounts: The optimal `x`, float64 of shape (columns,); near it where the method was stopped.
        duals: What a unit of each row is worth, float64 of shape (rows,).
    """

    bound: float
    amounts: Floats
    duals: Floats


def cover(prices: Floats, rows: Floats, needs: Floats) -> Covering:
    """Solve the program.

    Args:
        prices: Of each column, above 0; shape (columns,).
        rows: `A`, not below 0; shape (rows, columns).
        needs: `b`, not below 0; shape (rows,).
    """
    scale = np.maximum(rows.max(axis=1), _TINY)  # amounts are bytes and pods: rows become comparable
    scaled, wanted = rows / scale[:, None], needs / scale
    columns, many = len(prices), len(needs)
    tableau = np.zeros((columns + 1, many + columns + 1))
    tableau[:columns, :many] = scaled.T
    tableau[:columns, many : many + columns] = np.eye(columns)
    tableau[:columns, -1] = prices
    tableau[-1, :many] = -wanted
    basis = np.arange(many, many + columns)
    for _ in range(_MOST_PIVOTS):
        entering = int(tableau[-1, :-1].argmin())
        if tableau[-1, entering] >= -_TINY:
            break
        column = tableau[:columns, entering]
        ratios = np.divide(tableau[:columns, -1], column, out=np.full(columns, np.inf), where=column > _TINY)
        leaving = int(ratios.argmin())
        if not np.isfinite(ratios[leaving]):
            break  # no column covers the row: the caller has left such rows out
        tableau[leaving] /= tableau[leaving, entering]
        others = np.arange(columns + 1) != leaving
        tableau[others] -= np.outer(tableau[others, entering], tableau[leaving])
        basis[leaving] = entering
    duals = np.zeros(many + columns)
    duals[basis] = tableau[:columns, -1]
    admitted = np.maximum(duals[:many], 0)
    excess = float((scaled.T @ admitted / prices).max(initial=0))
    admitted /= max(excess, 1.0)
    return Covering(float(wanted @ admitted), np.maximum(tableau[-1, many:-1], 0), admitted / scale)
