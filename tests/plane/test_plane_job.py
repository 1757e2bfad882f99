"""The Job of `sim-arena workers job` on a real control plane: admitted, and a federation runs through with pods killed.

No containers run there. `Kubelet` takes the Job's pods instead and runs what their containers would, as processes of
this machine; the Job's controller, which replaces what was killed, is the real one.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from planes import PATIENCE_S

from env.kube.client import KubeApi, Waiting, wait
from env.kube.paths import path_of, within
from env.snapshot.reading import NAMESPACES, PODS
from infra.ec2.launch.code import HERE, Code
from infra.ec2.launch.user_data import Artifact
from infra.kubernetes.job import JobSpec, text
from infra.local.processes import clean_environment, command
from infra.proof.control_plane.plane import Plane
from protocol.wire import documents, keys
from protocol.wire.bucket import Bucket
from protocol.wire.clock import system_clock
from protocol.wire.federation_documents import Outcome
from protocol.wire.store import S3Store

NAME = "sim-arena-workers"
JOBS = "/apis/batch/v1/jobs"
OF_THE_POD = ("HOME", "NUMBA_CACHE_DIR", "MPLCONFIGDIR")  # folders of its own, which a process here does not need


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


class Kubelet:
    """Runs each pod's container as a process, and tells the API server how it ends."""

    def __init__(self, api: KubeApi, namespace: str, secret: dict[str, str], logs: Path) -> None:
        self.api, self.namespace, self.secret, self.logs = api, namespace, secret, logs
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.drained: set[str] = set()
        self._over: set[str] = set()

    def living(self) -> list[str]:
        return [name for name in self.processes if name not in self._over]

    def step(self) -> None:
        """Start the pods that are new, and tell of those that have ended."""
        for pod in self.api.list(within(PODS.collection, self.namespace)):
            name = pod["metadata"]["name"]
            if name not in self.processes:
                self._start(name, pod["spec"])
        for name in self.living():
            if (code := self.processes[name].poll()) is not None:
                self._over.add(name)
                self._tell_end(name, code)

    def _start(self, name: str, pod: Any) -> None:
        (container,) = pod["containers"]
        program, *options = container["command"]
        given = {each["name"]: each["value"] for each in container["env"] if "value" in each}
        for folder in OF_THE_POD:
            del given[folder]
        with (self.logs / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                command(program, *options), env=clean_environment({**self.secret, **given}), stdout=log, stderr=log
            )
        self._tell(name, {"phase": "Running"}, {"running": {"startedAt": "2026-01-01T00:00:00Z"}})

    def _tell_end(self, name: str, code: int) -> None:
        exit_code = code if code >= 0 else 128 - code
        disrupted = [{"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}]
        status = {"phase": "Failed" if exit_code else "Succeeded"}
        self._tell(
            name,
            {**status, "conditions": disrupted} if name in self.drained else status,
            {"terminated": {"exitCode": exit_code, "reason": "Error" if exit_code else "Completed"}},
        )

    def _tell(self, name: str, status: dict[str, Any], state: dict[str, Any]) -> None:
        worker = {"name": "worker", "image": "x", "imageID": "x", "ready": False, "restartCount": 0, "state": state}
        path = path_of(PODS.collection, name, self.namespace)
        self.api.patch(f"{path}/status", {"status": {**status, "containerStatuses": [worker]}})

    def end(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()


@pytest.fixture
def kubelet(api: KubeApi, namespace: str, embedded_s3: dict[str, str], tmp_path: Path) -> Iterator[Kubelet]:
    made = Kubelet(api, namespace, embedded_s3, tmp_path)
    yield made
    made.end()


@pytest.fixture
def submit(bucket_name: str, embedded_s3: dict[str, str]) -> Callable[[str], None]:
    """Submits a federation of two members, whose workers close the rounds."""

    def make(group: str) -> None:
        small = ("--group", group, "--federation-size", "2", "--barrier", "workers", "--seed", "5")
        tiny = ("--episodes", "40", "--episodes-per-round", "2", "--steps", "20")
        line = command("dispatch", "submit", "--bucket", bucket_name, *small, *tiny)
        subprocess.run(line, env=clean_environment(embedded_s3), check=True, capture_output=True)

    return make


def test_a_federation_whose_pods_are_killed_and_drained_ends_with_the_same_bits(
    plane: Plane,
    api: KubeApi,
    namespace: str,
    kubelet: Kubelet,
    bucket_name: str,
    submit: Callable[[str], None],
) -> None:
    api = replace(api, poll_s=0.2)  # rounds are short
    bucket = Bucket(S3Store(bucket_name), system_clock())
    submit("calm")
    here = clean_environment({**kubelet.secret, "SIM_ARENA_BUCKET": bucket_name})
    subprocess.run(command("worker", "--exit-when-idle"), env=here, check=True, capture_output=True)
    submit("struck")
    account, job = yaml.safe_load_all(
        text(spec(bucket=bucket_name, namespace=namespace, image="sim-arena:1", lease_ttl=4.0))
    )
    job["spec"]["template"]["spec"]["schedulerName"] = "nobody"  # the pods are `Kubelet`'s, and no node's of KWOK
    plane.kubectl("apply", "-f", "-", given=yaml.safe_dump_all([account, job]))

    def closed(round_: int) -> Callable[[KubeApi], Waiting | None]:
        def look(_: KubeApi) -> Waiting | None:
            kubelet.step()
            return None if bucket.exists(keys.decision("struck", round_)) else Waiting(f"round {round_}")

        return look

    wait(api, "the first round", PATIENCE_S, closed(1))
    os.kill(kubelet.processes[kubelet.living()[0]].pid, signal.SIGKILL)
    wait(api, "the third round", PATIENCE_S, closed(3))
    drained = kubelet.living()[0]
    kubelet.drained.add(drained)
    kubelet.processes[drained].send_signal(signal.SIGTERM)

    def done(api: KubeApi) -> Waiting | None:
        kubelet.step()
        status = (api.get(path_of(JOBS, NAME, namespace)) or {}).get("status", {})
        ends = [each["type"] for each in status.get("conditions", ()) if each["status"] == "True"]
        assert "Failed" not in ends
        return None if "Complete" in ends else Waiting(f"{status.get('succeeded', 0)} pods done")

    wait(api, "the Job", PATIENCE_S, done)
    assert len(kubelet.processes) > 2  # what was killed was replaced
    calm, struck = (documents.read(bucket, Outcome, keys.outcome(group)) for group in ("calm", "struck"))
    assert calm is not None
    assert struck is not None
    assert struck.weights_sha256 == calm.weights_sha256 is not None
