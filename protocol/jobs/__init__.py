"""The life of a job: queued, claimed, renewed, ended. It knows nothing of training, nor of rounds.

May import `protocol.wire`, and the names of generated problems. To be read in this order: `submit` (how manifests come
into the bucket), `queue` (how a job is found, claimed and ended), `lease` (who may work on it now).
"""
