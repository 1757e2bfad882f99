"""SimKube's trace files, version 2: read, checked, edited, and written back byte for byte.

It imports the engine's manifests, to check an edit. To be read in this order: `msgpack_document.py` (bytes to plain
data, within bounds), `schema.py` (what SimKube demands), `spec_hash.py` (its hash of a spec), `upgrade.py` (older
formats), `scopes.py` (kinds without a namespace), `document.py` (a trace), `edit.py` (other requests and replicas in a
workload).
"""

from env.trace.document import Trace, load_trace

__all__ = ["Trace", "load_trace"]
