"""The agent `aggrevate`: learns, state by state, what every action costs from there on, from an adviser who knows.

AggreVaTe (Ross and Bagnell, arXiv 1406.5979): the agent plays, and in each state that it gets into it is told the
cost-to-go of all actions, by one who knows what the agent has to infer. What it learns is the mean over all that may be
behind what it sees. May import what `agents.ppo` may. Read `settings` (what can be set), `aggrevate` (the algorithm,
from top to bottom), `agent` (how it acts and is kept in a file), `vector` (training on many environments at a time),
`network` (the network's tensors by name, without torch).
"""
