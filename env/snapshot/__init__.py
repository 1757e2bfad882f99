"""What runs at one moment, from manifests or a cluster, made into a trace.

It imports traces, problems (for nodes) and the engine's manifests; a cluster it reads through `env.kube`. To be read
in this order: `snapshot.py` (a snapshot, and the trace of it) with `now.py` (how a cluster's workloads are);
`fields.py` and `clean.py` (what of an object is kept).

Of manifests: `files.py` (texts of files, folders, standard input), `placed.py` (objects and where they stand),
`kinds.py` (which take part), `owned.py` (which others make), `checks.py` and
`texts.py` (what an API server refuses), `amounts.py` (what it takes, and is hardly meant), `autoscaled.py` (replicas
within autoscalers' bounds), `manifests.py` (all of it).

Of a cluster: `reading.py` (what is read), `pods.py` (what of a pod is kept), `admitted.py` (what was added to pods),
`room.py` (what nodes have left), `live.py` (all of it), `changes.py` (what changes while it is watched), `beside.py`
(manifests on a cluster's nodes), `anonymous.py` (other names, for sharing).
"""

from env.snapshot.manifests import read_manifests
from env.snapshot.snapshot import Skipped, Snapshot, trace_of

__all__ = ["Skipped", "Snapshot", "read_manifests", "trace_of"]
