"""Which fields of a Kubernetes object a trace may carry, as data: an allow-list, so that what is new stays out.

What scheduler, admission and controllers read is kept. Left out are values that may be secret (env, commands,
arguments; probes and lifecycle hooks, whose commands and headers carry tokens; volumes of ConfigMaps and Secrets;
annotations, among them `last-applied-configuration`), and what only kubelets read. A field that is neither kept nor
listed as left out is none of Kubernetes 1.36 (`staging/src/k8s.io/api/*/v*/types.go`): most often it is misspelt, or
indented wrongly.
"""

from __future__ import annotations

from enum import Enum

from env.demand import DEMAND_ANNOTATION, DEMAND_WINDOW_ANNOTATION
from env.engine.manifests.container_log import LOG_ANNOTATION
from env.engine.manifests.edited_container import DEFAULT_CONTAINER

ANNOTATIONS = frozenset((DEMAND_ANNOTATION, DEMAND_WINDOW_ANNOTATION, LOG_ANNOTATION, DEFAULT_CONTAINER))
"""The annotations that are kept."""


class Rule(Enum):
    """What becomes of a field without fields of its own."""

    KEEP = "keep"  # with all that is in it
    DROP = "drop"
    TEXTS = "a map of texts"
    ANNOTATIONS = "a map of texts, of which a few are kept"


class Struct:
    """The fields of a map, or of each map in a list."""

    def __init__(self, keep: str = "", drop: str = "", nested: Fields | None = None, **more: Struct | Rule) -> None:
        self.is_list = False
        self.fields: dict[str, Struct | Rule] = {
            **dict.fromkeys(keep.split(), Rule.KEEP),
            **dict.fromkeys(drop.split(), Rule.DROP),
            **(nested or {}),
            **more,
        }

    def each(self) -> Struct:
        """A list of such maps."""
        found = Struct(nested=self.fields)
        found.is_list = True
        return found


Fields = dict[str, Struct | Rule]

_DROPPED_METADATA = (
    "creationTimestamp deletionTimestamp deletionGracePeriodSeconds finalizers generation managedFields "
    "ownerReferences resourceVersion selfLink uid clusterName"
)
_METADATA = Struct(
    "name namespace", f"generateName {_DROPPED_METADATA}", labels=Rule.TEXTS, annotations=Rule.ANNOTATIONS
)
_TEMPLATE_METADATA = Struct(
    "", f"name namespace generateName {_DROPPED_METADATA}", labels=Rule.TEXTS, annotations=Rule.ANNOTATIONS
)
_SELECTOR = Struct("matchExpressions", matchLabels=Rule.TEXTS)
_RESOURCES = Struct("requests limits claims")
_CLAIM = Struct(
    "accessModes storageClassName volumeMode volumeName volumeAttributesClassName",
    "dataSource dataSourceRef",
    resources=_RESOURCES,
    selector=_SELECTOR,
)
_VOLUME_SOURCES = (
    "awsElasticBlockStore azureDisk azureFile cephfs cinder configMap csi downwardAPI emptyDir fc flexVolume flocker "
    "gcePersistentDisk gitRepo glusterfs hostPath image iscsi nfs photonPersistentDisk portworxVolume projected "
    "quobyte rbd scaleIO secret storageos vsphereVolume"
)
_VOLUME = Struct(
    "name",
    _VOLUME_SOURCES,
    persistentVolumeClaim=Struct("claimName readOnly"),
    ephemeral=Struct(volumeClaimTemplate=Struct(metadata=_TEMPLATE_METADATA, spec=_CLAIM)),
)
_CONTAINER = Struct(
    "name image restartPolicy",
    "args command env envFrom imagePullPolicy lifecycle livenessProbe readinessProbe resizePolicy restartPolicyRules "
    "securityContext startupProbe stdin stdinOnce terminationMessagePath terminationMessagePolicy tty volumeDevices "
    "volumeMounts workingDir",
    resources=_RESOURCES,
    ports=Struct("name containerPort hostPort protocol hostIP").each(),
)
_POD = Struct(
    "restartPolicy terminationGracePeriodSeconds activeDeadlineSeconds nodeName hostNetwork schedulerName os "
    "priorityClassName priority preemptionPolicy runtimeClassName overhead serviceAccountName serviceAccount affinity "
    "tolerations topologySpreadConstraints schedulingGates resourceClaims readinessGates schedulingGroup",
    "automountServiceAccountToken dnsConfig dnsPolicy enableServiceLinks ephemeralContainers hostAliases hostIPC "
    "hostPID hostUsers hostname hostnameOverride imagePullSecrets securityContext setHostnameAsFQDN "
    "shareProcessNamespace subdomain workloadRef",
    nodeSelector=Rule.TEXTS,
    resources=_RESOURCES,
    containers=_CONTAINER.each(),
    initContainers=_CONTAINER.each(),
    volumes=_VOLUME.each(),
)
_TEMPLATE = Struct(metadata=_TEMPLATE_METADATA, spec=_POD)
_JOB = Struct(
    "activeDeadlineSeconds backoffLimit backoffLimitPerIndex completionMode completions managedBy manualSelector "
    "maxFailedIndexes parallelism podFailurePolicy podReplacementPolicy successPolicy suspend ttlSecondsAfterFinished",
    "scheduling",
    selector=_SELECTOR,
    template=_TEMPLATE,
)
_TARGET = Struct("apiVersion kind name")
_WEBHOOK = Struct(
    "name rules failurePolicy matchPolicy objectSelector namespaceSelector",
    "admissionReviewVersions clientConfig matchConditions reinvocationPolicy sideEffects timeoutSeconds",
)
_POLICY = Struct(
    "failurePolicy matchConstraints",
    "auditAnnotations matchConditions mutations paramKind reinvocationPolicy validations variables",
)


def _object(drop: str = "", keep: str = "", **fields: Struct | Rule) -> Struct:
    return Struct(f"apiVersion kind {keep}", f"status {drop}", {"metadata": _METADATA, **fields})


SHAPES: dict[str, Struct] = {
    "Deployment": _object(
        spec=Struct(
            "replicas strategy minReadySeconds progressDeadlineSeconds paused",
            "revisionHistoryLimit rollbackTo",
            selector=_SELECTOR,
            template=_TEMPLATE,
        )
    ),
    "StatefulSet": _object(
        spec=Struct(
            "replicas serviceName podManagementPolicy updateStrategy minReadySeconds ordinals "
            "persistentVolumeClaimRetentionPolicy",
            "revisionHistoryLimit",
            selector=_SELECTOR,
            template=_TEMPLATE,
            volumeClaimTemplates=Struct(
                "apiVersion kind",
                "status",
                metadata=_METADATA,
                spec=_CLAIM,
            ).each(),
        )
    ),
    "DaemonSet": _object(
        spec=Struct(
            "updateStrategy minReadySeconds",
            "revisionHistoryLimit templateGeneration",
            selector=_SELECTOR,
            template=_TEMPLATE,
        )
    ),
    "ReplicaSet": _object(spec=Struct("replicas minReadySeconds", selector=_SELECTOR, template=_TEMPLATE)),
    "Job": _object(spec=_JOB),
    "CronJob": _object(
        spec=Struct(
            "schedule timeZone concurrencyPolicy suspend startingDeadlineSeconds successfulJobsHistoryLimit "
            "failedJobsHistoryLimit",
            jobTemplate=Struct(metadata=_TEMPLATE_METADATA, spec=_JOB),
        )
    ),
    "Pod": _object(spec=_POD),
    "LimitRange": _object(spec=Struct("limits")),
    "ResourceQuota": _object(spec=Struct("hard scopes scopeSelector")),
    "PriorityClass": _object("description", "value globalDefault preemptionPolicy"),
    "Namespace": _object("spec"),
    "HorizontalPodAutoscaler": _object(
        spec=Struct("minReplicas maxReplicas metrics targetCPUUtilizationPercentage behavior", scaleTargetRef=_TARGET)
    ),
    "PodDisruptionBudget": _object(
        spec=Struct("minAvailable maxUnavailable unhealthyPodEvictionPolicy", selector=_SELECTOR)
    ),
    "ServiceAccount": _object("automountServiceAccountToken imagePullSecrets secrets"),
    "PersistentVolumeClaim": _object(spec=_CLAIM),
    "PersistentVolume": _object(
        spec=Struct(
            "capacity accessModes storageClassName volumeMode nodeAffinity",
            f"persistentVolumeReclaimPolicy mountOptions local volumeAttributesClassName {_VOLUME_SOURCES}",
            claimRef=Struct("namespace name", "apiVersion fieldPath kind resourceVersion uid"),
        )
    ),
    "RuntimeClass": _object("", "handler overhead scheduling"),
    "MutatingWebhookConfiguration": _object(webhooks=_WEBHOOK.each()),
    "ValidatingWebhookConfiguration": _object(webhooks=_WEBHOOK.each()),
    "MutatingAdmissionPolicy": _object(spec=_POLICY),
    "ValidatingAdmissionPolicy": _object(spec=_POLICY),
    # Of other API groups, and known to verdicts: see `env.embedded.left_out`.
    "VerticalPodAutoscaler": _object(
        spec=Struct("updatePolicy resourcePolicy", "recommenders startupBoost", targetRef=_TARGET)
    ),
    "ScaledObject": _object(
        spec=Struct(
            "minReplicaCount maxReplicaCount idleReplicaCount",
            "advanced cooldownPeriod fallback initialCooldownPeriod pollingInterval triggers",
            scaleTargetRef=Struct("apiVersion kind name", "envSourceContainerName"),
        )
    ),
}
"""The fields of each kind that a snapshot may hold."""
