"""Trainings: episodes or epochs one after the other, in a folder that a stopped run goes on from to the same bits.

May import `runner.episode`, `runner.evaluation`, `agents` and `env`. Reading order: `trainee.py` (what the loop
trains and evaluates on, whatever the environment), `training.py` (that of Cluster-v0: the agent, its episodes and its
state), `epochs.py` (that of environments in which many are stepped together), `ppo.py` (PPO's settings there),
`loop.py` (what `sim-arena train` does around it), `run_folder.py` and `log_file.py` (what is on the disk),
`model_file.py` (an agent with how well it does), `validation.py` (greedy episodes on fixed problems, and when to stop),
`metrics.py` and `json_lines.py` (records), `snapshot.py`, `summary.py`, `curves.py`, `pictures.py`, `tensorboard.py`
(what is shown), `environment.py` (versions and processor).
"""
