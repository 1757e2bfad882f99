"""Evaluation: how well agents play fixed problems, beside the fewest steps there are.

May import `runner.episode`, `agents` and `env`. Reading order: `suite.py` (the problems), `evaluate.py` (greedy
episodes on them), `yardstick.py` (the optimum of a problem), `measure.py` (what is measured), `intervals.py`
(confidence intervals), `compare.py` (all of it for several agents),
`pictures.py` (who solves what); `season_suite.py` and `season.py`, the same for requests under use that varies;
`fleet_suite.py` and `fleet.py`, for several services on the fewest nodes.
"""
