"""Suggestions: what an agent would change about a failing workload, as a patch for kubectl.

May import `runner.episode`, `agents` and `env`. Reading order: `suggestion.py` (an agent plays a scenario until the
goal, a loop or the step limit), `patch.py` (the difference of two manifests as a strategic merge patch), `effects.py`
(what a patch does besides).
"""
