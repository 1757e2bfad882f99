"""The KWOK Stages that are shipped: every pod is taken by the Stage of its verdict, also beside other Stages."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest
import yaml

from env.demand import VERDICT_ANNOTATION, Shortage
from env.simkube import paths

Manifest = dict[str, Any]

STAGES: list[Manifest] = list(yaml.safe_load_all(files("env.simkube").joinpath("stages.yaml").read_text()))


def value_at(pod: Manifest, key: str) -> Any:
    """What the few jq paths of the file mean: `.a.b` and `.a["b"]`."""
    found: Any = pod
    for step in key.replace('["', "\0").replace('"]', "").replace("\0", "|").lstrip(".").split("|"):
        for name in [step] if "/" in step else step.split("."):
            found = found.get(name) if isinstance(found, dict) else None
    return found


def holds(pod: Manifest, expression: Manifest) -> bool:
    value = value_at(pod, expression["key"])
    match expression["operator"]:
        case "In":
            return value in expression["values"]
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    raise AssertionError(expression)


def taking(pod: Manifest) -> list[str]:
    """The Stages that KWOK draws from: of those that match, the ones with weight if there are any."""
    matching = [s for s in STAGES if all(holds(pod, e) for e in s["spec"]["selector"]["matchExpressions"])]
    weighted = [s for s in matching if s["spec"].get("weight")]
    return [s["metadata"]["name"] for s in weighted or matching]


def pod(verdict: str | None, phase: str = "Pending", **metadata: str) -> Manifest:
    annotations = {VERDICT_ANNOTATION: verdict} if verdict else {}
    status = {"phase": phase} | ({"podIP": "10.0.0.1"} if phase == "Running" else {})
    return {"metadata": {"annotations": annotations, **metadata}, "status": status}


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (pod(None), ["sim-arena-pod-ready"]),
        (pod(None, "Running"), []),
        (pod(Shortage.OOM_KILLED), ["sim-arena-pod-oom-killed"]),
        (pod(Shortage.OOM_KILLED, "Running"), ["sim-arena-pod-oom-killed-again"]),
        (pod(Shortage.CPU_STARVED), ["sim-arena-pod-cpu-starved"]),
        (pod(Shortage.CPU_STARVED, "Running"), []),
        (pod(Shortage.OOM_KILLED, "Running", deletionTimestamp="now"), ["sim-arena-pod-delete"]),
    ],
)
def test_a_pod_is_taken_by_the_stage_of_its_verdict(seen: Manifest, expected: list[str]) -> None:
    assert taking(seen) == expected


def test_the_stages_of_verdicts_outweigh_all_others() -> None:
    for stage in STAGES:
        judging = any(
            e["key"] == f'.metadata.annotations["{VERDICT_ANNOTATION}"]' and e["operator"] == "In"
            for e in stage["spec"]["selector"]["matchExpressions"]
        )
        assert stage["spec"].get("weight", 0) == (1_000_000 if judging else 0), stage["metadata"]["name"]


def test_every_stage_is_ours_and_of_the_form_that_kwok_reads() -> None:
    for stage in STAGES:
        assert (stage["apiVersion"], stage["kind"]) == ("kwok.x-k8s.io/v1alpha1", "Stage")
        assert stage["metadata"]["name"].startswith("sim-arena-pod-")
        assert stage["metadata"]["labels"] == {paths.MANAGED_BY: paths.SIM_ARENA}
        assert stage["spec"]["resourceRef"] == {"apiGroup": "v1", "kind": "Pod"}
        template = stage["spec"]["next"].get("statusTemplate", "")
        assert template.count("{{ range") + template.count("{{ if") == template.count("{{ end }}")
