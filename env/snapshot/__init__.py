"""What runs at one moment, from manifests or a cluster, made into a trace.

It imports traces, problems (for nodes) and the engine's manifests; a cluster it reads through `env.kube`. To be read
in this order: `snapshot.py` (a snapshot, and the trace of it).
"""

from env.snapshot.snapshot import Skipped, Snapshot, trace_of

__all__ = ["Skipped", "Snapshot", "trace_of"]
