"""Common instance types of AWS, Google Cloud and Azure, and what a managed cluster's nodes of them can allocate.

Sizes are the vendors' published ones. A kubelet reports a few per cent less memory, as firmware and kernel keep some.
What a node can allocate is less again: capacity less `kube-reserved` and the threshold of hard eviction. These are

- EKS: github.com/awslabs/amazon-eks-ami, `files/bootstrap.sh`, `get_cpu_millicores_to_reserve` and
  `get_memory_mebibytes_to_reserve`; pods a node takes: `templates/shared/runtime/eni-max-pods.txt`.
- GKE: cloud.google.com/kubernetes-engine/docs/concepts/plan-node-sizes.
- AKS from 1.29 on: learn.microsoft.com/azure/aks/node-resource-reservations; 110 pods, as with kubenet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from env.engine.manifests.labels import ARCH
from env.engine.manifests.resource_names import EPHEMERAL_STORAGE
from env.errors import ScenarioError
from env.problems.nodes import EPHEMERAL_STORAGE_BYTES, INSTANCE_TYPE, NodePool
from env.quantity import GIB, MIB

GPU = "nvidia.com/gpu"
_EVICTION_BYTES = 100 * MIB
_EXAMPLES = ("m6i.xlarge", "e2-standard-4", "Standard_D4s_v5")


@dataclass(frozen=True)
class InstanceType:
    """What a vendor says of a machine.

    Attributes:
        cores: vCPUs.
        memory_gib: Memory.
        pods: Pods that a node of it takes.
        gpus: GPUs, which the device plugin reports as nvidia.com/gpu.
        arch: As in the label kubernetes.io/arch.
    """

    cores: int
    memory_gib: float
    pods: int = 110
    gpus: int = 0
    arch: str = "amd64"


# Pods by size are the same for all of these families.
_EKS_SIZES = {
    "large": (2, 29),
    "xlarge": (4, 58),
    "2xlarge": (8, 58),
    "4xlarge": (16, 234),
    "8xlarge": (32, 234),
    "12xlarge": (48, 234),
    "16xlarge": (64, 737),
    "24xlarge": (96, 737),
}
_GRAVITON_SIZES = {size: numbers for size, numbers in _EKS_SIZES.items() if size != "24xlarge"}
_GIB_PER_CORE = {"c": 2, "m": 4, "r": 8}
_X86_FAMILIES = ("c5a", "c6a", "c6i", "c7i", "m5", "m5a", "m6a", "m6i", "m7i", "r5", "r5a", "r6a", "r6i", "r7i")
_GRAVITON_FAMILIES = ("c6g", "c7g", "m6g", "m7g", "r6g", "r7g")

_OTHER_EKS = {
    "c5.large": InstanceType(2, 4, 29),
    "c5.xlarge": InstanceType(4, 8, 58),
    "c5.2xlarge": InstanceType(8, 16, 58),
    "c5.4xlarge": InstanceType(16, 32, 234),
    "c5.9xlarge": InstanceType(36, 72, 234),
    "c5.12xlarge": InstanceType(48, 96, 234),
    "c5.18xlarge": InstanceType(72, 144, 737),
    "c5.24xlarge": InstanceType(96, 192, 737),
    "t3.micro": InstanceType(2, 1, 4),
    "t3.small": InstanceType(2, 2, 11),
    "t3.medium": InstanceType(2, 4, 17),
    "t3.large": InstanceType(2, 8, 35),
    "t3.xlarge": InstanceType(4, 16, 58),
    "t3.2xlarge": InstanceType(8, 32, 58),
    "t4g.small": InstanceType(2, 2, 11, arch="arm64"),
    "t4g.medium": InstanceType(2, 4, 17, arch="arm64"),
    "t4g.large": InstanceType(2, 8, 35, arch="arm64"),
    "t4g.xlarge": InstanceType(4, 16, 58, arch="arm64"),
    "t4g.2xlarge": InstanceType(8, 32, 58, arch="arm64"),
    "g4dn.xlarge": InstanceType(4, 16, 29, 1),
    "g4dn.2xlarge": InstanceType(8, 32, 29, 1),
    "g4dn.4xlarge": InstanceType(16, 64, 29, 1),
    "g4dn.8xlarge": InstanceType(32, 128, 58, 1),
    "g4dn.12xlarge": InstanceType(48, 192, 234, 4),
    "g5.xlarge": InstanceType(4, 16, 58, 1),
    "g5.2xlarge": InstanceType(8, 32, 58, 1),
    "g5.4xlarge": InstanceType(16, 64, 234, 1),
    "g5.8xlarge": InstanceType(32, 128, 234, 1),
    "g5.12xlarge": InstanceType(48, 192, 737, 4),
    "g5.24xlarge": InstanceType(96, 384, 737, 4),
    "g5.48xlarge": InstanceType(192, 768, 345, 8),
    "g6.xlarge": InstanceType(4, 16, 58, 1),
    "g6.2xlarge": InstanceType(8, 32, 58, 1),
    "g6.4xlarge": InstanceType(16, 64, 234, 1),
    "g6.12xlarge": InstanceType(48, 192, 234, 4),
    "p3.2xlarge": InstanceType(8, 61, 58, 1),
    "p3.8xlarge": InstanceType(32, 244, 234, 4),
    "p4d.24xlarge": InstanceType(96, 1152, 737, 8),
}
_EKS = {
    **{
        f"{family}.{size}": InstanceType(cores, cores * _GIB_PER_CORE[family[0]], pods)
        for family in _X86_FAMILIES
        for size, (cores, pods) in _EKS_SIZES.items()
    },
    **{
        f"{family}.{size}": InstanceType(cores, cores * _GIB_PER_CORE[family[0]], pods, arch="arm64")
        for family in _GRAVITON_FAMILIES
        for size, (cores, pods) in _GRAVITON_SIZES.items()
    },
    **_OTHER_EKS,
}
_GKE = {
    **{
        f"{family}-standard-{cores}": InstanceType(cores, cores * 4)
        for family in ("e2", "n2", "n2d")
        for cores in (2, 4, 8, 16, 32)
    },
    **{f"n2-highmem-{cores}": InstanceType(cores, cores * 8) for cores in (2, 4, 8, 16)},
    **{f"n1-standard-{cores}": InstanceType(cores, cores * 3.75) for cores in (1, 2, 4, 8, 16, 32)},
    **{f"c2-standard-{cores}": InstanceType(cores, cores * 4) for cores in (4, 8, 16, 30)},
    **{f"g2-standard-{cores}": InstanceType(cores, cores * 4, gpus=1) for cores in (4, 8, 12, 16, 32)},
    "g2-standard-24": InstanceType(24, 96, gpus=2),
    "a2-highgpu-1g": InstanceType(12, 85, gpus=1),
    "a2-highgpu-2g": InstanceType(24, 170, gpus=2),
}
_AKS = {
    **{f"Standard_D{cores}s_v5": InstanceType(cores, cores * 4) for cores in (2, 4, 8, 16, 32, 64)},
    **{f"Standard_E{cores}s_v5": InstanceType(cores, cores * 8) for cores in (2, 4, 8, 16, 32, 64)},
    **{f"Standard_F{cores}s_v2": InstanceType(cores, cores * 2) for cores in (2, 4, 8, 16, 32, 64)},
    "Standard_B2s": InstanceType(2, 4),
    "Standard_B2ms": InstanceType(2, 8),
    "Standard_B4ms": InstanceType(4, 16),
    "Standard_NC4as_T4_v3": InstanceType(4, 28, gpus=1),
    "Standard_NC8as_T4_v3": InstanceType(8, 56, gpus=1),
    "Standard_NC16as_T4_v3": InstanceType(16, 110, gpus=1),
    "Standard_NC6s_v3": InstanceType(6, 112, gpus=1),
}

INSTANCE_TYPES: Mapping[str, InstanceType] = {**_EKS, **_GKE, **_AKS}
"""By the name that the vendor uses, which is also the value of the label node.kubernetes.io/instance-type."""


def typed_pool(count: int, name: str) -> NodePool:
    """Nodes of an instance type.

    Raises:
        ScenarioError: Not one of INSTANCE_TYPES; names the nearest ones.
    """
    found = INSTANCE_TYPES.get(name)
    if found is None:
        near = get_close_matches(name, INSTANCE_TYPES, n=3)
        known = f"the nearest known are {', '.join(near)}" if near else f"known are such as {', '.join(_EXAMPLES)}"
        raise ScenarioError(f"instance type {name!r:.80} is unknown; {known}; or give its size, CPU:MEMORY")
    arch = {ARCH: found.arch} if found.arch != "amd64" else {}
    gpus = {GPU: found.gpus} if found.gpus else {}
    memory_bytes = int(found.memory_gib * GIB)
    allocatable = memory_bytes - _reserved_memory(name, memory_bytes, found.pods) - _EVICTION_BYTES
    return NodePool(
        count,
        cpu_m=found.cores * 1000 - _reserved_cpu_m(name, found.cores),
        memory_bytes=allocatable // MIB * MIB,
        pods=found.pods,
        resources=tuple({EPHEMERAL_STORAGE: EPHEMERAL_STORAGE_BYTES, **gpus}.items()),
        labels=tuple(sorted({INSTANCE_TYPE: name, **arch}.items())),
    )


def _reserved_cpu_m(name: str, cores: int) -> int:
    """EKS and GKE: 6 % of the first core, 1 % of the second, 0.5 % of two more, 0.25 % of the others; AKS: more."""
    if name in _AKS:
        return _tiered(cores, ((1, 60), (1, 40), (2, 20), (cores, 10)))
    return _tiered(cores, ((1, 60), (1, 10), (2, 5), (cores, 2.5)))


def _reserved_memory(name: str, memory_bytes: int, pods: int) -> int:
    if name in _EKS:
        return (255 + 11 * pods) * MIB
    if name in _AKS:
        return min((50 + 20 * pods) * 10**6, memory_bytes // 4)
    tiers = ((4 * GIB, 0.25), (4 * GIB, 0.2), (8 * GIB, 0.1), (112 * GIB, 0.06), (memory_bytes, 0.02))
    return _tiered(memory_bytes, tiers)


def _tiered(amount: int, tiers: Sequence[tuple[int, float]]) -> int:
    """The sum of each tier's rate on what of the amount falls into it; a tier is its width and its rate."""
    reserved = 0.0
    for width, rate in tiers:
        reserved += min(amount, width) * rate
        amount -= min(amount, width)
    return round(reserved)
