"""The client of a real API server; the only folder that may import the package `kubernetes`.

It imports errors and nothing else of env. To be read in this order: `paths.py` (paths of objects), `client.py`
(requests, errors, waiting), `connect.py` (kubeconfigs).
"""
