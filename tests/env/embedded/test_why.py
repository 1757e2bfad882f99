"""Why pods are not Ready: the texts of those who keep them from it."""

from __future__ import annotations

from typing import Any

import pytest

from env.embedded.cluster import EmbeddedCluster
from env.gym.cluster_env import ClusterEnv
from env.problems.generate import generate_scenario
from env.trace.document import Manifest

FUTILE = "no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."


def annotated(manifest: Manifest, demand: str) -> Manifest:
    manifest["spec"]["template"]["metadata"]["annotations"] = {"sim-arena.io/demand": demand}
    return manifest


@pytest.mark.parametrize(
    ("cpu", "memory", "demand", "why"),
    [
        ("500m", "512Mi", "{}", ()),
        ("17", "512Mi", "{}", (f"0/3 nodes are available: 3 Insufficient cpu. {FUTILE}",)),
        (
            "100m",
            "512Mi",
            '{"web": {"cpu": "400m"}}',
            ("container web is CPU-starved: it uses 400m of CPU and gets 100m",),
        ),
        (
            "100m",
            "256Mi",
            '{"web": {"cpu": "400m", "memory": "1Gi"}}',
            ("container web is OOM-killed: it uses 1Gi of memory and gets 256Mi",),
        ),
    ],
)
def test_the_text_says_what_keeps_pods_from_being_ready(
    cpu: str, memory: str, demand: str, why: tuple[str, ...], deployment: Any, trace: Any, scenario: Any
) -> None:
    made = scenario(trace([annotated(deployment(cpu=cpu, memory=memory), demand)]))
    assert EmbeddedCluster().why(made, None) == why


def test_pods_that_admission_refuses_are_explained(deployment: Any, trace: Any, scenario: Any) -> None:
    quota = {"hard": {"pods": "2"}}
    metadata = {"name": "few", "namespace": "default"}
    refusing = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": quota}
    (why,) = EmbeddedCluster().why(scenario(trace([refusing], [deployment()])), None)
    assert why.startswith('Error creating: pods "web-')
    assert why.endswith("is forbidden: exceeded quota: few, requested: pods=1, used: pods=2, limited: pods=2")


def test_an_environment_explains_what_it_saw_last() -> None:
    generated = ClusterEnv(problem="replica-deficit")
    generated.reset(seed=21)
    assert generated.why() == ()
    scenario = generate_scenario("cpu", 38)
    given = ClusterEnv([scenario])
    given.reset(seed=0)
    assert given.why() == EmbeddedCluster().why(scenario, None)
