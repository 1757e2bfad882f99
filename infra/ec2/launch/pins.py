"""What a machine fetches from outside its bucket and PyPI: one version of each, and what it must hash to.

Every SHA-256 was found alike in several public repositories; GitHub shows it beside the release's file.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Download:
    """A file on the web."""

    url: str
    sha256: str


@dataclass(frozen=True)
class Pins:
    """The versions of a machine's cluster.

    Attributes:
        torch_index: PyPI's torch for Linux is the CUDA build, gigabytes of it; this index has the CPU's.
        node_image: Kubernetes, as kind runs it in a container.
        kwok: its controller. Its image is replaced by `kwok_digest`.
        kwok_stages: how virtual nodes and pods change state; Sim-Arena's Stages come beside them.
        simkube_commit: git checks what it fetches against this.
        simkube_version: the tag of sk-ctrl's and sk-driver's images.
    """

    torch_index: str
    kind: Download
    node_image: str
    kwok: Download
    kwok_digest: str
    kwok_stages: Download
    cert_manager: Download
    simkube_repository: str
    simkube_commit: str
    simkube_version: str


PINS = Pins(
    # https://pytorch.org/get-started/locally/: Stable, Linux, Pip, CPU. The version is the one of constraints.txt.
    torch_index="https://download.pytorch.org/whl/cpu",
    # https://github.com/kubernetes-sigs/kind/releases/tag/v0.33.0
    kind=Download(
        "https://github.com/kubernetes-sigs/kind/releases/download/v0.33.0/kind-linux-amd64",
        "aee6151561422756b764a4ae28e7f44cda5af5a9eead3cc9985112b1de8d8e0d",
    ),
    # Listed in the same release's notes.
    node_image="kindest/node:v1.36.4@sha256:099e049362a1526b2db71494e1947aae99bd16290d7c895f2b7ea312e3cbfaed",
    # https://github.com/kubernetes-sigs/kwok/releases/tag/v0.8.0
    kwok=Download(
        "https://github.com/kubernetes-sigs/kwok/releases/download/v0.8.0/kwok.yaml",
        "a4c16e6431e382dcb5c1903139344b7a68652f16a6460337fe17a678a426f405",
    ),
    kwok_digest="sha256:6d25aa8fbdfe78845423160bf125b5513f9522e2770981f0945c2a250c2b26f0",
    kwok_stages=Download(
        "https://github.com/kubernetes-sigs/kwok/releases/download/v0.8.0/stage-fast.yaml",
        "2f28d95564ec43056c0873f7a25ac7d2a5bba4c8496c72f8b3ee73fd4f54ee24",
    ),
    # https://github.com/cert-manager/cert-manager/releases/tag/v1.21.2
    cert_manager=Download(
        "https://github.com/cert-manager/cert-manager/releases/download/v1.21.2/cert-manager.yaml",
        "e03b668ec8675214af6b0a671699d088f2601fa3878e0dbe1b41d3feafd1879f",
    ),
    # https://github.com/acrlabs/simkube/releases/tag/v2.7.0 lists two changes since v2.6.1, #255 and #256; this commit
    # has both. Only its manifests are used. The images are the release's, by their tag: no digest of them was found.
    simkube_repository="https://github.com/acrlabs/simkube",
    simkube_commit="1bd9b4c92967572834238cdd938042678769e6b7",
    simkube_version="v2.7.0",
)
