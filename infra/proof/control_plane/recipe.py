"""What a control plane is made of: public modules and crates at pinned versions, as data.

The folder of the built programs is named after a hash of this data, so that a changed version is built anew.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

KUBERNETES = "1.36.3"
KWOK = "0.8.0"
ETCD = "3.6.16"
SIMKUBE = "2.7.0"

_STAGING = (
    "api apiextensions-apiserver apimachinery apiserver cli-runtime client-go cloud-provider cluster-bootstrap "
    "code-generator component-base component-helpers controller-manager cri-api cri-client cri-streaming "
    "csi-translation-lib dynamic-resource-allocation endpointslice externaljwt kms kube-aggregator "
    "kube-controller-manager kube-proxy kube-scheduler kubectl kubelet metrics mount-utils pod-security-admission "
    "sample-apiserver sample-cli-plugin sample-controller streaming"
)
"""Modules that Kubernetes releases with itself, as `k8s.io/NAME` 0.x; its own go.mod has them at version 0.0.0."""


@dataclass(frozen=True)
class GoModule:
    """A module from which programs are built.

    Attributes:
        name: The module's path.
        version: Its version.
        programs: The package of each program.
        directives: Further lines of the go.mod with which it is built.
        linker: Flags for the linker.
        files: Files of the module that are kept beside the programs.
    """

    name: str
    version: str
    programs: dict[str, str]
    directives: tuple[str, ...] = ()
    linker: str = "-s -w"
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Crates:
    """Crates of one version, each with one program of its name."""

    names: tuple[str, ...]
    version: str
    environment: dict[str, str] = field(default_factory=dict)


MODULES = (
    GoModule("go.etcd.io/etcd/server/v3", f"v{ETCD}", {"etcd": "go.etcd.io/etcd/server/v3"}),
    GoModule(
        "sigs.k8s.io/kwok",
        f"v{KWOK}",
        {"kwok": "sigs.k8s.io/kwok/cmd/kwok"},
        files=(
            "kustomize/crd/bases/kwok.x-k8s.io_stages.yaml",
            "kustomize/stage/node/fast/node-initialize.yaml",
            "kustomize/stage/node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
            "kustomize/stage/pod/fast/pod-ready.yaml",
            "kustomize/stage/pod/fast/pod-complete.yaml",
            "kustomize/stage/pod/fast/pod-delete.yaml",
        ),
    ),
    GoModule(
        "k8s.io/kubernetes",
        f"v{KUBERNETES}",
        {
            name: f"k8s.io/kubernetes/cmd/{name}"
            for name in ("kubectl", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
        },
        directives=(
            "godebug default=go1.26",
            *(f"replace k8s.io/{name} => k8s.io/{name} v0.{KUBERNETES.partition('.')[2]}" for name in _STAGING.split()),
        ),
        linker=f"-s -w -X k8s.io/component-base/version.gitVersion=v{KUBERNETES} "
        "-X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36",
    ),
)

# Not optimised: that halves the time to build, and none of them computes much.
CRATES = Crates(
    ("sk-ctrl", "sk-driver", "skctl"),
    SIMKUBE,
    {
        "CARGO_PROFILE_RELEASE_OPT_LEVEL": "0",
        "CARGO_PROFILE_RELEASE_DEBUG": "0",
        "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
    },
)


def programs() -> tuple[str, ...]:
    """The names of all programs."""
    return (*(name for module in MODULES for name in module.programs), *CRATES.names)


def fingerprint() -> str:
    """A short hash of all that is built."""
    return hashlib.sha256(repr((MODULES, CRATES)).encode()).hexdigest()[:12]
