"""The reward of a step: what solving pays, less what a step costs, and what mends or breaks.

Over a whole episode it is SOLVED if it was solved, - STEP for each step, and the number of kinds of mendable faults at
the start (and those that came) less that at the end. The end of a solved episode has none, so that of all that the
doctor decides only SOLVED and the number of steps count: the shortest mend earns most, and to break and mend again, or
to wait, costs the steps it takes. It is potential-based shaping (Ng, Harada & Russell 1999) with gamma = 1.
"""

from __future__ import annotations

SOLVED = 10.0
STEP = 0.2


def reward(solved: bool, mendable_before: int, mendable_after: int) -> float:
    """The reward of one step.

    Args:
        solved: The step ended the episode as a solution.
        mendable_before, mendable_after: Kinds of faults that an action mends, see `env.doctor.cluster.mendable`.
    """
    return (SOLVED if solved else 0.0) - STEP + (mendable_before - mendable_after)
