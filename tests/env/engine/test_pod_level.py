"""Resources that a pod asks for as a whole (`spec.resources`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from env.engine.manifests.deployment import read_deployment
from env.engine.manifests.pod_template import PodTemplate
from env.errors import TraceError
from env.quantity import GIB, MIB
from env.trace.document import Manifest
from env.workload import ResourceEdit

Make = Callable[..., Any]


def of(whole: Manifest, *containers: Manifest, **pod: Any) -> Manifest:
    """A Deployment whose pods ask for `whole`, and whose containers have these resources."""
    each = [{"name": f"c{i}", "image": "c:1", "resources": asked} for i, asked in enumerate(containers)]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": 4,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"resources": whole, "containers": each, **pod},
            },
        },
    }


def requests(cpu: str | None = None, memory: str | None = None, **more: str) -> Manifest:
    return {"requests": {k: v for k, v in {"cpu": cpu, "memory": memory, **more}.items() if v is not None}}


def limits(**amounts: str) -> Manifest:
    return {"limits": amounts}


def template(*args: Manifest, **pod: Any) -> PodTemplate:
    return read_deployment(of(*args, **pod)).template


def test_a_pod_takes_what_it_requests_as_a_whole(cluster: Make, node: Make) -> None:
    one = cluster(node("a", cpu="8")).apply(of(requests("3"), requests("1"), requests("1")))
    assert one.state() == (2, 2, 4)
    assert one.messages() == [
        "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: "
        "0/1 nodes are available: 1 No preemption victims found for incoming pod."
    ]


def test_a_resource_that_the_pod_does_not_name_is_summed_over_the_containers() -> None:
    made = template(requests("3"), requests("1", "1Gi"), requests("1", "2Gi"))
    assert (made.cpu_m, made.memory_bytes) == (3000, 3 * GIB)


def test_overhead_comes_on_top_and_init_containers_do_not() -> None:
    init = {"name": "i", "image": "i:1", "resources": requests("2")}
    made = template(requests("3"), requests("1"), initContainers=[init], overhead={"cpu": "250m"})
    assert made.cpu_m == 3250


@pytest.mark.parametrize(
    ("containers", "cpu_m"),
    [((requests(),), 4000), ((requests("1"), requests("500m")), 1500), ((limits(cpu="2"),), 2000)],
    ids=["no container asks", "containers ask", "a container has a limit"],
)
def test_a_limit_of_the_pod_is_its_request_only_where_no_container_asks(
    containers: tuple[Manifest, ...], cpu_m: int
) -> None:
    assert template(limits(cpu="4"), *containers).cpu_m == cpu_m


def test_huge_pages_of_the_pod_count_and_other_resources_do_not() -> None:
    whole = {"requests": {"example.com/gpu": "1"}, "limits": {"hugepages-2Mi": "4Mi"}}
    assert template(whole, requests("1")).extended == (("hugepages-2Mi", 4 * MIB),)


def test_the_request_of_the_pod_counts_in_scores_too() -> None:
    made = template(requests("3"), requests(), requests())
    assert (made.score_cpu_m, made.score_memory_bytes) == (3000, 400 * MIB)


def test_a_containers_request_changes_nothing_where_the_pod_has_one() -> None:
    asked = read_deployment(of(requests("3"), requests("1", "1Gi"), requests("1", "1Gi")))
    edited = asked.edited(ResourceEdit(cpu_m=2000, memory_bytes=3 * GIB))
    assert (edited.template.cpu_m, edited.template.memory_bytes) == (3000, 4 * GIB)
    assert (asked.source.cpu.pod, asked.source.memory.pod) == (3000, None)
    assert edited.template.revision != asked.template.revision


def test_a_containers_first_request_takes_the_place_of_the_pods_limit() -> None:
    asked = read_deployment(of(limits(cpu="4"), requests()))
    assert asked.edited(ResourceEdit(cpu_m=1000)).template.cpu_m == 1000


def test_pods_whose_defaults_exceed_what_they_ask_for_as_a_whole_are_refused(cluster: Make, node: Make) -> None:
    one = cluster(node("a", cpu="8")).apply(of(requests("1"), limits(cpu="2")))
    assert one.state() == (0, 0, 0)
    assert one.told("FailedCreate")[0].endswith(
        'is invalid: spec.resources.requests[cpu]: Invalid value: "1": '
        "must be greater than or equal to aggregate container requests of 2"
    )


@pytest.mark.parametrize(
    ("whole", "containers", "message"),
    [
        (requests("1"), (requests("600m"), requests("600m")), "requests less cpu than the containers"),
        (limits(memory="1Gi"), (limits(memory="2Gi"),), "lower limit of memory than that of a container"),
    ],
)
def test_containers_that_ask_for_more_than_their_pod_are_refused(
    whole: Manifest, containers: tuple[Manifest, ...], message: str
) -> None:
    with pytest.raises(TraceError, match=message):
        template(whole, *containers)
