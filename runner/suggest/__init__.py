"""Suggestions: what would mend workloads that fail, as patches for kubectl.

May import `agents` and `env`. Reading order: `play.py` (an agent's steps on a scenario), `suggestion.py` (one
workload: steps until the goal, a loop or the limit), `trim.py` (what a solution needs of them), `patch.py` (what two
manifests differ in, as a strategic merge patch and in words), `effects.py` (what a patch does besides), `answer.py`
(every workload of a trace: who fails, a proposal for each, and the verdict of all together).
"""
