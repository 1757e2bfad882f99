"""The Job of `sim-arena workers job` on a real control plane."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from env.kube.client import KubeApi
from env.kube.paths import path_of
from env.snapshot.reading import NAMESPACES
from infra.ec2.launch.code import HERE, Code
from infra.ec2.launch.user_data import Artifact
from infra.kubernetes.job import JobSpec, text
from infra.proof.control_plane.plane import Plane
from protocol.wire import keys

NAME = "sim-arena-workers"


@pytest.fixture
def namespace(api: KubeApi) -> Iterator[str]:
    """A new one that takes only pods that are confined as the strictest Pod Security Standard asks."""
    name = f"workers-{secrets.token_hex(3)}"  # the last one may still be going
    strict = {"pod-security.kubernetes.io/enforce": "restricted"}
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": strict}}
    api.apply(path_of(NAMESPACES.collection, name), made)
    yield name
    api.delete(path_of(NAMESPACES.collection, name))


def spec(**given: Any) -> JobSpec:
    return JobSpec(**{"bucket": "my-bucket", "count": 2, "secret": "s3", **given})


CODE = Code(*(Artifact(keys.code("0" * 64, name), "0" * 64) for name in ("x.whl", "requirements.lock")))


@pytest.mark.parametrize(
    "given",
    [
        {"code": CODE, "lock": (HERE / "requirements.lock").read_text(), "count": 1000},
        {"image": "sim-arena:1", "run_once": True},
        {"image": "sim-arena:1", "secret": None, "role_arn": "arn:aws:iam::123456789012:role/workers"},
    ],
)
def test_the_api_server_admits_what_is_printed(plane: Plane, namespace: str, given: dict[str, Any]) -> None:
    said = plane.kubectl(
        "apply", "--dry-run=server", "--validate=strict", "-f", "-", given=text(spec(namespace=namespace, **given))
    )
    assert said.splitlines() == [
        f"serviceaccount/{NAME} created (server dry run)",
        f"job.batch/{NAME} created (server dry run)",
    ]
