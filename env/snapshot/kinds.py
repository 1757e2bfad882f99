"""Which objects take part in a replay, by kind and API version, and why others do not."""

from __future__ import annotations

from env.engine.manifests.objects import INERT
from env.errors import ManifestError
from env.trace.scopes import GROUPS

VERSIONS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"), ("apps/v1",)),
    **dict.fromkeys(("Job", "CronJob"), ("batch/v1",)),
    **dict.fromkeys(
        ("Pod", "LimitRange", "ResourceQuota", "Namespace", "Node", "ServiceAccount", "PersistentVolumeClaim"), ("v1",)
    ),
    "PersistentVolume": ("v1",),
    "PriorityClass": ("scheduling.k8s.io/v1",),
    "RuntimeClass": ("node.k8s.io/v1",),
    "HorizontalPodAutoscaler": ("autoscaling/v2", "autoscaling/v1"),
    "PodDisruptionBudget": ("policy/v1",),
    **dict.fromkeys(
        ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "ValidatingAdmissionPolicy"),
        ("admissionregistration.k8s.io/v1",),
    ),
    "MutatingAdmissionPolicy": tuple(f"admissionregistration.k8s.io/{each}" for each in ("v1", "v1beta1", "v1alpha1")),
    "VerticalPodAutoscaler": ("autoscaling.k8s.io/v1", "autoscaling.k8s.io/v1beta2"),
    "ScaledObject": ("keda.sh/v1alpha1",),
}
"""The kinds that take part, and the API versions in which Kubernetes 1.36 serves them, the current one first."""

WORKLOADS = ("DaemonSet", "Deployment", "StatefulSet", "ReplicaSet", "Pod", "Job", "CronJob")
"""The kinds that make pods."""

# API versions that were served once, and the release in which they went; "" where that depends on the kind.
_GONE = {
    **dict.fromkeys(("extensions/v1beta1", "apps/v1beta1", "apps/v1beta2"), "1.16"),
    "batch/v2alpha1": "1.21",
    **dict.fromkeys(("scheduling.k8s.io/v1alpha1", "scheduling.k8s.io/v1beta1"), "1.22"),
    **dict.fromkeys(("batch/v1beta1", "policy/v1beta1", "autoscaling/v2beta1", "node.k8s.io/v1beta1"), "1.25"),
    "autoscaling/v2beta2": "1.26",
    "node.k8s.io/v1alpha1": "",
    **dict.fromkeys(("admissionregistration.k8s.io/v1alpha1", "admissionregistration.k8s.io/v1beta1"), ""),
}
# Kinds of Kubernetes that change nothing about which pods there are, and where.
_INERT = INERT | {
    *("APIService", "Binding", "CertificateSigningRequest", "ClusterTrustBundle", "ComponentStatus"),
    *("ControllerRevision", "CSIDriver", "CSINode", "CSIStorageCapacity", "CustomResourceDefinition", "FlowSchema"),
    *("IngressClass", "IPAddress", "LeaseCandidate", "PodTemplate", "PriorityLevelConfiguration", "ServiceCIDR"),
    *("StorageClass", "StorageVersion", "ValidatingAdmissionPolicyBinding", "MutatingAdmissionPolicyBinding"),
    *("VolumeAttachment", "VolumeAttributesClass", "PodSecurityPolicy"),
}
_SPELLINGS = {kind.lower(): kind for kind in (*VERSIONS, *_INERT)}
_NOT_SIMULATED = {
    "ReplicationController": "is the forerunner of the ReplicaSet and not simulated; a Deployment is",
    "ResourceClaim": "is not simulated: the replay knows no devices that are claimed",
    "ResourceClaimTemplate": "is not simulated: the replay knows no devices that are claimed",
}


def why_not(kind: str, api_version: str) -> tuple[str, bool] | None:
    """Why an object has no part in a replay, and whether it might matter to pods; None: it takes part.

    Raises:
        ManifestError: An API version that the kind never had.
    """
    group = api_version.rpartition("/")[0]
    is_builtin = group in GROUPS
    meant = _SPELLINGS.get(kind.lower())
    if is_builtin and meant not in (None, kind):
        raise ManifestError(f"kind {kind!r:.80}: there is no such kind; did you mean {meant!r}?")
    if api_version in VERSIONS.get(kind, ()):
        return None
    if kind in VERSIONS and is_builtin:
        current = VERSIONS[kind][0]
        if api_version not in _GONE:
            raise ManifestError(
                f"apiVersion {api_version!r:.80}: there is no such {kind}; the current one is {current}"
            )
        since = f" since Kubernetes {_GONE[api_version]}" if _GONE[api_version] else ""
        return f"{api_version} is not served{since}; the current version is {current}", True
    if is_builtin and kind in ("ConfigMap", "Secret"):
        return "is not read", False
    if is_builtin and kind in _INERT:
        return "changes nothing about pods", False
    if is_builtin:
        return _NOT_SIMULATED.get(kind, "is not simulated"), True
    if kind == "Kustomization":
        return "is a kustomization; render it first: kubectl kustomize FOLDER", True
    if "." not in group:  # the group of a custom resource is a domain
        return f"is no object of Kubernetes ({api_version})", False
    return f"is a custom resource ({api_version}); what its controller makes of it is not known", True
