"""The agent `dqn`: deep Q-learning (Mnih et al., Nature 2015) with arithmetic of its own.

May import `agents.agent`, `agents.settings`, `agents.saved`, and of `env` the spaces, the errors and `env.jit`. Read
`settings` (what can be set), `agent` (the algorithm), `replay` and `sum_tree` (what it remembers and how it draws from
that), `kernel` (the compiled gradient step), `network` (the networks' tensors by name, without torch).
"""
