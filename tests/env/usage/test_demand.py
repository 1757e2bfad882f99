"""Use as the annotation of pod templates."""

import json
from dataclasses import replace
from typing import Any

import pytest
from usage_objects import Manifest, container, workload

from env.demand import DEMAND_ANNOTATION
from env.quantity import MIB
from env.usage.containers import pod_template
from env.usage.demand import usage_of_annotations, with_usage
from env.usage.usage import ContainerKey, ContainerUse, Usage

WEB = ContainerKey("Deployment", "shop", "web", "web")
USE = ContainerUse(cpu_m=400, memory_bytes=300 * MIB)


def demand(manifest: Manifest) -> Any:
    annotations = (pod_template(manifest) or {})["metadata"].get("annotations", {})
    return json.loads(annotations[DEMAND_ANNOTATION]) if DEMAND_ANNOTATION in annotations else None


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Pod"])
def test_the_use_is_written_into_the_template_of_each_kind(kind: str) -> None:
    plain = workload(kind)
    [found] = with_usage([plain], Usage({ContainerKey(kind, "shop", "web", "web"): USE}))
    assert demand(found) == {"web": {"cpu": "400m", "memory": "300Mi"}}
    if kind != "Pod":
        assert "annotations" not in (pod_template(plain) or {})["metadata"]
    assert usage_of_annotations([found]).of(ContainerKey(kind, "shop", "web", "web")).cpu_m == 400


def test_how_long_was_measured_is_written_too_so_that_one_look_lowers_nothing_later() -> None:
    measured = replace(USE, window_s=0.0)
    [found] = with_usage([workload()], Usage({WEB: measured}))
    assert usage_of_annotations([found]).of(WEB).window_s == 0
    [week] = with_usage([workload()], Usage({WEB: replace(USE, window_s=604_800.0)}))
    assert usage_of_annotations([week]).of(WEB).window_s == 604_800
    [partial] = with_usage([workload()], Usage({WEB: replace(USE, window_s=604_800.0, is_partial=True)}))
    assert usage_of_annotations([partial]).of(WEB).window_s == 0
    [said] = with_usage([workload()], Usage({WEB: USE}))
    assert usage_of_annotations([said]).of(WEB).window_s is None


def test_an_annotation_that_is_there_stays() -> None:
    [once] = with_usage([workload()], Usage({WEB: USE}))
    assert with_usage([once], Usage({WEB: ContainerUse(cpu_m=1)})) == [once]


def test_nothing_is_written_where_nothing_is_known() -> None:
    service: Manifest = {"kind": "Service", "metadata": {"name": "web"}}
    assert with_usage([workload(), service], Usage()) == [workload(), service]
    [half] = with_usage([workload()], Usage({WEB: ContainerUse(memory_bytes=MIB)}))
    assert demand(half) == {"web": {"memory": "1Mi"}}


def test_a_use_above_a_request_without_limit_runs_as_it_does_in_the_cluster() -> None:
    burstable = workload("Deployment", "web", container(requests={"cpu": "100m", "memory": "128Mi"}))
    [found] = with_usage([burstable], Usage({WEB: USE}))
    assert demand(found) == {"web": {"cpu": "100m", "memory": "128Mi"}}


def test_a_use_above_a_limit_is_written_as_it_is() -> None:
    limited = workload("Deployment", "web", container(limits={"cpu": "200m", "memory": "128Mi"}))
    [found] = with_usage([limited], Usage({WEB: USE}))
    assert demand(found) == {"web": {"cpu": "400m", "memory": "300Mi"}}


def test_a_rate_that_is_a_little_above_its_limit_is_the_limit() -> None:
    limited = workload("Deployment", "web", container(limits={"cpu": "200m"}))
    [found] = with_usage([limited], Usage({WEB: ContainerUse(cpu_m=203)}))
    assert demand(found) == {"web": {"cpu": "200m"}}


def test_a_killed_container_demands_more_than_its_limit() -> None:
    limited = workload("Deployment", "web", container(limits={"memory": "300Mi"}))
    killed = ContainerUse(memory_bytes=300 * MIB, is_floor=True)
    [found] = with_usage([limited], Usage({WEB: killed}))
    assert demand(found) == {"web": {"memory": "400Mi"}}


def test_an_annotation_that_cannot_be_read_is_a_note_and_its_containers_are_missing() -> None:
    odd = workload()
    odd["spec"]["template"]["metadata"]["annotations"] = {DEMAND_ANNOTATION: "\x1b[2J"}
    found = usage_of_annotations([odd])
    assert (found.missing, len(found.notes)) == ((WEB,), 1)
    assert found.notes[0].startswith("Deployment shop/web: annotation")
    assert found.notes[0].isprintable()
