"""The engine held against what a real control plane decided.

It imports the engine, the client and SimKube's names. To be read in this order: `truth.py` (files of recorded
scenarios), `engine_outcomes.py` (what the engine decides), `agreement.py` (how far both agree), `scenarios.py`
(scenarios to record), `kubelet.py`, `recorded_nodes.py`, `cluster_outcomes.py` and `recorder.py` (recording).
"""
