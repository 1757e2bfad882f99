"""The agent `forecast`: learns how probably use will be above each request, and requests what is then cheapest.

A season's peaks do not depend on what is requested, so its law says of every action, and not of the one taken alone,
how probably use will be above the request. The network learns that from states; what an action then costs is computed
(`env.season.decision`), at any price. May import what `agents.ppo` may. Read `settings` (what can be set), `forecast`
(the algorithm, from top to bottom), `agent` (how it acts and is kept in a file), `vector` (training on many
environments at a time), `network` (the network's tensors by name, without torch).
"""
