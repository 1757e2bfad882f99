"""The doctor: an agent finds out what is wrong with a whole cluster, mends what it can and reports the rest.

It may import `env.problems.philox`, `env.problems.draw`, and the words of env. To be read in this order:
`actions.py`, `faults.py` (what can be wrong, and what reveals it), `nodes.py` (nodes and pods as counts),
`cluster.py` (the state), `rules.py` (what actions and time do), `reward.py`, `features.py` and `mask.py` (what an
agent sees), `draw.py` (problems), `recording.py` (real ones), `kernel.py` (all of it in one compiled loop),
`scene.py` (a cluster as a picture), `doctor_env.py` and `vector_env.py` (one environment and many), `spread.py` (how
features are spread), `scripted.py` (a doctor by hand); `graph.py`, `beliefs.py` and `optimum.py` (the best there is,
on small clusters).
"""
