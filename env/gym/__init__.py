"""The environments of Gymnasium: an agent changes a workload until as many pods run as it should have.

It may import all of env but fidelity. To be read in this order: `reward.py` (the rewards, as one list), `memory.py`
(what an episode remembers), `features.py` (the state vector), `checks.py` and `scenarios.py` (settings), `line.py` and
`scene.py` (an episode as a line of text, and as a picture), `cluster_env.py` (one environment), `seen_table.py`,
`vector_kernel.py` and `vector_env.py` (many in one compiled loop), `search.py` (the least number of actions that
solves a scenario), `rooms.py` (rooms that can be solved).
"""
