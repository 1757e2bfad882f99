"""The agent `ppo`: proximal policy optimisation on torch.

May import `agents.agent`, `agents.spaces`, `agents.settings`, `agents.saved`, of `env` the spaces and the errors, and
torch. Read `settings` (what can be set), `ppo` (the algorithm, from top to bottom), `memory` (what is remembered of an
episode), `agent` (how it acts, takes steps in and is kept in a file), `vector` (training on many environments at a
time), `network` (the networks' tensors by name, without torch).
"""
