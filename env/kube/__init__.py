"""The client of a real API server; the only folder that may import the package `kubernetes`.

It imports errors and the seam `api_objects` of env, and nothing else. To be read in this order: `paths.py` (paths of
objects), `client.py` (requests, errors, waiting) with `bounded.py` (how much of an answer is read), `lists.py` (many
objects, bounded), `connect.py` (kubeconfigs), `api_objects.py` (what a live cluster holds, read only).
"""
