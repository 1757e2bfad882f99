"""`sim-arena bench season-federated`: what a federation is worth to members whose workloads differ.

Every training is a job or a federation of the protocol, in a bucket in memory. Imports `protocol`, the runner and
`env.season`. To be read in this order: `plan.py` (which trainings, in which order: pure), `trainings.py` (one of them
through the protocol), `scores.py` (what its models cost), `pods.py` (recorded pods split among members), `results.py`
(what is kept in the folder, and gone on from), `choices.py` (which model a member takes), `report.py` and `tables.py`
(what was found), `bench.py` (all of it, one after the other), `commands.py`.
"""
