"""What a machine fetches from outside its bucket and PyPI: one version of each, and what it must hash to.

The names are those of boot.sh's variables. Every SHA-256 was found alike in several public repositories; GitHub shows
it beside the release's file.
"""

from __future__ import annotations

from collections.abc import Mapping

# PyPI's torch for Linux is the CUDA build, gigabytes of it; this index has the CPU's. The version is the one of
# constraints.txt. https://pytorch.org/get-started/locally/: Stable, Linux, Pip, CPU.
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
# Of torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl; https://download.pytorch.org/whl/cpu/torch/ lists it.
# `make lock` puts it into requirements.lock, which has the hashes of all other packages from PyPI.
TORCH_VERSION = "2.13.0"
TORCH_SHA256 = "6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b"

CLUSTER_PINS: Mapping[str, str] = {
    # https://github.com/kubernetes-sigs/kind/releases/tag/v0.33.0
    "KIND_URL": "https://github.com/kubernetes-sigs/kind/releases/download/v0.33.0/kind-linux-amd64",
    "KIND_SHA256": "aee6151561422756b764a4ae28e7f44cda5af5a9eead3cc9985112b1de8d8e0d",
    # Kubernetes, as kind runs it in a container. Listed in the same release's notes.
    "NODE_IMAGE": "kindest/node:v1.36.4@sha256:099e049362a1526b2db71494e1947aae99bd16290d7c895f2b7ea312e3cbfaed",
    # https://github.com/kubernetes-sigs/kwok/releases/tag/v0.8.0: its controller, whose image the digest replaces.
    "KWOK_URL": "https://github.com/kubernetes-sigs/kwok/releases/download/v0.8.0/kwok.yaml",
    "KWOK_SHA256": "a4c16e6431e382dcb5c1903139344b7a68652f16a6460337fe17a678a426f405",
    "KWOK_DIGEST": "sha256:6d25aa8fbdfe78845423160bf125b5513f9522e2770981f0945c2a250c2b26f0",
    # How virtual nodes and pods change state; Sim-Arena's Stages come beside them.
    "KWOK_STAGES_URL": "https://github.com/kubernetes-sigs/kwok/releases/download/v0.8.0/stage-fast.yaml",
    "KWOK_STAGES_SHA256": "2f28d95564ec43056c0873f7a25ac7d2a5bba4c8496c72f8b3ee73fd4f54ee24",
    # https://github.com/cert-manager/cert-manager/releases/tag/v1.21.2
    "CERT_MANAGER_URL": "https://github.com/cert-manager/cert-manager/releases/download/v1.21.2/cert-manager.yaml",
    "CERT_MANAGER_SHA256": "e03b668ec8675214af6b0a671699d088f2601fa3878e0dbe1b41d3feafd1879f",
    # https://github.com/acrlabs/simkube/releases/tag/v2.7.0 lists two changes since v2.6.1, #255 and #256; this commit
    # has both, and git checks what it fetches against it. Only its manifests are used. The images are the release's, by
    # their tag: no digest of them was found.
    "SIMKUBE_REPOSITORY": "https://github.com/acrlabs/simkube",
    "SIMKUBE_COMMIT": "1bd9b4c92967572834238cdd938042678769e6b7",
    "SIMKUBE_VERSION": "v2.7.0",
}
"""The versions of a machine's cluster."""
