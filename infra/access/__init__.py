"""IAM policies by role: what a worker, a sync-server, a dispatcher and a reader may do in a bucket.

Imports `protocol.wire.keys` for the patterns, and no AWS client: policies are data. Read policies.py, then accounts.py
(members that other AWS accounts own), then commands.py (`sim-arena policy`).
"""
