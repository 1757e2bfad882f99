"""The types of a pod template and the defaults of their fields, as data: what an empty field means, and what is equal.

Types are those of kubernetes 1.36 `staging/src/k8s.io/api/core/v1/types.go`, reached from `PodTemplateSpec`; defaults
those of `pkg/apis/core/v1/defaults.go` and `pkg/apis/apps/v1/zz_generated.defaults.go` for pod templates. What only
pods get (`SetDefaults_Pod`: requests from limits, host ports) is not among them. A field is written as

    name:Type     a struct by value: an empty one is the same as none
    name:*Type    a struct by pointer: an empty one is something else than none; with `={}` it is the default
    name:[]Type   a list of structs
    name:{}       a map of texts
    name:{q}      a map of quantities, rounded up to thousandths
    name:q        a quantity by value; name:*q by pointer
    name?         a scalar by pointer: 0, false and "" are something else than none; name?=DEFAULT
    name=DEFAULT  a scalar by value: 0, false and "" are the same as none

Every field that is not listed is a scalar or a list of scalars by value; `Plain` is a struct with no others. Defaults
that depend on other fields are in `normal_form.py`.
"""

from __future__ import annotations

TYPES: dict[str, str] = {
    "PodTemplateSpec": "metadata:ObjectMeta spec:PodSpec",
    "ObjectMeta": "deletionGracePeriodSeconds? labels:{} annotations:{}",
    "PodSpec": (
        "volumes:[]Volume initContainers:[]Container containers:[]Container restartPolicy=Always "
        "terminationGracePeriodSeconds?=30 activeDeadlineSeconds? dnsPolicy=ClusterFirst nodeSelector:{} "
        "automountServiceAccountToken? shareProcessNamespace? securityContext:*PodSecurityContext={} "
        "imagePullSecrets:[]Plain affinity:*Affinity schedulerName=default-scheduler tolerations:[]Toleration "
        "hostAliases:[]Plain priority? dnsConfig:*PodDNSConfig readinessGates:[]Plain runtimeClassName? "
        "enableServiceLinks? preemptionPolicy? overhead:{q} topologySpreadConstraints:[]TopologySpreadConstraint "
        "setHostnameAsFQDN? os:*Plain hostUsers? schedulingGates:[]Plain resourceClaims:[]PodResourceClaim "
        "resources:*ResourceRequirements hostnameOverride? schedulingGroup:*PodSchedulingGroup"
    ),
    "Volume": (
        "hostPath:*HostPathVolumeSource emptyDir:*EmptyDirVolumeSource gcePersistentDisk:*Plain "
        "awsElasticBlockStore:*Plain gitRepo:*Plain secret:*SecretVolumeSource nfs:*Plain "
        "iscsi:*ISCSIVolumeSource glusterfs:*Plain persistentVolumeClaim:*Plain rbd:*RBDVolumeSource "
        "flexVolume:*FlexVolumeSource cinder:*CinderVolumeSource cephfs:*CephFSVolumeSource flocker:*Plain "
        "downwardAPI:*DownwardAPIVolumeSource fc:*FCVolumeSource azureFile:*Plain "
        "configMap:*ConfigMapVolumeSource vsphereVolume:*Plain quobyte:*Plain azureDisk:*AzureDiskVolumeSource "
        "photonPersistentDisk:*Plain projected:*ProjectedVolumeSource portworxVolume:*Plain "
        "scaleIO:*ScaleIOVolumeSource storageos:*StorageOSVolumeSource csi:*CSIVolumeSource "
        "ephemeral:*EphemeralVolumeSource image:*Plain"
    ),
    "HostPathVolumeSource": "type?=",
    "EmptyDirVolumeSource": "sizeLimit:*q",
    "SecretVolumeSource": "items:[]KeyToPath defaultMode?=420 optional?",
    "KeyToPath": "mode?",
    "ISCSIVolumeSource": "iscsiInterface=default secretRef:*Plain initiatorName?",
    "RBDVolumeSource": "pool=rbd user=admin keyring=/etc/ceph/keyring secretRef:*Plain",
    "FlexVolumeSource": "secretRef:*Plain options:{}",
    "CinderVolumeSource": "secretRef:*Plain",
    "CephFSVolumeSource": "secretRef:*Plain",
    "DownwardAPIVolumeSource": "items:[]DownwardAPIVolumeFile defaultMode?=420",
    "DownwardAPIVolumeFile": "fieldRef:*ObjectFieldSelector resourceFieldRef:*ResourceFieldSelector mode?",
    "ObjectFieldSelector": "apiVersion=v1",
    "ResourceFieldSelector": "divisor:q",
    "FCVolumeSource": "lun?",
    "ConfigMapVolumeSource": "items:[]KeyToPath defaultMode?=420 optional?",
    "AzureDiskVolumeSource": "cachingMode?=ReadWrite fsType?=ext4 readOnly?=false kind?=Shared",
    "ProjectedVolumeSource": "sources:[]VolumeProjection defaultMode?=420",
    "VolumeProjection": (
        "secret:*SecretProjection downwardAPI:*DownwardAPIProjection configMap:*ConfigMapProjection "
        "serviceAccountToken:*ServiceAccountTokenProjection clusterTrustBundle:*ClusterTrustBundleProjection "
        "podCertificate:*PodCertificateProjection"
    ),
    "SecretProjection": "items:[]KeyToPath optional?",
    "DownwardAPIProjection": "items:[]DownwardAPIVolumeFile",
    "ConfigMapProjection": "items:[]KeyToPath optional?",
    "ServiceAccountTokenProjection": "expirationSeconds?=3600",
    "ClusterTrustBundleProjection": "name? signerName? labelSelector:*LabelSelector optional?",
    "LabelSelector": "matchLabels:{} matchExpressions:[]Plain",
    "PodCertificateProjection": "maxExpirationSeconds? userAnnotations:{}",
    "ScaleIOVolumeSource": "secretRef:*Plain storageMode=ThinProvisioned fsType=xfs",
    "StorageOSVolumeSource": "secretRef:*Plain",
    "CSIVolumeSource": "readOnly? fsType? volumeAttributes:{} nodePublishSecretRef:*Plain",
    "EphemeralVolumeSource": "volumeClaimTemplate:*PersistentVolumeClaimTemplate",
    "PersistentVolumeClaimTemplate": "metadata:ObjectMeta spec:PersistentVolumeClaimSpec",
    "PersistentVolumeClaimSpec": (
        "selector:*LabelSelector resources:VolumeResourceRequirements storageClassName? volumeMode?=Filesystem "
        "dataSource:*TypedLocalObjectReference dataSourceRef:*TypedObjectReference volumeAttributesClassName?"
    ),
    "VolumeResourceRequirements": "limits:{q} requests:{q}",
    "TypedLocalObjectReference": "apiGroup?",
    "TypedObjectReference": "apiGroup? namespace?",
    "Container": (
        "ports:[]ContainerPort envFrom:[]EnvFromSource env:[]EnvVar resources:ResourceRequirements "
        "resizePolicy:[]Plain restartPolicy? restartPolicyRules:[]ContainerRestartRule volumeMounts:[]VolumeMount "
        "volumeDevices:[]Plain livenessProbe:*Probe readinessProbe:*Probe startupProbe:*Probe "
        "lifecycle:*Lifecycle terminationMessagePath=/dev/termination-log terminationMessagePolicy=File "
        "securityContext:*SecurityContext"
    ),
    "ContainerPort": "protocol=TCP",
    "EnvFromSource": "configMapRef:*ConfigMapEnvSource secretRef:*SecretEnvSource",
    "ConfigMapEnvSource": "optional?",
    "SecretEnvSource": "optional?",
    "EnvVar": "valueFrom:*EnvVarSource",
    "EnvVarSource": (
        "fieldRef:*ObjectFieldSelector resourceFieldRef:*ResourceFieldSelector "
        "configMapKeyRef:*ConfigMapKeySelector secretKeyRef:*SecretKeySelector fileKeyRef:*FileKeySelector"
    ),
    "ConfigMapKeySelector": "optional?",
    "SecretKeySelector": "optional?",
    "FileKeySelector": "optional?=false",
    "ResourceRequirements": "limits:{q} requests:{q} claims:[]Plain",
    "ContainerRestartRule": "exitCodes:*Plain",
    "VolumeMount": "recursiveReadOnly? mountPropagation?",
    "Probe": (
        "exec:*Plain httpGet:*HTTPGetAction tcpSocket:*Plain grpc:*GRPCAction timeoutSeconds=1 periodSeconds=10 "
        "successThreshold=1 failureThreshold=3 terminationGracePeriodSeconds?"
    ),
    "HTTPGetAction": "path=/ scheme=HTTP httpHeaders:[]Plain",
    "GRPCAction": "service?=",
    "Lifecycle": "postStart:*LifecycleHandler preStop:*LifecycleHandler stopSignal?",
    "LifecycleHandler": "exec:*Plain httpGet:*HTTPGetAction tcpSocket:*Plain sleep:*Plain",
    "SecurityContext": (
        "capabilities:*Plain privileged? seLinuxOptions:*Plain windowsOptions:*WindowsSecurityContextOptions "
        "runAsUser? runAsGroup? runAsNonRoot? readOnlyRootFilesystem? allowPrivilegeEscalation? procMount? "
        "seccompProfile:*SeccompProfile appArmorProfile:*AppArmorProfile"
    ),
    "WindowsSecurityContextOptions": "gmsaCredentialSpecName? gmsaCredentialSpec? runAsUserName? hostProcess?",
    "SeccompProfile": "localhostProfile?",
    "AppArmorProfile": "localhostProfile?",
    "PodSecurityContext": (
        "seLinuxOptions:*Plain windowsOptions:*WindowsSecurityContextOptions runAsUser? runAsGroup? runAsNonRoot? "
        "supplementalGroupsPolicy? fsGroup? sysctls:[]Plain fsGroupChangePolicy? seccompProfile:*SeccompProfile "
        "appArmorProfile:*AppArmorProfile seLinuxChangePolicy?"
    ),
    "Affinity": "nodeAffinity:*NodeAffinity podAffinity:*PodAffinity podAntiAffinity:*PodAntiAffinity",
    "NodeAffinity": (
        "requiredDuringSchedulingIgnoredDuringExecution:*NodeSelector "
        "preferredDuringSchedulingIgnoredDuringExecution:[]PreferredSchedulingTerm"
    ),
    "NodeSelector": "nodeSelectorTerms:[]NodeSelectorTerm",
    "NodeSelectorTerm": "matchExpressions:[]Plain matchFields:[]Plain",
    "PreferredSchedulingTerm": "preference:NodeSelectorTerm",
    "PodAffinity": (
        "requiredDuringSchedulingIgnoredDuringExecution:[]PodAffinityTerm "
        "preferredDuringSchedulingIgnoredDuringExecution:[]WeightedPodAffinityTerm"
    ),
    "PodAffinityTerm": "labelSelector:*LabelSelector namespaceSelector:*LabelSelector",
    "WeightedPodAffinityTerm": "podAffinityTerm:PodAffinityTerm",
    "PodAntiAffinity": (
        "requiredDuringSchedulingIgnoredDuringExecution:[]PodAffinityTerm "
        "preferredDuringSchedulingIgnoredDuringExecution:[]WeightedPodAffinityTerm"
    ),
    "Toleration": "tolerationSeconds?",
    "PodDNSConfig": "options:[]PodDNSConfigOption",
    "PodDNSConfigOption": "value?",
    "TopologySpreadConstraint": "labelSelector:*LabelSelector minDomains? nodeAffinityPolicy? nodeTaintsPolicy?",
    "PodResourceClaim": "resourceClaimName? resourceClaimTemplateName?",
    "PodSchedulingGroup": "podGroupName?",
}
