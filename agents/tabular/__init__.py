"""The agent `greedy`: tabular Q-learning over nine questions about the state.

May import `agents.agent`, `agents.settings`, `agents.saved`, and of `env` the spaces and errors. Read `settings`, then
`agent`.
"""
