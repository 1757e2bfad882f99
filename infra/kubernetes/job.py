"""Workers as an Indexed Job: one pod a worker, and a pod that is killed is replaced, so that its job is taken over."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import yaml

from env.errors import ConfigError, UsageError
from infra.ec2.launch.code import Code
from infra.ec2.launch.pins import TORCH_INDEX
from protocol.wire import ids
from protocol.wire.store import valid_bucket

BASE_IMAGE = "python:3.11-slim"
"""Where the wheel is installed by each pod. Any image with Python 3.11 on x86_64 and glibc 2.34 or newer will do."""
ROOT = "/opt/sim-arena"
MOST_REPLACED = 20  # times that an index may fail of itself; evictions and drained nodes do not count
MEMORY_REQUEST, MEMORY_LIMIT = "1280Mi", "3Gi"
"""Docs, "What a worker takes", say what was measured."""
GRACE_S = 100  # as on EC2: to save what is whole and to release the claim
_KEPT_S = 86_400  # so long a finished Job and its logs stay
_LABEL_LENGTH = 63
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(rf"{_LABEL.pattern}(\.{_LABEL.pattern})*")
_ROLE = re.compile(r"arn:aws(-cn|-us-gov)?:iam::[0-9]{12}:role/[\w+=,.@/-]{1,512}", re.ASCII)
_REGION = re.compile(r"[a-z]{2,}(-[a-z0-9]+)+")
_IMAGE = re.compile(r"[A-Za-z0-9][\w.:/@-]{0,511}", re.ASCII)
_BOTO3 = ("boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3")
_NON_ROOT = 65_532
_WRITABLE = {"HOME": "/tmp", "NUMBA_CACHE_DIR": "/tmp/numba", "MPLCONFIGDIR": "/tmp/matplotlib"}  # noqa: S108 (a pod's own)

Manifest = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """What is wished for.

    Attributes:
        count: Pods, each with one worker.
        role_arn: The IAM role that IRSA gives to the pods; None: credentials come from a Secret.
        secret: Its name; its keys become variables, such as AWS_ACCESS_KEY_ID. Neither is ever in the manifest.
        run_once: Each worker runs one job; else it stays until no job is unfinished.
        code: What pods install; None if the image has Sim-Arena.
        lock: requirements.lock, where `code` is given.

    Raises:
        UsageError: One of them cannot be.
    """

    bucket: str
    count: int
    name: str = "sim-arena-workers"
    namespace: str | None = None
    role_arn: str | None = None
    secret: str | None = None
    bucket_owner: str | None = None
    region: str | None = None
    lease_ttl: float = 60.0
    max_hours: float = 12.0
    run_once: bool = False
    image: str = BASE_IMAGE
    code: Code | None = None
    lock: str = ""

    def __post_init__(self) -> None:
        valid_bucket(self.bucket)
        most = _LABEL_LENGTH - len(f"-{self.count - 1}")  # a pod's hostname is the Job's name with its index
        if not _LABEL.fullmatch(self.name) or len(self.name) > most:
            raise UsageError(f"--name {self.name[:80]!r}: use 1 to {most} of a-z, 0-9 and '-', no '-' at an end")
        _check("--namespace", self.namespace, _LABEL, "63 of a-z, 0-9 and '-'", _LABEL_LENGTH)
        _check("--secret", self.secret, _SUBDOMAIN, "253 of a-z, 0-9, '-' and '.'", 253)
        _check("--role-arn", self.role_arn, _ROLE, "a role's ARN, arn:aws:iam::ACCOUNT:role/NAME")
        _check("--region", self.region, _REGION, "a region's name, such as eu-west-1", _LABEL_LENGTH)
        _check("--image", self.image, _IMAGE, "an image's name, best with its digest: registry/name@sha256:…")
        if (self.role_arn is None) == (self.secret is None):
            raise UsageError("--role-arn, --secret: give one of them; pods need credentials of the bucket")
        if self.bucket_owner:
            ids.valid_account(self.bucket_owner)


def _check(flag: str, value: str | None, pattern: re.Pattern[str], use: str, most: int = 600) -> None:
    if value is not None and not (pattern.fullmatch(value) and len(value) <= most):
        raise UsageError(f"{flag} {value[:80]!r}: use {use}")


def manifests(spec: JobSpec) -> list[Manifest]:
    """A ServiceAccount and the Job that uses it."""
    account: Manifest = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata(spec)}
    if spec.role_arn is not None:
        account["metadata"]["annotations"] = {"eks.amazonaws.com/role-arn": spec.role_arn}
    # IRSA mounts a token of its own; the one of the API server is not needed.
    account["automountServiceAccountToken"] = False
    return [account, {"apiVersion": "batch/v1", "kind": "Job", "metadata": _metadata(spec), "spec": _job(spec)}]


def text(spec: JobSpec) -> str:
    """The manifests as YAML, for `kubectl apply -f -`."""
    return str(yaml.dump_all(manifests(spec), Dumper=_Dumper, sort_keys=False, explicit_start=True))


def _metadata(spec: JobSpec) -> Manifest:
    namespace = {"namespace": spec.namespace} if spec.namespace else {}
    return {"name": spec.name, **namespace, "labels": _labels(spec)}


def _labels(spec: JobSpec) -> dict[str, str]:
    return {"app.kubernetes.io/name": "sim-arena-worker", "app.kubernetes.io/instance": spec.name}


def _job(spec: JobSpec) -> Manifest:
    return {
        "completionMode": "Indexed",
        "completions": spec.count,
        "parallelism": spec.count,
        "backoffLimitPerIndex": MOST_REPLACED,
        "podFailurePolicy": {"rules": _failure_rules(spec)},
        "activeDeadlineSeconds": math.ceil(spec.max_hours * 3600),
        "ttlSecondsAfterFinished": _KEPT_S,
        "template": {"metadata": {"labels": _labels(spec)}, "spec": _pod(spec)},
    }


def _failure_rules(spec: JobSpec) -> list[Manifest]:
    """Of exit codes: 2 is wrong usage, the same for every pod; 3 is no job for a worker that wants one."""
    drained: Manifest = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    rules: list[Manifest] = [drained, {"action": "FailJob", "onExitCodes": _exits(2)}]
    if spec.run_once:
        rules.append({"action": "FailIndex", "onExitCodes": _exits(3)})
    return rules


def _exits(code: int) -> Manifest:
    return {"containerName": "worker", "operator": "In", "values": [code]}


def _pod(spec: JobSpec) -> Manifest:
    mounts = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 (a pod's own)
    volumes: list[Manifest] = [{"name": "tmp", "emptyDir": {"sizeLimit": "2Gi"}}]
    worker = _container(spec, "worker", _environment(spec), mounts)
    # As `command`, which an image's entry point has no part in.
    program = "worker" if spec.code is None else f"{ROOT}/venv/bin/worker"
    worker["command"] = [program, "--run-once" if spec.run_once else "--exit-when-idle"]
    first: Manifest = {}
    if spec.code is not None:
        volumes.append({"name": "code", "emptyDir": {"sizeLimit": "4Gi"}})
        into = [*mounts, {"name": "code", "mountPath": ROOT}]
        script = files("infra.kubernetes").joinpath("install.py").read_text(encoding="utf-8")
        installer = _container(spec, "install", {**_environment(spec), **_orders(spec.code, spec.lock)}, into)
        installer["command"] = ["python3", "-c", script]
        worker["volumeMounts"] = [*mounts, {"name": "code", "mountPath": ROOT, "readOnly": True}]
        first = {
            "nodeSelector": {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"},
            "initContainers": [installer],
        }
    return {
        "serviceAccountName": spec.name,
        "automountServiceAccountToken": False,
        "restartPolicy": "Never",  # a pod that ends is the Job's to replace, perhaps on another node
        "terminationGracePeriodSeconds": GRACE_S,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _NON_ROOT,
            "runAsGroup": _NON_ROOT,
            "fsGroup": _NON_ROOT,  # the token of IRSA is readable by this group
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **first,
        "containers": [worker],
        "volumes": volumes,
    }


def _container(spec: JobSpec, name: str, environment: dict[str, str], mounts: list[Manifest]) -> Manifest:
    given = {"envFrom": [{"secretRef": {"name": spec.secret}}]} if spec.secret else {}
    return {
        "name": name,
        "image": spec.image,
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        **given,
        "resources": {"requests": {"cpu": "1", "memory": MEMORY_REQUEST}, "limits": {"memory": MEMORY_LIMIT}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounts,
    }


def _environment(spec: JobSpec) -> dict[str, str]:
    given = {"SIM_ARENA_BUCKET_OWNER": spec.bucket_owner, "AWS_DEFAULT_REGION": spec.region}
    return {
        "SIM_ARENA_BUCKET": spec.bucket,
        **{name: value for name, value in given.items() if value},
        "SIM_ARENA_LEASE_TTL": f"{spec.lease_ttl:g}",
        **_WRITABLE,
    }


def _orders(code: Code, lock: str) -> dict[str, str]:
    """What `install.py` is told."""
    return {
        "ROOT": ROOT,
        "WHEEL": code.wheel.key,
        "WHEEL_SHA256": code.wheel.sha256,
        "LOCK": code.lock.key,
        "LOCK_SHA256": code.lock.sha256,
        "TORCH_INDEX": TORCH_INDEX,
        "BOTO3_LOCK": boto3_lock(lock),
    }


def boto3_lock(lock: str) -> str:
    """The lines of a lock that a pod needs before it can ask the bucket for the rest.

    Raises:
        ConfigError: One is missing.
    """
    lines = {line.partition("==")[0].lower(): line for line in lock.splitlines()}
    if missing := [name for name in _BOTO3 if name not in lines]:
        raise ConfigError(f"requirements.lock: has no {missing[0]}, which pods need to read the bucket")
    return "".join(f"{lines[name]}\n" for name in _BOTO3)


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # PyYAML has no types
    """Texts of several lines as they are, so that people can read what their pods run."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)
