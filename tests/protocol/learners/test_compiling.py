"""What a worker compiles before it claims a job: all that the job calls, so that no lease runs out meanwhile."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import gc
import sys
from copy import deepcopy

from numba.core.dispatcher import Dispatcher

from env.embedded.cluster import COMPILED_FROM, EmbeddedCluster
from env.problems.generate import generate_scenario
from env.problems.scenario import scenario_from_trace
from env.trace.document import Trace
from protocol.learners.compiling import compile_for
from protocol.wire.job_documents import Manifest, TrainingSpec
from runner.training.training import Training, TrainingConfig


def compiled() -> dict[str, int]:
    ours = ("agents.", "env.", "protocol.")
    found = [each for each in gc.get_objects() if isinstance(each, Dispatcher) and each.__module__.startswith(ours)]
    return {f"{each.__module__}.{each.__name__}": len(each.signatures) for each in found if each.signatures}


def another(seed: int):
    document = deepcopy(generate_scenario("combined", seed).trace.document)
    first = document["events"][0]["applied_objs"]
    first += [deepcopy(first[0]), deepcopy(first[0])]
    for number, manifest in enumerate(first[1:]):
        manifest["metadata"]["name"] = f"other-{number}"
    return scenario_from_trace(Trace(document), name=str(seed), deploy="web")


agent, traces = sys.argv[1], ("0" * 64,) if sys.argv[2] == "traces" else ()
settings = {"learning_starts": 64} if agent == "dqn" else {}
training = TrainingSpec(agent=agent, reward="shaped", episodes=9, steps=50, seed=1, traces=traces)
manifest = Manifest(job_id="job", created_at="now", training=training)
compile_for(manifest, embedded=True, say=print)
before = compiled()
config = TrainingConfig(agent=agent, agent_settings=settings, episodes=1000, steps=50)
played = Training(config, [another(seed) for seed in range(40)] if traces else None)
for _ in range(100):
    played.run_episode(played.done + 1)
after = compiled()
assert not traces or EmbeddedCluster._replays >= COMPILED_FROM, "compiled code did not take over from the engine"
assert after == before, sorted(set(after.items()) - set(before.items()))
"""


@pytest.mark.parametrize("problems", ["traces", "generated"])
@pytest.mark.parametrize("agent", ["dqn", "greedy"])
def test_a_job_calls_nothing_that_was_not_compiled_before_its_claim(agent: str, problems: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, agent, problems], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
