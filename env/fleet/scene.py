"""A fleet as a line of text, and as a picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from env.fleet.placement import CPU as ALL_CPU
from env.fleet.placement import MEMORY, USED_CPU, USED_MEMORY, new_room, replay
from env.picture import READY, WAITING, Bar, Column, picture
from env.words import count

_LEGEND = "a column: a node, its CPU and its memory, grey: free; above: pods that wait"


def line(lane: Any) -> str:
    """Where a lane stands, for people."""
    n = int(lane["services"])
    asked = int(lane["replicas"][:n].sum())
    waiting = asked - int(lane["ready"][:n].sum())
    changed = "reset" if lane["service"] < 0 else f"service {int(lane['service']) + 1} {int(lane['jump']):+d}"
    left = f"{count(waiting, 'pod')} of {asked} of its services wait" if waiting else f"{count(asked, 'pod')} Ready"
    return (
        f"step {int(lane['steps'])}: {changed} -> {count(int(lane['nodes']), 'node')}, {left}; all was Ready on "
        f"{int(lane['fewest_nodes'])}, at first on {int(lane['first_nodes'])}"
    )


def fleet_picture(lane: Any) -> NDArray[np.uint8]:
    """The nodes in use, how full they are, and the pods of services that wait."""
    problem = np.array([lane]).view(np.recarray)[0]
    room, ready = new_room(), np.zeros_like(problem.ready)
    replay(problem, int(problem.nodes), problem.replicas, ready, room)
    amounts = room.amounts
    columns = [
        Column(
            str(i + 1),
            tuple(
                Bar(float(amounts[has, i] / amounts[has].max()), ((float(amounts[used, i] / amounts[has, i]), READY),))
                for has, used in ((ALL_CPU, USED_CPU), (MEMORY, USED_MEMORY))
            ),
        )
        for i in range(problem.nodes)
    ]
    waiting = int((problem.replicas - ready)[: problem.services].sum())
    return picture(line(lane), columns, [WAITING] * waiting, _LEGEND)
