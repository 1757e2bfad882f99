"""A stand-in for cert-manager: a Secret for each Certificate, and its authority in the webhooks that ask for it."""

from __future__ import annotations

import base64
import tempfile
from pathlib import Path
from typing import Any

from env.kube.client import KubeApi
from env.kube.paths import path_of, within
from infra.proof.control_plane.credentials import self_signed
from infra.proof.control_plane.pod_process import SECRETS

Manifest = dict[str, Any]

_CERTIFICATES = "/apis/cert-manager.io/v1/certificates"
_WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
_INJECT = "cert-manager.io/inject-ca-from"


def look(api: KubeApi) -> None:
    """Do what is to do now."""
    for certificate in api.list(_CERTIFICATES):
        metadata, spec = certificate["metadata"], certificate["spec"]
        if api.get(path_of(SECRETS, spec["secretName"], metadata["namespace"])) is None:
            api.create(within(SECRETS, metadata["namespace"]), _secret(metadata, spec))
    for webhook in api.list(_WEBHOOKS):
        _inject(api, webhook)


def _secret(metadata: Manifest, spec: Manifest) -> Manifest:
    """A key, and a certificate that is its own authority."""
    names = ",".join(f"DNS:{name}" for name in spec["dnsNames"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        self_signed(folder, "tls", "sim-arena", f"subjectAltName={names}")
        made = {"tls.crt": "tls.crt", "tls.key": "tls.key", "ca.crt": "tls.crt"}
        data = {key: base64.b64encode((folder / file).read_bytes()).decode() for key, file in made.items()}
    labels = (spec.get("secretTemplate") or {}).get("labels")
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": spec["secretName"],
            "labels": labels,
            # cert-manager leaves Secrets behind; here they go with their Certificate.
            "ownerReferences": metadata.get("ownerReferences"),
        },
        "type": "kubernetes.io/tls",
        "data": data,
    }


def _inject(api: KubeApi, webhook: Manifest) -> None:
    namespace, _, name = (webhook["metadata"].get("annotations") or {}).get(_INJECT, "").partition("/")
    certificate = api.get(path_of(_CERTIFICATES, name, namespace)) if name else None
    secret = api.get(path_of(SECRETS, certificate["spec"]["secretName"], namespace)) if certificate else None
    if secret is None:
        return
    bundle = secret["data"]["ca.crt"]
    if any(each["clientConfig"].get("caBundle") != bundle for each in webhook["webhooks"]):
        for each in webhook["webhooks"]:
            each["clientConfig"]["caBundle"] = bundle
        api.patch(path_of(_WEBHOOKS, webhook["metadata"]["name"]), {"webhooks": webhook["webhooks"]})
