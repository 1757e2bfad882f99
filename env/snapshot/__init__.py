"""What runs at one moment, from manifests or a cluster, made into a trace.

It imports traces, problems (for nodes) and the engine's manifests; a cluster it reads through `env.kube`. To be read
in this order: `snapshot.py` (a snapshot, and the trace of it) with `now.py` (how a cluster's workloads are); of a
cluster `reading.py` (what is read), `pods.py` (what of a pod is kept), `room.py` (what nodes have left).
"""

from env.snapshot.snapshot import Skipped, Snapshot, trace_of

__all__ = ["Skipped", "Snapshot", "trace_of"]
