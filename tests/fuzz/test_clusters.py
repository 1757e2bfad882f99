"""API servers that lie: what they say is read into a trace that is valid, printable and free of secrets, or refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import hostile
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from env.kube.client import KubeApi
from env.printable import printable
from env.snapshot.anonymous import anonymous
from env.snapshot.live import read_cluster
from env.snapshot.reading import LISTED
from env.snapshot.snapshot import trace_of
from env.trace.document import read_trace

Manifest = dict[str, Any]

SECRET = "hunter2"
_NAMES = {"name": "web", "namespace": "shop", "labels": {"app": "web"},
          "annotations": {"kubectl.kubernetes.io/last-applied-configuration": SECRET},
          "creationTimestamp": "2026-01-01T00:00:00Z"}  # fmt: skip
_CONTAINER = {"name": "app", "image": "web:1", "env": [{"name": "PASSWORD", "value": SECRET}], "command": [SECRET],
              "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}}  # fmt: skip
_POD = {"containers": [_CONTAINER], "tolerations": [{"key": "a", "operator": "Exists"}], "priority": 0}
_SPEC = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}},
         "template": {"metadata": {"labels": {"app": "web"}}, "spec": _POD}}  # fmt: skip
_STATUS = {
    "phase": "Running", "readyReplicas": 1, "updatedReplicas": 1,
    "conditions": [{"type": "Ready", "status": "True"}, {"type": "PodScheduled", "message": "0/1 nodes"}],
    "containerStatuses": [{"name": "app", "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                           "lastState": {"terminated": {"reason": "OOMKilled"}}}],
}  # fmt: skip
_SET = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5", "controller": True}
_DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "controller": True}
VALID: Manifest = {
    "nodes": {"metadata": {"name": "node-1", "labels": {"kubernetes.io/hostname": "node-1"}},
              "spec": {"taints": [{"key": "a", "value": "b", "effect": "NoSchedule"}]},
              "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}}},
    "namespaces": {"metadata": {"name": "shop", "labels": {"kubernetes.io/metadata.name": "shop"}}},
    "priorityclasses": {"metadata": {"name": "high"}, "value": 7},
    "limitranges": {"metadata": _NAMES, "spec": {"limits": [{"type": "Container", "max": {"cpu": "8"}}]}},
    "resourcequotas": {"metadata": _NAMES, "spec": {"hard": {"requests.cpu": "40"}}},
    "daemonsets": {"metadata": _NAMES, "spec": _SPEC, "status": _STATUS},
    "statefulsets": {"metadata": _NAMES, "spec": _SPEC, "status": _STATUS},
    "deployments": {"metadata": _NAMES, "spec": _SPEC, "status": _STATUS},
    "replicasets": {"metadata": {**_NAMES, "name": "web-5", "ownerReferences": [_DEPLOYMENT]}, "spec": _SPEC},
    "cronjobs": {"metadata": _NAMES, "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": _SPEC}}},
    "jobs": {"metadata": _NAMES, "spec": {**_SPEC, "completions": 5}, "status": {"succeeded": 2}},
    "horizontalpodautoscalers": {"metadata": _NAMES, "spec": {"maxReplicas": 3, "scaleTargetRef": {
        "kind": "Deployment", "name": "web"}}},
    "poddisruptionbudgets": {"metadata": _NAMES, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}}},
    "pods": {"metadata": {**_NAMES, "name": "web-5-abcde", "ownerReferences": [_SET]},
             "spec": {**_POD, "nodeName": "node-1"}, "status": _STATUS},
}  # fmt: skip


@dataclass(frozen=True)
class Lying(KubeApi):
    """An API server that has one object of each kind, and one more pod that nothing owns."""

    objects: Manifest = field(default_factory=dict)

    def pages(self, path: str, *, labels: str = "", fields: str = "") -> Iterator[list[Manifest]]:
        plural = path.rpartition("/")[2]
        found = [self.objects[plural]]
        if plural == "pods" and isinstance(found[0].get("metadata"), dict):
            found.append({**found[0], "metadata": {**found[0]["metadata"], "name": "bare", "ownerReferences": []}})
        yield found


def _read(objects: Manifest) -> None:
    data = hostile.loose_json(objects)
    api = Lying(cast(Any, None), objects=json.loads(data))

    def recorded() -> bytes:
        snapshot = read_cluster(api, "context lying")
        for text in (*map(str, snapshot.skipped), *map(str, snapshot.now), *(each.said for each in snapshot.now)):
            assert printable(text) == text
        trace = trace_of(snapshot)
        read_trace(anonymous(trace).to_bytes(), "again")
        return trace.to_bytes()

    made = hostile.answered("clusters", len(data), recorded)
    if made is not None:
        read_trace(made, "again")
        assert SECRET.encode() not in made


def test_what_is_valid_is_read_and_no_secret_is_kept() -> None:
    _read(VALID)


@settings(settings.get_profile("fuzz"))
@given(data=st.data())
def test_a_mutated_cluster_becomes_a_valid_trace_or_is_refused_in_one_line(data: st.DataObject) -> None:
    plural = data.draw(st.sampled_from(sorted(VALID)))
    mutant = data.draw(hostile.mutants(VALID[plural]))
    _read({**VALID, plural: mutant if isinstance(mutant, dict) else {}})


@pytest.mark.parametrize("plural", sorted({each.plural for each in LISTED}))
def test_an_object_without_anything_is_named_or_left_out(plural: str) -> None:
    _read({**VALID, plural: {}})
