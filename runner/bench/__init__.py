"""Benchmarks of environments and learners: `sim-arena bench env | suggest | season-fit | dqn | …`.

May import everything in `runner`, `agents` and `env`; nothing in production imports it. Reading order:
`environments.py` (steps a second), `answers.py` (an answer about many workloads), `season_fit.py` (generated use beside
real use), `dqn.py` and `sb3.py` (gradient steps beside Stable-Baselines3), `exam.py` and `doctor_exam.py` (how good a
training is), `learning.py`, `ppo.py`, `ablation.py` (trainings to compare), `runs.py` (many of them), `tables.py`,
`commands.py`.
"""
