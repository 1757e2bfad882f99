from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from env.engine.manifests.deployment import read_deployment
from env.engine.manifests.edited_container import DEFAULT_CONTAINER
from env.errors import QuantityError, TraceError
from env.quantity import GIB, MIB
from env.trace.document import Manifest
from env.trace.edit import edited
from env.workload import ResourceEdit, Resources


def container(cpu: str | None = None, memory: str | None = None, **fields: Any) -> Manifest:
    requests = {key: value for key, value in (("cpu", cpu), ("memory", memory)) if value is not None}
    return {"name": "c", "resources": {"requests": requests}, **fields}


def with_containers(manifest: Manifest, *containers: Manifest) -> Manifest:
    manifest["spec"]["template"]["spec"]["containers"] = list(containers)
    return manifest


def test_reads_the_requests_of_the_container_that_is_edited_and_the_replicas(
    deployment: Callable[..., Manifest],
) -> None:
    manifest = with_containers(deployment(replicas=4), container("250m", "1Gi"), container("200m", "1Gi"))
    assert read_deployment(manifest).resources == Resources(250, GIB, 4)


def test_replicas_default_to_one(deployment: Callable[..., Manifest]) -> None:
    assert read_deployment(deployment(replicas=None)).replicas == 1


def test_a_limit_without_a_request_is_the_request(deployment: Callable[..., Manifest]) -> None:
    manifest = with_containers(deployment(), {"name": "c", "resources": {"limits": {"cpu": "2", "memory": "1Gi"}}})
    assert read_deployment(manifest).resources == Resources(2000, GIB, 3)


def test_a_pod_takes_the_sum_of_its_containers(deployment: Callable[..., Manifest]) -> None:
    manifest = with_containers(deployment(), container("250m", "1Gi"), container("1", "2Gi"), container())
    template = read_deployment(manifest).template
    assert (template.cpu_m, template.memory_bytes) == (1250, 3 * GIB)


def test_containers_without_requests_count_in_scores(deployment: Callable[..., Manifest]) -> None:
    template = read_deployment(with_containers(deployment(), container("1", "1Gi"), container())).template
    assert (template.score_cpu_m, template.score_memory_bytes) == (1100, GIB + 200 * MIB)


def test_init_containers_count_by_their_maximum(deployment: Callable[..., Manifest]) -> None:
    manifest = deployment(cpu="1", memory="1Gi", initContainers=[container("3", "128Mi"), container("2", "2Gi")])
    template = read_deployment(manifest).template
    assert (template.cpu_m, template.memory_bytes) == (3000, 2 * GIB)


def test_sidecars_add_to_the_containers_and_to_later_init_containers(deployment: Callable[..., Manifest]) -> None:
    sidecar = container("500m", "64Mi", restartPolicy="Always")
    before = deployment(cpu="1", initContainers=[container("2"), sidecar])
    after = deployment(cpu="1", initContainers=[sidecar, container("2")])
    assert read_deployment(before).template.cpu_m == 2000
    assert read_deployment(after).template.cpu_m == 2500


def test_overhead_comes_on_top(deployment: Callable[..., Manifest]) -> None:
    assert read_deployment(deployment(cpu="1", overhead={"cpu": "100m"})).template.cpu_m == 1100


def test_equal_quantities_are_one_revision_in_any_spelling(deployment: Callable[..., Manifest]) -> None:
    one, other = (read_deployment(deployment(cpu=cpu, memory=m)) for cpu, m in (("1", "1Gi"), ("1000m", "1024Mi")))
    assert one.template.revision == other.template.revision


@pytest.mark.parametrize("change", [{"cpu": "2"}, {"memory": "1Gi"}, {"image": "web:2"}, {"nodeSelector": {"a": "b"}}])
def test_every_change_of_the_template_is_a_new_revision(
    change: dict[str, Any], deployment: Callable[..., Manifest]
) -> None:
    assert read_deployment(deployment()).template.revision != read_deployment(deployment(**change)).template.revision


def test_replicas_are_no_part_of_the_revision(deployment: Callable[..., Manifest]) -> None:
    one, other = (read_deployment(deployment(replicas=n)) for n in (1, 9))
    assert one.template.revision == other.template.revision


def test_an_edit_writes_canonical_quantities_into_one_container(deployment: Callable[..., Manifest]) -> None:
    manifest = with_containers(deployment(), container("1", "1Gi"), container("1", "1Gi"))
    edited(manifest, ResourceEdit(1500, 256 * MIB, 7))
    first, second = manifest["spec"]["template"]["spec"]["containers"]
    assert first["resources"]["requests"] == {"cpu": "1500m", "memory": "256Mi"}
    assert second["resources"]["requests"] == {"cpu": "1", "memory": "1Gi"}
    assert manifest["spec"]["replicas"] == 7


def test_an_edit_adds_requests_where_there_are_none(deployment: Callable[..., Manifest]) -> None:
    manifest = with_containers(deployment(), {"name": "c", "resources": None})
    assert read_deployment(edited(manifest, ResourceEdit(cpu_m=500))).resources.cpu_m == 500


def test_a_limit_below_the_new_request_is_raised_to_it(deployment: Callable[..., Manifest]) -> None:
    limits = {"cpu": "1", "memory": "4Gi"}
    manifest = with_containers(deployment(), {"name": "c", "resources": {"limits": limits}})
    edited(manifest, ResourceEdit(2000, GIB))
    resources = manifest["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert resources == {"limits": {"cpu": "2", "memory": "4Gi"}, "requests": {"cpu": "2", "memory": "1Gi"}}


def test_an_edit_of_nothing_changes_nothing(deployment: Callable[..., Manifest]) -> None:
    manifest = deployment(cpu="5.556655340828402", memory="17.5Gi")
    before = copy.deepcopy(manifest)
    recorded = read_deployment(manifest).resources
    assert edited(manifest, ResourceEdit.between(recorded, recorded)) == before


edits = st.builds(
    ResourceEdit,
    st.none() | st.integers(1, 9999),
    st.none() | st.integers(1, 2**33),
    st.none() | st.integers(0, 99),
)


@given(
    edits,
    st.sampled_from([None, "1", "250m"]),
    st.sampled_from([{}, {"cpu": "1"}, {"cpu": "4", "memory": "1Gi"}]),
    st.sampled_from(["web", "log", "init", "sidecar"]),
)
def test_editing_the_record_is_editing_the_manifest(
    edit: ResourceEdit, cpu: str | None, limits: Manifest, named: str
) -> None:
    containers = [{**container(cpu), "name": "web"}, {**container("1", "1Gi"), "name": "log"}]
    sidecar = {**container("300m", "2Gi", restartPolicy="Always"), "name": "sidecar"}
    init = [sidecar, {**container("2"), "name": "init"}]
    next(each for each in (*containers, *init) if each["name"] == named)["resources"]["limits"] = limits
    pod = {"containers": containers, "initContainers": init}
    metadata = {"annotations": {DEFAULT_CONTAINER: named}}
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": 2, "template": {"metadata": metadata, "spec": pod}},
    }
    asked = read_deployment(manifest).edited(edit)
    written = read_deployment(edited(copy.deepcopy(manifest), edit))
    assert asked.resources == written.resources
    assert asked.template.revision == written.template.revision
    for name in ("cpu_m", "memory_bytes", "score_cpu_m", "score_memory_bytes"):
        assert getattr(asked.template, name) == getattr(written.template, name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spec": None}, "containers: must have at least one"),
        ({"spec": []}, "spec: must be a map"),
        ({"spec": {"template": {"spec": {"containers": ["c"]}}}}, "containers: must be a list of maps"),
        ({"spec": {"replicas": -1, "template": {"spec": {"containers": [{}]}}}}, "replicas -1: must be"),
        ({"spec": {"replicas": 1.5, "template": {"spec": {"containers": [{}]}}}}, "replicas 1.5: must be"),
        (
            {"spec": {"strategy": {"rollingUpdate": {"maxSurge": "x"}}, "template": {"spec": {"containers": [{}]}}}},
            "maxSurge 'x': must be",
        ),
    ],
)
def test_what_the_api_server_would_refuse_is_an_error(
    change: Manifest, message: str, deployment: Callable[..., Manifest]
) -> None:
    with pytest.raises(TraceError, match=f"Deployment default/web: {message}"):
        read_deployment({**deployment(), **change})


def test_a_wrong_quantity_names_the_deployment(deployment: Callable[..., Manifest]) -> None:
    with pytest.raises(QuantityError, match="Deployment default/web: quantity '512MB'"):
        read_deployment(deployment(memory="512MB"))
