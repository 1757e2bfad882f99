"""Resources besides CPU and memory: what pods take of them, and which requests the API server refuses."""

from __future__ import annotations

from typing import Any

import pytest

from env.engine.manifests.pod_template import read_template
from env.engine.scheduling.nodes import read_node
from env.errors import QuantityError

GPU = "nvidia.com/gpu"


def pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    named = [{"name": f"c{number}", "resources": resources} for number, resources in enumerate(containers)]
    return {"spec": {"containers": named, **spec}}


def taken(template: dict[str, Any]) -> dict[str, int]:
    return dict(read_template(template, "default").base.extended)


def test_a_limit_alone_is_the_request() -> None:
    assert taken(pod({"limits": {GPU: "1"}}, {"limits": {GPU: 2}, "requests": {GPU: "2"}})) == {GPU: 3}


def test_init_containers_count_by_their_peak_and_sidecars_in_sum() -> None:
    init = [
        {"name": "side", "restartPolicy": "Always", "resources": {"requests": {"ephemeral-storage": "1Gi"}}},
        {"name": "once", "resources": {"limits": {GPU: "4"}}},
    ]
    template = pod({"limits": {GPU: "1"}, "requests": {"ephemeral-storage": "1Gi"}}, initContainers=init)
    assert taken(template) == {GPU: 4, "ephemeral-storage": 2 * 2**30}


def test_huge_pages_are_taken_beside_memory() -> None:
    limits = {"hugepages-2Mi": "100Mi", "memory": "1Gi"}
    assert taken(pod({"limits": limits})) == {"hugepages-2Mi": 100 * 2**20}


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        ({"limits": {"hugepages-2Mi": "100Mi"}}, "huge pages need cpu or memory"),
        ({"limits": {"hugepages-2Mi": "3Mi", "cpu": 1}}, r"limits.hugepages-2Mi '3Mi': must be whole pages of 2Mi"),
        ({"limits": {"hugepages-x": "3Mi", "cpu": 1}}, "quantity 'x'"),
        ({"limits": {GPU: "1"}, "requests": {GPU: "2"}}, f"requests.{GPU} '2': must equal the limit, '1'"),
        ({"requests": {GPU: "500m"}}, f"requests.{GPU} '500m': must be a whole number"),
        ({"requests": {"gpu": "1"}}, "'gpu': must be cpu, memory, ephemeral-storage, hugepages-SIZE or a full name"),
        ({"requests": {"a/b/c": "1"}}, "'a/b/c': must be"),
        ({"requests": {"requests.nvidia.com/gpu": "1"}}, "must be cpu, memory"),
    ],
)
def test_what_the_api_server_refuses_is_named(resources: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, QuantityError), match=message):
        read_template(pod({}, resources), "default")


def test_a_node_of_a_truth_file_has_resources_beside_its_size() -> None:
    sizes = {"cpu": "4", "memory": "8Gi", "ephemeral-storage": "10Gi", GPU: "1", "hugepages-2Mi": "64Mi"}
    node = read_node({"name": "n0", **sizes})
    assert dict(node.extended) == {"ephemeral-storage": 10 * 2**30, GPU: 1, "hugepages-2Mi": 64 * 2**20}
