"""Agents at work: steps, episodes, trainings, evaluations, suggestions, and the commands that run them.

May import `agents` and `env`. Read `episode.py` first (one step, one episode), `situation.py` (what an agent that reads
is told before each action) with `mcp/` (its tools, also for clients of others), then `training/`, `evaluation/`,
`suggest/`. `experience.py` collects transitions, `clusters/` opens the cluster that traces are replayed on, `options/`
turns dataclasses into options, `commands/` holds the command line, `bench/` the benchmarks; nothing else here imports
`bench/`.
"""
