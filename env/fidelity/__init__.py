"""The engine held against what a real control plane decided.

It imports the engine, the client and SimKube's names. To be read in this order: `truth.py` (files of recorded
scenarios), `engine_outcomes.py` (what the engine decides), `agreement.py` (on what two outcomes agree),
`cron_jobs.py` (what cannot be compared), `comparison.py` (the engine beside all recordings), `figures.py` (shares),
`scenarios.py` (scenarios to record), `recordable.py` (which can be), `kubelet.py`, `recorded_nodes.py`,
`cluster_outcomes.py`, `recorder.py` and `recordings.py` (recording).
"""
