"""What surrounds a step: rights, credentials, S3, foreign pods, and what the cluster of the replay lacks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from planes import SETTINGS, deployment, run, scenario

from env.errors import ClusterError
from env.kube.client import KubeApi
from env.kube.connect import connect
from env.simkube.cluster import SimKubeCluster
from env.simkube.doctor_results import NEEDED
from env.simkube.settings import SimKubeSettings
from env.simkube.traces import NodeFolder
from infra.proof.control_plane.credentials import self_signed
from infra.proof.control_plane.plane import Plane
from protocol.learners.trace_bucket import open_trace_bucket

MakeCluster = Callable[..., SimKubeCluster]


def kubeconfig_with(plane: Plane, to: Path, *, token: str | None = None, authority: Path | None = None) -> Path:
    """The plane's kubeconfig with another token, or another certificate authority."""
    content = yaml.safe_load(plane.kubeconfig.read_text())
    if token is not None:
        content["users"][0]["user"] = {"token": token}
    if authority is not None:
        content["clusters"][0]["cluster"]["certificate-authority"] = str(authority)
    to.write_text(yaml.safe_dump(content))
    return to


@pytest.fixture
def needed_rights_only(plane: Plane, tmp_path: Path) -> Iterator[Path]:
    """The kubeconfig of an account that may do what `doctor` says is needed, and no more."""
    account = ["serviceaccount", "player"]
    kinds = {
        "ClusterRole": [each for each in NEEDED if not each.namespace],
        "Role": [each for each in NEEDED if each.namespace],
    }
    objects = []
    for kind, needed in kinds.items():
        metadata = {"name": "player", **({"namespace": "simkube"} if kind == "Role" else {})}
        rules = [{"verbs": [each.verb], "apiGroups": [each.group], "resources": [each.resource]} for each in needed]
        group = "rbac.authorization.k8s.io"
        objects += [
            {"apiVersion": f"{group}/v1", "kind": kind, "metadata": metadata, "rules": rules},
            {"apiVersion": f"{group}/v1", "kind": f"{kind}Binding", "metadata": metadata,
             "roleRef": {"apiGroup": group, "kind": kind, "name": "player"},
             "subjects": [{"kind": "ServiceAccount", "name": "player", "namespace": "default"}]},
        ]  # fmt: skip
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    plane.kubectl("create", *account)
    plane.kubectl("create", "-f", "-", given=listed)
    token = plane.kubectl("create", "token", "player").strip()
    yield kubeconfig_with(plane, tmp_path / "player", token=token)
    plane.kubectl("delete", "-f", "-", given=listed)
    plane.kubectl("delete", *account)


def test_a_step_needs_no_more_rights_than_doctor_asks_for(
    plane: Plane, free: None, needed_rights_only: Path, nodes: object
) -> None:
    where = NodeFolder(plane.data, str(plane.data))
    cluster = SimKubeCluster(connect(kubeconfig=str(needed_rights_only)), where, SimKubeSettings.read(SETTINGS))
    try:
        assert cluster.observe(scenario([deployment()]), None).ready == 3
    finally:
        cluster.close()


def test_doctor_fails_in_nothing_with_the_needed_rights_only(
    plane: Plane, free: None, needed_rights_only: Path
) -> None:
    done = run(needed_rights_only, "doctor", "--json", "--trace-dir", f"{plane.data}:{plane.data}")
    found = {each["check"]: each for each in json.loads(done.stdout)["checks"]}
    assert [name for name, each in found.items() if each["level"] == "fail"] == []
    assert found["permissions"]["level"] == "ok"
    assert any("cannot look" in each["said"] for each in found.values())


def test_credentials_that_are_not_accepted_are_one_line(plane: Plane, tmp_path: Path) -> None:
    done = run(kubeconfig_with(plane, tmp_path / "config", token="wrong"), "doctor", "--json")
    (line,) = json.loads(done.stdout)["checks"]
    assert "401" in line["said"]


def test_a_certificate_of_another_authority_is_said_to_be_that(plane: Plane, tmp_path: Path) -> None:
    self_signed(tmp_path, "other", "another-ca", "basicConstraints=critical,CA:TRUE")
    done = run(kubeconfig_with(plane, tmp_path / "config", authority=tmp_path / "other.crt"), "doctor", "--json")
    (line,) = json.loads(done.stdout)["checks"]
    assert "certificate" in line["said"]
    assert "is the cluster running" not in json.dumps(line)


def test_accounts_and_classes_that_the_cluster_lacks_are_left_out_and_said(cluster: MakeCluster) -> None:
    said: list[str] = []
    wanted = deployment(template={"serviceAccountName": "builder", "priorityClassName": "gold"})
    assert cluster(said.append).observe(scenario([wanted]), None).ready == 3
    assert any("ServiceAccount default/builder" in line and "PriorityClass gold" in line for line in said), said


def test_a_pod_of_others_on_a_virtual_node_ends_a_step_before_it_begins(
    plane: Plane, api: KubeApi, cluster: MakeCluster
) -> None:
    spec = {"nodeName": "virtual-2", "containers": [{"name": "web", "image": "web:1"}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "foreign"}, "spec": spec}
    plane.kubectl("apply", "-f", "-", given=json.dumps(pod))
    try:
        with pytest.raises(ClusterError, match=r"virtual-2 is occupied by pod default/foreign"):
            cluster().observe(scenario([deployment()]), None)
    finally:
        plane.kubectl("delete", "pod", "foreign", "--force")


def test_a_taint_of_others_ends_a_step_before_it_begins(plane: Plane, cluster: MakeCluster) -> None:
    plane.kubectl("taint", "node", "virtual-3", "team=a:NoSchedule")
    try:
        with pytest.raises(ClusterError, match=r"virtual-3 has a taint team"):
            cluster().observe(scenario([deployment()]), None)
    finally:
        plane.kubectl("taint", "node", "virtual-3", "team-")


@pytest.fixture
def s3_cluster(
    plane: Plane, free: None, bucket_name: str, embedded_s3: dict[str, str]
) -> Iterator[Callable[..., SimKubeCluster]]:
    """Makes a cluster whose traces go through S3; the driver's Secret holds the keys and what is given."""
    made = []

    def make(**given: str) -> SimKubeCluster:
        values = {key: embedded_s3[key] for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")} | given
        literals = [f"--from-literal={key}={value}" for key, value in values.items()]
        plane.kubectl("-n", "simkube", "create", "secret", "generic", "s3-keys", *literals)
        settings = SimKubeSettings.read({**SETTINGS, "driver_secrets": ["s3-keys"]})
        api = connect(kubeconfig=str(plane.kubeconfig))
        made.append(SimKubeCluster(api, open_trace_bucket(f"s3://{bucket_name}/traces"), settings))
        return made[-1]

    yield make
    for each in made:
        each.close()
    plane.kubectl("-n", "simkube", "delete", "secret", "s3-keys")


def test_the_driver_reads_a_trace_from_s3(s3_cluster: MakeCluster, embedded_s3: dict[str, str]) -> None:
    endpoint = embedded_s3["AWS_ENDPOINT_URL"]
    cluster = s3_cluster(AWS_ENDPOINT_URL=endpoint, AWS_REGION="us-east-1", AWS_ALLOW_HTTP="true")
    assert cluster.observe(scenario([deployment()]), None).ready == 3


def test_what_the_driver_said_last_is_told_when_it_cannot_read_its_trace(
    s3_cluster: MakeCluster, embedded_s3: dict[str, str]
) -> None:
    cluster = s3_cluster(AWS_ENDPOINT_URL=embedded_s3["AWS_ENDPOINT_URL"], AWS_REGION="us-east-1")
    with pytest.raises(ClusterError, match=r"the driver ended with exit code 1 .*(?i:http)"):
        cluster.observe(scenario([deployment()]), None)
