"""A doctor's cluster as a picture, which `env.picture` draws."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from env.doctor.cluster import failing, without_image
from env.doctor.faults import Fault
from env.doctor.nodes import NodeState
from env.picture import FAILING, OTHER, READY, STARTING, WAITING, Bar, Colour, Column, picture

_LEGEND = "a node: its places for pods; green running, red failing, grey on a NotReady node, orange waiting"
_STATES: dict[NodeState, tuple[str, Colour]] = {
    NodeState.OPEN: ("Ready", OTHER),
    NodeState.CORDONED: ("cordoned", STARTING),
    NodeState.DOWN: ("NotReady", FAILING),
    NodeState.DOWN_CORDONED: ("NotReady, cordoned", FAILING),
}


def cluster_picture(text: str, cluster: Any) -> NDArray[np.uint8]:
    """Its nodes, those that are not Ready first, and its pods; which of them fail is not known, so the first do.

    Args:
        text: Where the episode stands.
        cluster: A record of `env.doctor.cluster.CLUSTER`.
    """
    bad = int(failing(cluster)) + int(without_image(cluster))
    slots, columns = int(cluster.slots), []
    for state in (NodeState.DOWN, NodeState.DOWN_CORDONED, NodeState.CORDONED, NodeState.OPEN):
        label, border = _STATES[state]
        is_down = state in (NodeState.DOWN, NodeState.DOWN_CORDONED)
        for pods, nodes in reversed([*enumerate(cluster.nodes[state].tolist())]):
            for _ in range(nodes):
                red = 0 if is_down else min(bad, pods)
                bad -= red
                colours = [FAILING] * red + [OTHER if is_down else READY] * (pods - red)
                columns.append(Column(label, (Bar(1.0, tuple((1 / slots, colour) for colour in colours)),), border))
    return picture(text, columns, [WAITING] * int(cluster.amount[Fault.NO_ROOM]), _LEGEND)
