"""`sim-arena doctor`: reads a cluster and says, line by line, what keeps simulations from running there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from env.errors import ClusterError
from env.kube.client import UNTRUSTED, KubeApi, KubeError
from env.kube.connect import CLIENT_VERSION
from env.kube.paths import path_of, within
from env.simkube import doctor_checks as checks
from env.simkube import gates, paths
from env.simkube.doctor_results import NEEDED, Level, Permission, ReportLine
from env.simkube.driver_s3 import driver_secrets
from env.simkube.traces import NodeFolder

Manifest = dict[str, Any]

_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_ISSUERS = "/apis/cert-manager.io/v1/clusterissuers"
_STAGES = "/apis/kwok.x-k8s.io/v1alpha1/stages"
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_ACCOUNTS = "/api/v1/serviceaccounts"
_SECRETS = "/api/v1/secrets"
_STAGES_FILE = "stages.yaml"


@dataclass(frozen=True)
class Patient:
    """What is examined.

    Attributes:
        api: The API server; requests should be given a few seconds only.
        trace_url: Where the driver will read traces; s3://… adds the checks of credentials.
        driver_secrets: Secrets that the driver will get.
        environment: This process' environment variables.
        home: The user's home folder.
        folder: Where traces are handed over instead; None: nowhere here.
    """

    api: KubeApi
    trace_url: str = ""
    driver_secrets: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    home: Path = Path("~")
    folder: NodeFolder | None = None


Check = Callable[[Patient], ReportLine]


def checks_for(patient: Patient) -> dict[str, Check]:
    """The checks by name, in the order of the report."""
    named: dict[str, Check] = {
        "API server": _api_server,
        "permissions": _permissions,
        "SimKube's CRDs": _definitions,
        "SimKube's controller": lambda p: checks.controller(
            p.api.list(within(paths.DEPLOYMENTS, paths.CONTROLLER_NAMESPACE), labels=paths.CONTROLLER_LABEL)
        ),
        "service account": lambda p: checks.service_account(
            p.api.get(path_of(_ACCOUNTS, checks.SERVICE_ACCOUNT, paths.CONTROLLER_NAMESPACE))
        ),
        "certificates": lambda p: checks.issuer(p.api.get(path_of(_ISSUERS, checks.ISSUER))),
        "metrics namespace": lambda p: checks.metrics_namespace(
            p.api.get(path_of(paths.NAMESPACES, checks.METRICS_NAMESPACE))
        ),
        "KWOK's controller": lambda p: checks.kwok_controller(
            p.api.list(paths.DEPLOYMENTS, fields="metadata.name=kwok-controller")
        ),
        "KWOK's Stages": lambda p: checks.stages(_listed(p.api, _STAGES), shipped_stages()),
        "virtual nodes": _virtual_nodes,
        "nodes for drivers": lambda p: checks.driver_nodes(p.api.list(paths.NODES)),
        "simulations": lambda p: checks.simulations(_listed(p.api, paths.SIMULATIONS)),
        "virtual namespaces": lambda p: checks.virtual_namespaces(
            p.api.list(paths.NAMESPACES), _listed(p.api, paths.SIMULATIONS)
        ),
        "lease": lambda p: checks.lease(gates.lease_holder(p.api), _listed(p.api, paths.SIMULATIONS)),
    }
    folder = patient.folder
    if folder is not None:
        named["trace folder"] = lambda p: checks.trace_folder(str(folder.local), _old_traces(p.api, folder))
    if patient.trace_url.startswith("s3://"):
        named["driver's S3 credentials"] = _driver_secrets
        named["own S3 credentials"] = lambda p: checks.own_credentials(
            p.environment, any((p.home / ".aws" / name).is_file() for name in ("credentials", "config"))
        )
    return named


def examine(patient: Patient) -> dict[str, ReportLine]:
    """All findings by check, in order.

    A check that may not look says so, and one that cannot read what it needs fails alone. Where nothing answers at all,
    or where we are not let in, the first is the only one.
    """
    findings: dict[str, ReportLine] = {}
    for name, check in checks_for(patient).items():
        try:
            findings[name] = check(patient)
        except KubeError as error:
            if error.status == 403:
                findings[name] = ReportLine(Level.WARN, f"cannot look: {error}", _way_out(error))
                continue
            findings[name] = ReportLine(Level.FAIL, str(error), _way_out(error))
            if error.status == 401 or (error.status == 0 and not _any_ok(findings)):
                break
        except (ClusterError, LookupError, TypeError, AttributeError) as error:
            # What the cluster holds is not what Kubernetes' schemas promise.
            findings[name] = ReportLine(Level.FAIL, f"cannot be judged: {type(error).__name__}: {error}")
    return findings


def mend(api: KubeApi, folder: NodeFolder | None = None) -> tuple[list[str], list[str]]:
    """Do what is safe, and what we may: delete simulations of ours and their traces, create Stages that are missing.

    Returns:
        What was done, and what was refused, each in one line.

    Raises:
        KubeError: The API server does not answer, or does not let us in.
    """
    done: list[str] = []
    refused: list[str] = []
    repairs: list[Callable[[KubeApi], Iterator[str]]] = [_delete_simulations, _create_stages]
    if folder is not None:
        repairs.append(partial(_remove_traces, folder))
    for repair in repairs:
        try:
            done += repair(api)
        except KubeError as error:
            if error.status in (0, 401):
                raise
            refused.append(str(error))
        except ClusterError as error:
            refused.append(str(error))
    return done, refused


def _delete_simulations(api: KubeApi) -> Iterator[str]:
    for simulation in _listed(api, paths.SIMULATIONS) or ():
        name = simulation["metadata"]["name"]
        if checks.is_ours(simulation) and api.delete(path_of(paths.SIMULATIONS, name)):
            yield f"deleted simulation {name}"


def _create_stages(api: KubeApi) -> Iterator[str]:
    found = _listed(api, _STAGES)
    for stage in checks.missing_stages(found, shipped_stages()) if found is not None else ():
        api.create(_STAGES, stage)
        yield f"created Stage {stage['metadata']['name']}"


def _remove_traces(folder: NodeFolder, api: KubeApi) -> Iterator[str]:
    for name in _old_traces(api, folder) or ():
        folder.remove(name)
        yield f"removed trace {folder.local / name}"


def _old_traces(api: KubeApi, folder: NodeFolder) -> list[str] | None:
    """The traces in a folder whose simulations are gone; None where there is no such folder."""
    running = {each["metadata"]["name"] for each in _listed(api, paths.SIMULATIONS) or ()}
    return folder.left_over(running)


def shipped_stages() -> list[Manifest]:
    """The Stages that come with Sim-Arena."""
    text = files("env.simkube").joinpath(_STAGES_FILE).read_text(encoding="utf-8")
    return [stage for stage in yaml.safe_load_all(text) if stage]


def _api_server(patient: Patient) -> ReportLine:
    version = patient.api.get("/version")
    if version is None or "gitVersion" not in version:
        return ReportLine(Level.FAIL, f"{patient.api.host} is no Kubernetes API server", "kubectl config get-contexts")
    return checks.api_server(version, patient.api.host, CLIENT_VERSION)


def _definitions(patient: Patient) -> ReportLine:
    names = ("simulations.simkube.io", "simulationroots.simkube.io")
    return checks.definitions(*(patient.api.get(path_of(_DEFINITIONS, name)) for name in names))


def _permissions(patient: Patient) -> ReportLine:
    return checks.permissions([needed for needed in NEEDED if not _allowed(patient.api, needed)])


def _allowed(api: KubeApi, needed: Permission) -> bool:
    attributes = {key: value for key, value in vars(needed).items() if value}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    return bool((api.create(_REVIEWS, review).get("status") or {}).get("allowed"))


def _virtual_nodes(patient: Patient) -> ReportLine:
    namespaces = [o["metadata"] for o in patient.api.list(paths.NAMESPACES)]
    replays = {metadata["name"] for metadata in namespaces if checks.is_replays(metadata)}
    return checks.virtual_nodes(patient.api.list(paths.NODES), patient.api.list(paths.PODS), replays)


def _driver_secrets(patient: Patient) -> ReportLine:
    place = paths.CONTROLLER_NAMESPACE
    found = {name: patient.api.get(path_of(_SECRETS, name, place)) for name in patient.driver_secrets}
    return driver_secrets(found, patient.trace_url, patient.environment)


def _listed(api: KubeApi, path: str) -> list[Manifest] | None:
    """A collection of custom objects; None where the API server does not know them."""
    try:
        return api.list(path)
    except KubeError as error:
        if error.status == 404:
            return None
        raise


def _any_ok(findings: Mapping[str, ReportLine]) -> bool:
    return any(finding.level is Level.OK for finding in findings.values())


def _way_out(error: KubeError) -> str:
    if error.reason == UNTRUSTED:
        return "is this the kubeconfig of that cluster, and not of one before it? see: kubectl config view"
    if error.status == 0:
        return "is the cluster running, and is this its context? see: kubectl config get-contexts"
    if error.status == 401:
        return "the kubeconfig's credentials are not accepted: log in again, or use another context"
    if error.status == 403:
        return "ask for the permission, or use another context"
    return "try again; if it stays: kubectl get --raw /readyz?verbose"
