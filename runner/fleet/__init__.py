"""Trainings in Fleet-v0.

May import `runner.training` and `runner.evaluation`, not the commands. Read `train` (what a training is, and an epoch
of it), then `evaluator` (what it is evaluated on as it goes); `players` (who plays one problem, replay by replay).
"""
