"""The world: traces, clusters, what is observed of them, actions, rewards and the Gymnasium environment.

Importing it registers the environment, as Gymnasium's `module:id` names expect:

    gymnasium.make("env:SimArena/Cluster-v0")
"""

from gymnasium.envs.registration import register

ENV_ID = "SimArena/Cluster-v0"

register(
    id=ENV_ID,
    entry_point="env.gym.cluster_env:ClusterEnv",
    vector_entry_point="env.gym.vector_env:ClusterVectorEnv",
)
