"""Rooms: generated problems in a cluster that others share, on nodes that are not alike.

They are drawn here, as numbers and manifests; whether one can be solved is for the engine to say, see `env.gym.rooms`.
It imports what `env.problems` does. To be read in this order: `dice.py` (random numbers of a room), `manifests.py` (the
objects that stand in rooms), `surroundings.py` (what is around the workload, and draws that kinds share), `kinds.py`
(the kinds of rooms, as one list), `draw.py` (the workload, its goal and its start; all of it as a trace).
"""
