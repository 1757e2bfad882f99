"""The learner `digits` as a Flower app: same network, same shares, same seeds. `sim-arena bench flower` runs it.

It is copied into an environment with Flower, which is none of ours. `client.py` trains, `server.py` averages and times
rounds. Imports flwr, and the learner from `protocol.learners`.
"""
