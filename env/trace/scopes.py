"""Which kinds have no namespace: SimKube's driver ends with an error at objects of these."""

from __future__ import annotations

from typing import Any

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


def is_cluster_scoped(manifest: dict[str, Any]) -> bool:
    """Whether a manifest is of a kind of Kubernetes that has no namespace."""
    return manifest["kind"] in _CLUSTER_SCOPED.get(str(manifest["apiVersion"]).rpartition("/")[0], ())
