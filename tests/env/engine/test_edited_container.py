"""Which container an edit changes, and what the pod takes with it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from env.engine.manifests.edited_container import DEFAULT_CONTAINER, Choice, edited_containers, with_edit
from env.engine.manifests.fields import Manifest
from env.engine.manifests.pod_template import read_template
from env.engine.manifests.qos import QosClass, qos_class
from env.quantity import GIB, MIB


def container(name: str, cpu: str | None = None, memory: str | None = None, **fields: Any) -> Manifest:
    requests = {key: value for key, value in (("cpu", cpu), ("memory", memory)) if value is not None}
    return {"name": name, "resources": {"requests": requests}, **fields}


def template(*containers: Manifest, init: tuple[Manifest, ...] = (), **annotations: str) -> Manifest:
    named = {DEFAULT_CONTAINER: annotations["default"]} if "default" in annotations else {}
    demand = {"sim-arena.io/demand": annotations["demand"]} if "demand" in annotations else {}
    return {
        "metadata": {"annotations": {**named, **demand}},
        "spec": {"containers": [*containers], "initContainers": [*init]},
    }


WEB, LOG = container("web", "1", "1Gi"), container("log", "100m", "2Gi")
MESH = container("mesh", "2", "64Mi", restartPolicy="Always")
SETUP = container("setup", "4", "128Mi")


@pytest.mark.parametrize(
    ("made", "cpu", "memory", "choices"),
    [
        (template(WEB), "web", "web", (Choice.ONLY, Choice.ONLY)),
        (template(WEB, WEB | {"name": "twin"}), "web", "web", (Choice.FIRST, Choice.FIRST)),
        (template(container("a"), container("b")), "a", "a", (Choice.FIRST, Choice.FIRST)),
        (template(WEB, LOG), "web", "log", (Choice.FIRST, Choice.DECIDING)),
        (template(WEB, LOG, default="log"), "log", "log", (Choice.ANNOTATED, Choice.ANNOTATED)),
        (template(WEB, LOG, default="gone"), "web", "log", (Choice.FIRST, Choice.DECIDING)),
        (template(WEB, init=(SETUP,)), "setup", "web", (Choice.DECIDING, Choice.FIRST)),
        (template(WEB, init=(SETUP,), default="setup"), "setup", "setup", (Choice.ANNOTATED, Choice.ANNOTATED)),
        (template(WEB, init=(MESH,)), "mesh", "web", (Choice.DECIDING, Choice.FIRST)),
        (template(WEB, init=(MESH, SETUP)), "setup", "web", (Choice.DECIDING, Choice.FIRST)),
        (template(WEB, init=(container("setup", "1"),)), "web", "web", (Choice.FIRST, Choice.FIRST)),
        (template(WEB, LOG, demand='{"log": {"cpu": "300m"}}'), "log", "log", (Choice.SHORT, Choice.DECIDING)),
        (template(WEB, LOG, demand='{"web": {"memory": "3Gi"}}'), "web", "web", (Choice.FIRST, Choice.SHORT)),
    ],
)
def test_the_container_is_the_named_one_else_the_one_at_fault(
    made: Manifest, cpu: str, memory: str, choices: tuple[Choice, Choice]
) -> None:
    found = edited_containers(made)
    assert (found.cpu.name, found.memory.name, (found.cpu_choice, found.memory_choice)) == (cpu, memory, choices)


def test_a_name_that_no_container_has_is_kept() -> None:
    assert edited_containers(template(WEB, LOG, default="gone")).missing == "gone"


amounts = st.sampled_from([None, "100m", "1", "2500m"])


@given(st.data(), st.integers(1, 3), st.lists(st.booleans(), max_size=3), st.sampled_from([None, 50, 700, 9000]))
def test_a_pod_takes_what_its_edited_manifest_asks_for(
    data: st.DataObject, regular: int, init: list[bool], cpu_m: int | None
) -> None:
    containers = [container(f"c{i}", data.draw(amounts)) for i in range(regular)]
    starting = [
        container(f"i{i}", data.draw(amounts), **({"restartPolicy": "Always"} if stays else {}))
        for i, stays in enumerate(init)
    ]
    made = template(*containers, init=tuple(starting))
    source = read_template(made, "default")
    written = {**made, "spec": with_edit(made["spec"], source.edited, cpu_m, 512 * MIB)}
    asked, read = source.template(cpu_m, 512 * MIB), read_template(written, "default").as_written()
    for name in ("cpu_m", "memory_bytes", "score_cpu_m", "score_memory_bytes"):
        assert getattr(asked, name) == getattr(read, name)


def limited(request: str | None, limit: str, use: str | None = None, **pod: Any) -> Manifest:
    requests = {} if request is None else {"memory": request}
    only = {"name": "web", "resources": {"requests": requests, "limits": {"memory": limit}}}
    made = template(only, **({} if use is None else {"demand": f'{{"web": {{"memory": "{use}"}}}}'}))
    return {**made, "spec": {**made["spec"], **pod}}


@pytest.mark.parametrize(
    ("made", "ceiling"),
    [
        (template(WEB), None),
        (limited("1Gi", "2Gi"), (2 * GIB, "the limit 2Gi of container web")),
        (limited("1Gi", "2Gi", "1Gi"), (2 * GIB, "the limit 2Gi of container web")),
        (limited("1Gi", "2Gi", "3Gi"), None),
        (
            limited("1Gi", "4Gi", resources={"requests": {"memory": "3Gi"}}),
            (3 * GIB, "the 3Gi that the pod's own resources leave to container web"),
        ),
    ],
)
def test_a_limit_is_a_ceiling_unless_the_container_uses_more(made: Manifest, ceiling: tuple[int, str] | None) -> None:
    assert read_template(made, "default").ceilings()[1] == ceiling


GUARANTEED = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}}


@pytest.mark.parametrize(
    ("resources", "other", "expected"),
    [
        (GUARANTEED, None, QosClass.GUARANTEED),
        ({"limits": GUARANTEED["limits"]}, None, QosClass.GUARANTEED),
        (GUARANTEED, {}, QosClass.BURSTABLE),
        ({**GUARANTEED, "requests": {"cpu": "500m", "memory": "1Gi"}}, None, QosClass.BURSTABLE),
        ({"limits": {"memory": "1Gi"}}, None, QosClass.BURSTABLE),
        ({"requests": {"cpu": "0"}}, {}, QosClass.BEST_EFFORT),
        ({}, {"requests": {"cpu": "1"}}, QosClass.BURSTABLE),
    ],
)
def test_the_qos_class_is_that_of_kubernetes(resources: Manifest, other: Manifest | None, expected: QosClass) -> None:
    init = [] if other is None else [{"name": "init", "resources": other}]
    assert qos_class({"containers": [{"name": "web", "resources": resources}], "initContainers": init}) is expected


def test_the_resources_of_the_pod_decide_its_class_where_it_has_any() -> None:
    pod = {"resources": GUARANTEED, "containers": [{"name": "web"}]}
    assert qos_class(pod) is QosClass.GUARANTEED
