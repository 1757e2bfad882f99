"""The Job of `sim-arena workers job`: what pods run, what they may do, and when they are replaced."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import kubernetes.client as kubernetes
import pytest
import yaml

from env.errors import ConfigError, UsageError
from infra.ec2.launch.code import HERE, Code
from infra.ec2.launch.user_data import Artifact
from infra.kubernetes.job import JobSpec, boto3_lock, manifests, text
from protocol.wire import keys

ROLE = "arn:aws:iam::123456789012:role/workers"
LOCK = (HERE / "requirements.lock").read_text()


def artifact(name: str) -> Artifact:
    sha256 = hashlib.sha256(name.encode()).hexdigest()
    return Artifact(keys.code(sha256, name), sha256)


CODE = Code(artifact("sim_arena-0.3.0-py3-none-any.whl"), artifact("requirements.lock"))


def spec(**given: Any) -> JobSpec:
    return JobSpec(**{"bucket": "my-bucket", "count": 20, "secret": "s3", **given})


def job(**given: Any) -> Any:
    return manifests(spec(**given))[1]["spec"]


def pod(**given: Any) -> Any:
    return job(**given)["template"]["spec"]


def environment(container: Any) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container["env"]}


def unknown_fields(value: Any, kind: str, where: str = "") -> list[str]:
    """Fields that Kubernetes' API does not have."""
    if listed := re.fullmatch(r"[Ll]ist\[(\w+)\]", kind):
        return [each for item in value for each in unknown_fields(item, listed[1], where)]
    model = getattr(kubernetes, kind, None)
    if model is None:
        return []
    types = {model.attribute_map[name]: of for name, of in model.openapi_types.items()}
    found = [f"{where}.{name}" for name in value if name not in types]
    return found + [
        each for name in value if name in types for each in unknown_fields(value[name], types[name], f"{where}.{name}")
    ]


@pytest.mark.parametrize("given", [{"code": CODE, "lock": LOCK}, {"image": "sim-arena:1", "run_once": True}])
def test_the_manifests_have_only_fields_that_there_are(given: dict[str, Any]) -> None:
    account, found = manifests(spec(**given))
    assert unknown_fields(account, "V1ServiceAccount") == []
    assert unknown_fields(found, "V1Job") == []


def test_a_misspelt_field_of_a_job_would_be_found() -> None:
    assert unknown_fields({"spec": {"template": {"spec": {"containers": [{"arg": []}]}}}}, "V1Job") == [
        ".spec.template.spec.containers.arg"
    ]


def test_each_index_is_a_worker_and_a_pod_that_is_killed_is_replaced() -> None:
    found = job()
    assert (found["completionMode"], found["completions"], found["parallelism"]) == ("Indexed", 20, 20)
    assert found["backoffLimitPerIndex"] > 0
    assert found["template"]["spec"]["restartPolicy"] == "Never"  # which podFailurePolicy asks for


@pytest.mark.parametrize(("run_once", "codes"), [(False, {"FailJob": [2]}), (True, {"FailJob": [2], "FailIndex": [3]})])
def test_a_drained_node_does_not_count_and_wrong_usage_is_not_tried_again(run_once: bool, codes: Any) -> None:
    drained, *rules = job(run_once=run_once)["podFailurePolicy"]["rules"]
    assert (drained["action"], drained["onPodConditions"][0]["type"]) == ("Ignore", "DisruptionTarget")
    assert {rule["action"]: rule["onExitCodes"]["values"] for rule in rules} == codes


def test_workers_stay_until_no_job_is_unfinished_or_run_one() -> None:
    assert pod()["containers"][0]["command"] == ["worker", "--exit-when-idle"]
    assert pod(run_once=True)["containers"][0]["command"] == ["worker", "--run-once"]


def test_a_role_comes_by_the_service_account_and_a_secret_by_its_name() -> None:
    account, found = manifests(spec(secret=None, role_arn=ROLE))
    assert account["metadata"]["annotations"] == {"eks.amazonaws.com/role-arn": ROLE}
    assert found["spec"]["template"]["spec"]["serviceAccountName"] == account["metadata"]["name"]
    account, found = manifests(spec())
    assert "annotations" not in account["metadata"]
    for container in found["spec"]["template"]["spec"]["containers"]:
        assert container["envFrom"] == [{"secretRef": {"name": "s3"}}]


def test_no_credentials_of_this_shell_are_in_the_manifest(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "hush-hush")
    assert "hush-hush" not in text(spec(code=CODE, lock=LOCK))


def test_every_container_is_confined_and_has_no_token_of_the_api_server() -> None:
    found = pod(code=CODE, lock=LOCK)
    assert found["automountServiceAccountToken"] is False
    assert found["securityContext"]["runAsNonRoot"] is True
    for container in (*found["initContainers"], *found["containers"]):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}
        assert all(environment(container)[name].startswith("/tmp") for name in ("HOME", "NUMBA_CACHE_DIR"))


def test_code_is_installed_by_hashes_before_the_worker_runs_it() -> None:
    (first,), (worker,) = (pod(code=CODE, lock=LOCK)[kind] for kind in ("initContainers", "containers"))
    told = environment(first)
    assert (told["WHEEL"], told["WHEEL_SHA256"]) == (CODE.wheel.key, CODE.wheel.sha256)
    assert (told["LOCK"], told["LOCK_SHA256"]) == (CODE.lock.key, CODE.lock.sha256)
    assert all("--hash=sha256:" in line for line in told["BOTO3_LOCK"].splitlines())
    assert worker["command"][0].startswith(told["ROOT"])
    (mount,) = (each for each in worker["volumeMounts"] if each["mountPath"] == told["ROOT"])
    assert mount["readOnly"]


def test_an_image_with_sim_arena_installs_nothing() -> None:
    assert "initContainers" not in pod(image="registry.example.com/sim-arena:1")


def test_a_lock_without_boto3_is_named() -> None:
    with pytest.raises(ConfigError, match="has no botocore"):
        boto3_lock("".join(f"{line}\n" for line in LOCK.splitlines() if not line.startswith("botocore")))


def test_what_is_printed_is_yaml_that_says_the_same() -> None:
    wanted = spec(code=CODE, lock=LOCK, namespace="ml", bucket_owner="123456789012", region="eu-west-1")
    assert list(yaml.safe_load_all(text(wanted))) == manifests(wanted)
    assert text(wanted) == text(wanted)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"role_arn": ROLE}, "give one of them"),
        ({"secret": None}, "give one of them"),
        ({"secret": None, "role_arn": "arn:aws:iam::1:role/x"}, "--role-arn"),
        ({"name": "Workers"}, "--name"),
        ({"name": "w" * 61}, "use 1 to 60"),  # with -19 a host's name
        ({"namespace": "a/b"}, "--namespace"),
        ({"secret": "s3\nevil: 1"}, "--secret"),
        ({"image": "evil image"}, "--image"),
        ({"region": "eu west"}, "--region"),
        ({"bucket": "B*"}, "--bucket"),
        ({"bucket_owner": "me"}, "account"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises((UsageError, ConfigError), match=said):
        spec(**given)
