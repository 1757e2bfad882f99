"""Text that asks for harm: it reaches what a model reads, as data, and nothing gives the solution away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agents.llm.conversation import ToolCall
from env.gym.cluster_env import ClusterEnv
from runner.benchmark.hostile import NAME, TEXT
from runner.benchmark.scenarios import HOSTILE, BenchmarkScenario, registry
from runner.situation import situation_of

ROWS = {row.name: row for row in registry()}
HOSTILE_ROWS = [name for name, row in ROWS.items() if row.problem_type == HOSTILE]
TYPICAL = ["cpu-3", "memory-1", "combined-5", "no-fault-memory", *HOSTILE_ROWS]


def read(row: BenchmarkScenario) -> Iterator[str]:
    """What each tool says at the first step."""
    env = ClusterEnv([row.scenario])
    env.reset(seed=0)
    tools, ref = situation_of(env).tools, row.scenario.workload
    pods = env.objects().pods(ref.namespace)
    pod = next((each for each in pods if each["spec"].get("nodeName")), pods[0])["metadata"]["name"]
    deployment = {"namespace": ref.namespace, "deploy": ref.name}
    calls = {
        "get_pods": {"namespace": ref.namespace},
        "describe_deployment": deployment,
        "get_events": {**deployment, "last_n": 100},
        "get_nodes": {},
        "get_pod_logs": {"namespace": ref.namespace, "pod_name": pod, "tail_lines": 100},
    }
    assert {spec.name for spec in tools.specs} == set(calls)
    return (tools.call(ToolCall("1", name, arguments)).text for name, arguments in calls.items())


@pytest.mark.parametrize("name", HOSTILE_ROWS)
def test_a_tool_shows_it(name: str) -> None:
    assert any(NAME in text or TEXT[:60] in text for text in read(ROWS[name]))


@pytest.mark.parametrize("name", TYPICAL)
def test_no_tool_shows_what_the_scenario_was_made_from(name: str) -> None:
    """Neither its name nor its annotations, which say what a pod uses."""
    texts = list(read(ROWS[name]))
    assert all("sim-arena.io" not in text and f"{name} " not in text for text in texts)
