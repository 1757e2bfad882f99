"""Sim-Arena's agents at work: steps, episodes, trainings, evaluations, suggestions, and the commands that run them.

May import `agents` and `env`. Read `episode.py` first (one step, one episode), `situation.py` (what an agent that reads
is told before each action) with `mcp/` (its tools, also for clients of others), then `training/`, `evaluation/`,
`suggest/`, `benchmark/` (language models), `rl/` (a doctor for whole clusters), `season/` and `fleet/` (trainings
there), `report/` (HTML pages of all of them). `experience.py` collects transitions, `folders.py` makes and locks
folders of runs, `clusters/` opens the cluster that traces are replayed on, `options/` turns dataclasses into options,
`commands/` holds the command line, `bench/` measures this code; nothing else here imports `bench/`.
"""
