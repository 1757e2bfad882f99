"""SimKube on a real Kubernetes: traces replayed by a cluster's own control plane, on KWOK's virtual nodes.

It imports the client, problems and traces. To be read in this order: `paths.py` (where objects are), `settings.py`,
`traces.py`, `replayable.py` and `simulation.py` (what SimKube gets), `nodes.py`, `pods.py`, `rest.py` with
`rest_of_kinds.py` and `neighbours.py` (what nodes, pods, controllers and other workloads say), `driver.py` (what the
driver says), `gates.py` and `settling.py` (what must be true before the next step), `hooks.py`, `api_objects.py` (what
the cluster held while it was observed), `cluster.py` (`SimKubeCluster`, the second implementation of
`env.cluster.Cluster`); `doctor_results.py`, `doctor_checks.py`, `driver_s3.py` and `doctor.py` (what keeps simulations
from running).
"""
