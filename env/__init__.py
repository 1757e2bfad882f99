"""The world of Sim-Arena: traces, clusters, what is observed of them, actions, rewards and the Gymnasium environment.

It imports nothing of the other rooms. Words that its folders share stand in files beside them: `workload.py` (names,
what a workload requests), `actions.py`, `observation.py`, `demand.py` (what containers use), `quantity.py`,
`errors.py`, `api_objects.py` (the seam to what an API server holds), `untrusted.py` (what to take of such objects),
`words.py` (plurals), `yaml_text.py` and `yaml_scalars.py` (YAML and JSON within bounds), `printable.py` (for terminals
and logs), `interrupt.py` (a stop within a replay), `plugins.py` (what installed packages add), `jit.py`, `settings.py`
(what environments take of their callers), `lanes.py` (what vector environments share), `picture.py`. The folders, each
of which imports only those above it:

engine/    Kubernetes in virtual time
kube/      the client of a real API server
usage/     what containers use, and what requests are enough for it
trace/     SimKube's trace files: read, edited, written
problems/  what is to be solved: scenarios, and generated ones
snapshot/  what runs at one moment, from manifests or a cluster, as a trace
cluster.py the seam: what replays a scenario
embedded/  a cluster in this process, on the engine
simkube/   a cluster on a real Kubernetes, through SimKube
gym/       the environment Cluster-v0: one workload to mend
doctor/    the environment Doctor-v0: a whole cluster to mend
season/    the environment Season-v0: requests under use that varies
fleet/     the environment Fleet-v0: several services on the fewest nodes
plan/      the fewest or cheapest nodes that hold what is there
fidelity/  the engine held against recorded decisions
live/      a real cluster in the doctor's features and actions

Importing it registers the environments, as Gymnasium's `module:id` names expect:

    gymnasium.make("env:SimArena/Cluster-v0")
    gymnasium.make("env:SimArena/Doctor-v0")
    gymnasium.make("env:SimArena/Season-v0")
    gymnasium.make("env:SimArena/Fleet-v0")
"""

import warnings
from pathlib import Path

from gymnasium.envs.registration import register

ENV_ID = "SimArena/Cluster-v0"
DOCTOR_ID = "SimArena/Doctor-v0"
SEASON_ID = "SimArena/Season-v0"
FLEET_ID = "SimArena/Fleet-v0"
ENVIRONMENTS = {"cluster": ENV_ID, "doctor": DOCTOR_ID, "season": SEASON_ID, "fleet": FLEET_ID}
"""What `--env` may say, and the id that Gymnasium knows it by."""

register(
    id=ENV_ID,
    entry_point="env.gym.cluster_env:ClusterEnv",
    vector_entry_point="env.gym.vector_env:ClusterVectorEnv",
)
register(
    id=DOCTOR_ID,
    entry_point="env.doctor.doctor_env:DoctorEnv",
    vector_entry_point="env.doctor.vector_env:DoctorVectorEnv",
)
register(
    id=SEASON_ID,
    entry_point="env.season.season_env:SeasonEnv",
    vector_entry_point="env.season.vector_env:SeasonVectorEnv",
)
register(
    id=FLEET_ID,
    entry_point="env.fleet.fleet_env:FleetEnv",
    vector_entry_point="env.fleet.vector_env:FleetVectorEnv",
)

_AGENTS = Path(__file__).parent.parent / "agents/__init__.py"
if _AGENTS.is_file() and b"Sim-Arena" not in _AGENTS.read_bytes():
    warnings.warn(
        f"{_AGENTS} is another package's, probably openai-agents', installed over Sim-Arena's: environments work, "
        "commands do not; install one of the two in an environment of its own",
        stacklevel=2,
    )
