"""Which kinds are Kubernetes' own, and which have no namespace: SimKube's driver ends with an error at others."""

from __future__ import annotations

from typing import Any

GROUPS = frozenset(
    (
        *("", "admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "apps"),
        *("authentication.k8s.io", "authorization.k8s.io", "autoscaling", "batch", "certificates.k8s.io"),
        *("coordination.k8s.io", "discovery.k8s.io", "events.k8s.io", "extensions", "flowcontrol.apiserver.k8s.io"),
        *("internal.apiserver.k8s.io", "networking.k8s.io", "node.k8s.io", "policy", "rbac.authorization.k8s.io"),
        *("resource.k8s.io", "scheduling.k8s.io", "storage.k8s.io", "storagemigration.k8s.io"),
    )
)
"""API groups of Kubernetes itself. Others that end in k8s.io, such as autoscaling.k8s.io, are of custom resources."""

# Of the groups that have their own kinds without a namespace; those of custom resources are not known here.
_CLUSTER_SCOPED = {
    "": {"Namespace", "Node", "PersistentVolume"},
    "admissionregistration.k8s.io": {
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "MutatingWebhookConfiguration",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
    },
    "apiextensions.k8s.io": {"CustomResourceDefinition"},
    "apiregistration.k8s.io": {"APIService"},
    "networking.k8s.io": {"IngressClass"},
    "node.k8s.io": {"RuntimeClass"},
    "rbac.authorization.k8s.io": {"ClusterRole", "ClusterRoleBinding"},
    "resource.k8s.io": {"DeviceClass", "ResourceSlice"},
    "scheduling.k8s.io": {"PriorityClass"},
    "storage.k8s.io": {"CSIDriver", "CSINode", "StorageClass", "VolumeAttachment"},
}


def group_of(manifest: dict[str, Any]) -> str:
    """The API group of a manifest; "" for the core's."""
    return str(manifest["apiVersion"]).rpartition("/")[0]


def is_cluster_scoped(manifest: dict[str, Any]) -> bool:
    """Whether a manifest is of a kind of Kubernetes that has no namespace."""
    return manifest["kind"] in _CLUSTER_SCOPED.get(group_of(manifest), ())
