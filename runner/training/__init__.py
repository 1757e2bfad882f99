"""Trainings: episodes one after the other, in a folder that a stopped run goes on from to the same bits.

May import `runner.episode`, `runner.evaluation`, `agents` and `env`. Reading order: `training.py` (the agent, its
episodes and its state), `loop.py` (what `sim-arena train` does around them), `run_folder.py` (what is on the
disk), `validation.py` (greedy episodes on fixed problems, and when to stop), `metrics.py` and
`json_lines.py` (records), `snapshot.py`, `summary.py`, `curves.py`, `pictures.py`, `tensorboard.py` (what is shown),
`environment.py` (versions and processor).
"""
