"""What is right and wrong with a cluster: a pure function for each check, of what was read, to a finding."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from env.simkube import paths
from env.simkube.doctor_results import NEEDED, Level, Permission, ReportLine
from env.simkube.nodes import TAINT, Defect, defects, is_virtual, occupants
from env.words import count

Manifest = dict[str, Any]

SERVICE_ACCOUNT = "sk-ctrl-sa"
ISSUER = "selfsigned"
METRICS_NAMESPACE = "monitoring"
NODE_ANNOTATION = "kwok.x-k8s.io/node"

_INSTALL_SIMKUBE = "in a clone of SimKube: kubectl apply -k k8s/kustomize/sim"
_INSTALL_KWOK = "kubectl apply -f https://github.com/kubernetes-sigs/kwok/releases/latest/download/kwok.yaml"
_INSTALL_STAGES = "kubectl apply -f https://github.com/kubernetes-sigs/kwok/releases/latest/download/stage-fast.yaml"
_FIX = "sim-arena doctor --fix"
_AWS_SOURCES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


def api_server(version: Manifest, host: str, client_version: str) -> ReportLine:
    """Which API server answers."""
    return ReportLine(Level.OK, f"Kubernetes {version.get('gitVersion')} at {host}, client {client_version}")


def definitions(simulations: Manifest | None, roots: Manifest | None) -> ReportLine:
    """SimKube's CustomResourceDefinitions."""
    missing = [name for name, crd in (("Simulation", simulations), ("SimulationRoot", roots)) if crd is None]
    if missing or simulations is None:
        return ReportLine(Level.FAIL, f"no CustomResourceDefinition of {' and '.join(missing)}", _INSTALL_SIMKUBE)
    versions = {version["name"]: version for version in simulations["spec"]["versions"] if version.get("served")}
    if "v1" not in versions:
        return ReportLine(Level.FAIL, f"Simulation is served as {', '.join(versions)}, not as v1", _INSTALL_SIMKUBE)
    # Required from 2.7 on; older ones drop what they do not know.
    known = "lifecycleParams" in json.dumps(versions["v1"].get("schema"))
    return ReportLine(Level.OK, f"simkube.io/v1, {'with' if known else 'without'} lifecycleParams")


def controller(deployments: Sequence[Manifest]) -> ReportLine:
    """sk-ctrl, which turns Simulations into drivers."""
    if not deployments:
        return ReportLine(Level.FAIL, f"no sk-ctrl in namespace {paths.CONTROLLER_NAMESPACE}", _INSTALL_SIMKUBE)
    found = deployments[0]
    name = found["metadata"]["name"]
    image = found["spec"]["template"]["spec"]["containers"][0].get("image")
    if _ready(found) < 1:
        mend = f"kubectl -n {paths.CONTROLLER_NAMESPACE} describe pods -l {paths.CONTROLLER_LABEL}"
        return ReportLine(
            Level.FAIL, f"Deployment {name} ({image}) has no ready pod; it runs on nodes type=kind-worker", mend
        )
    return ReportLine(Level.OK, f"Deployment {name} is ready, image {image}")


def service_account(account: Manifest | None) -> ReportLine:
    """The account that drivers run under, in the driver's own namespace."""
    name = f"{paths.CONTROLLER_NAMESPACE}/{SERVICE_ACCOUNT}"
    if account is None:
        return ReportLine(Level.FAIL, f"no ServiceAccount {name}: driver pods would never be created", _INSTALL_SIMKUBE)
    return ReportLine(Level.OK, f"ServiceAccount {name}")


def issuer(found: Manifest | None) -> ReportLine:
    """cert-manager's ClusterIssuer, for the driver's webhook."""
    document = {
        "apiVersion": "cert-manager.io/v1",
        "kind": "ClusterIssuer",
        "metadata": {"name": ISSUER},
        "spec": {"selfSigned": {}},
    }
    mend = f"install cert-manager, then: echo '{json.dumps(document)}' | kubectl apply -f -"
    if found is None:
        return ReportLine(
            Level.FAIL, f"no ClusterIssuer {ISSUER}: drivers would wait for their certificate forever", mend
        )
    if not _condition(found, "Ready"):
        return ReportLine(
            Level.WARN, f"ClusterIssuer {ISSUER} is not Ready", f"kubectl describe clusterissuer {ISSUER}"
        )
    return ReportLine(Level.OK, f"ClusterIssuer {ISSUER} is Ready")


def metrics_namespace(namespace: Manifest | None) -> ReportLine:
    """A namespace that sk-ctrl asks for even where a simulation has no metrics."""
    if namespace is None:
        mend = f"kubectl create namespace {METRICS_NAMESPACE}"
        return ReportLine(Level.FAIL, f"no namespace {METRICS_NAMESPACE}: every simulation would fail", mend)
    return ReportLine(Level.OK, f"namespace {METRICS_NAMESPACE}")


def kwok_controller(deployments: Sequence[Manifest]) -> ReportLine:
    """KWOK, which plays the virtual nodes' kubelets."""
    if not deployments:
        return ReportLine(Level.WARN, "no Deployment kwok-controller; right only if KWOK runs elsewhere", _INSTALL_KWOK)
    found = deployments[0]
    name = f"{found['metadata'].get('namespace')}/{found['metadata']['name']}"
    if _ready(found) < 1:
        mend = f"kubectl -n {found['metadata'].get('namespace')} describe deployment {found['metadata']['name']}"
        return ReportLine(Level.FAIL, f"Deployment {name} has no ready pod", mend)
    return ReportLine(Level.OK, f"Deployment {name} is ready")


def stages(found: Sequence[Manifest] | None, ours: Sequence[Manifest]) -> ReportLine:
    """KWOK's rules for the states of pods; None where the API server knows no Stages."""
    if found is None:
        return ReportLine(
            Level.FAIL, "no CustomResourceDefinition of Stage: virtual nodes and pods stay as they are", _INSTALL_KWOK
        )
    missing = missing_stages(found, ours)
    if missing:
        names = ", ".join(stage["metadata"]["name"] for stage in missing)
        return ReportLine(Level.FAIL, f"missing Stages of Sim-Arena: {names}", _FIX)
    if not any(_makes_pods_run(stage) for stage in found):
        return ReportLine(Level.FAIL, "no Stage makes pods run: they would stay Pending", _INSTALL_STAGES)
    return ReportLine(Level.OK, f"{len(found)} Stages, Sim-Arena's {len(ours)} among them")


def missing_stages(found: Sequence[Manifest], ours: Sequence[Manifest]) -> list[Manifest]:
    """Those of ours that are not there."""
    names = {stage["metadata"]["name"] for stage in found}
    return [stage for stage in ours if stage["metadata"]["name"] not in names]


def virtual_nodes(nodes: Sequence[Manifest], pods: Sequence[Manifest], replays: Collection[str]) -> ReportLine:
    """The nodes that simulated pods may run on; the first defect that is found.

    Args:
        nodes: All nodes.
        pods: All pods.
        replays: The virtual namespaces, whose pods belong there.
    """
    virtual = [node for node in nodes if is_virtual(node)]
    if not virtual:
        return ReportLine(Level.FAIL, f"no node is labelled {paths.VIRTUAL_NODES}", "make some: see docs/simkube.md")
    found = [defect for node in virtual for defect in (*_unannotated(node), *defects(node))]
    found += occupants({node["metadata"]["name"] for node in virtual}, pods, replays)
    if found:
        return ReportLine(Level.FAIL, found[0].said, found[0].mend)
    bare = next((node["metadata"]["name"] for node in virtual if not (node.get("spec") or {}).get("taints")), None)
    if bare is not None:
        mend = f"kubectl taint node {bare} {TAINT}=true:NoSchedule"
        return ReportLine(Level.WARN, f"node {bare} has no taint {TAINT}: drivers and other pods may land on it", mend)
    said = f"{count(len(virtual), 'node')} labelled {paths.VIRTUAL_NODES}, annotated, tainted, Ready and not occupied"
    return ReportLine(Level.OK, said)


def _unannotated(node: Manifest) -> list[Defect]:
    name = node["metadata"]["name"]
    if (node["metadata"].get("annotations") or {}).get(NODE_ANNOTATION) == "fake":
        return []
    mend = f"kubectl annotate node {name} {NODE_ANNOTATION}=fake --overwrite"
    return [Defect(f"node {name} is not annotated {NODE_ANNOTATION}=fake: KWOK leaves its pods alone", mend)]


def driver_nodes(nodes: Sequence[Manifest]) -> ReportLine:
    """Real nodes, one of which the driver's pod needs."""
    usable = [node for node in nodes if not is_virtual(node) and _takes_any_pod(node)]
    if not usable:
        return ReportLine(
            Level.FAIL, "no real node that is Ready and untainted: drivers have nowhere to run", "add a worker node"
        )
    return ReportLine(Level.OK, f"{count(len(usable), 'real node')} for drivers")


def simulations(found: Sequence[Manifest] | None) -> ReportLine:
    """Simulations that are there; one runs at a time, so that any of them makes the next one wait."""
    if not found:
        return ReportLine(Level.OK, "none there")
    ours, others = ([_named(o) for o in found if is_ours(o) is wanted] for wanted in (True, False))
    if others:
        mend = f"if it is not needed: kubectl delete simulation {others[0][0]}"
        return ReportLine(Level.WARN, f"not Sim-Arena's, and others wait for it: {_listed(others)}", mend)
    mend = f"if no episode is running now: {_FIX}"
    return ReportLine(Level.WARN, f"left over, or of a running episode: {_listed(ours)}", mend)


def virtual_namespaces(namespaces: Sequence[Manifest], running: Sequence[Manifest] | None) -> ReportLine:
    """Namespaces of replays that are over."""
    left = [o for o in namespaces if is_replays(o["metadata"])]
    if not left or running:
        return ReportLine(Level.OK, f"{len(left)} virtual namespaces, of a simulation" if left else "none left over")
    names = " ".join(o["metadata"]["name"] for o in left)
    if all((o.get("status") or {}).get("phase") == "Terminating" for o in left):
        return ReportLine(
            Level.WARN, f"still terminating: {names}", f"wait; if that is long: kubectl get namespace {names} -o yaml"
        )
    return ReportLine(Level.WARN, f"left over, without a simulation: {names}", f"kubectl delete namespace {names}")


def lease(holder: str | None, running: Sequence[Manifest] | None) -> ReportLine:
    """The lease that lets one simulation run at a time."""
    if holder is None:
        return ReportLine(Level.OK, f"{paths.LEASE} is free")
    if running:
        return ReportLine(Level.OK, f"{paths.LEASE} is held by {holder}")
    mend = f"kubectl -n {paths.CONTROLLER_NAMESPACE} delete lease {paths.LEASE}"
    return ReportLine(Level.WARN, f"{paths.LEASE} is held by {holder}, but there is no simulation", mend)


def permissions(denied: Sequence[Permission]) -> ReportLine:
    """What access reviews said."""
    if denied:
        said = f"not allowed: {', '.join(map(str, denied))}"
        return ReportLine(Level.FAIL, said, "ask for a ClusterRole with these verbs, or use another context")
    return ReportLine(Level.OK, f"all {len(NEEDED)} that are needed")


def trace_folder(folder: str, left: Sequence[str] | None) -> ReportLine:
    """Where traces are handed over; `left`: those of simulations that are gone, None where there is no such folder."""
    if left is None:
        said = f"no folder {folder}: episodes need one that the nodes have mounted"
        return ReportLine(Level.WARN, said, "--trace-dir HERE:NODE, or --trace-bucket s3://…")
    if left:
        said = f"{count(len(left), 'trace')} of simulations that are gone in {folder}, {left[0]} first"
        return ReportLine(Level.WARN, said, f"if no episode is running now: {_FIX}")
    return ReportLine(Level.OK, f"{folder}, no old traces")


def own_credentials(environment: Mapping[str, str], has_file: bool) -> ReportLine:
    """S3 credentials of this machine, which uploads the trace."""
    named = [name for name in _AWS_SOURCES if environment.get(name)]
    if named:
        return ReportLine(Level.OK, f"from {named[0]}")
    if has_file:
        return ReportLine(Level.OK, "from ~/.aws")
    return ReportLine(
        Level.WARN,
        "none in the environment; right only on a machine with a role",
        "set AWS_ACCESS_KEY_ID or AWS_PROFILE",
    )


def is_ours(manifest: Manifest) -> bool:
    """Whether Sim-Arena made it."""
    return (manifest["metadata"].get("labels") or {}).get(paths.MANAGED_BY) == paths.SIM_ARENA


def is_replays(metadata: Manifest) -> bool:
    """Whether a namespace is one of a replay's."""
    return metadata["name"].startswith("virtual-") or (metadata.get("labels") or {}).get(paths.VIRTUAL_LABEL) == "true"


def _takes_any_pod(node: Manifest) -> bool:
    spec = node.get("spec") or {}
    tainted = any(taint.get("effect") != "PreferNoSchedule" for taint in spec.get("taints") or ())
    return _condition(node, "Ready") and not tainted and not spec.get("unschedulable")


def _makes_pods_run(stage: Manifest) -> bool:
    spec = stage.get("spec") or {}
    return (spec.get("resourceRef") or {}).get("kind") == "Pod" and "Running" in json.dumps(spec.get("next"))


def _ready(deployment: Manifest) -> int:
    return (deployment.get("status") or {}).get("readyReplicas") or 0


def _condition(manifest: Manifest, kind: str) -> bool:
    conditions = (manifest.get("status") or {}).get("conditions") or ()
    return any(each.get("type") == kind and each.get("status") == "True" for each in conditions)


def _named(simulation: Manifest) -> tuple[str, str]:
    return simulation["metadata"]["name"], str((simulation.get("status") or {}).get("state") or "new")


def _listed(named: Sequence[tuple[str, str]]) -> str:
    shown = ", ".join(f"{name} ({state})" for name, state in named[:5])
    return shown + (f" and {len(named) - 5} more" if len(named) > 5 else "")
