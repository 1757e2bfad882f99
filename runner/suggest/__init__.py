"""Suggestions: what would mend workloads that fail, as patches for kubectl.

May import `agents` and `env`. Reading order: `play.py` (an agent's steps on a scenario), `suggestion.py` (one
workload: steps until the goal, a loop or the limit), `trim.py` (what a solution needs of them), `patch.py` (what two
manifests differ in, as a strategic merge patch and in words), `effects.py` (what a patch does besides). For all
workloads together: `rows.py` (what is said of each), `sizes.py` (requests that are enough for what is used),
`proposals.py` (an agent's proposals, one on top of the other), `sharing.py` (where they lack room), `answer.py` (all of
it), `texts.py` (in words, as JSON and Markdown), `kustomization.py` (as a folder for kubectl).
"""
