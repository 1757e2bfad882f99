"""The world: traces, clusters, what is observed of them, actions, rewards and the Gymnasium environment.

Importing it makes `gymnasium.make("SimArena/Cluster-v0")` work.
"""

from env.registration import register

register()
