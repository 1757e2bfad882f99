"""Certificates, keys, the administrator's token and the kubeconfig of a plane, made with openssl."""

from __future__ import annotations

import secrets
import subprocess
from pathlib import Path

import yaml

SERVER = "https://127.0.0.1:6443"
_DAYS = "30"


def write(folder: Path) -> Path:
    """Write `ca.crt`, `api.crt`, `api.key`, `sa.key`, `sa.pub` and `tokens.csv`; the path of the kubeconfig beside."""
    folder.mkdir(parents=True, exist_ok=True)
    names = "subjectAltName=DNS:localhost,DNS:kubernetes.default.svc,IP:127.0.0.1,IP:10.0.0.1"
    self_signed(folder, "ca", "sim-arena-ca", "basicConstraints=critical,CA:TRUE")
    _openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", "api.key", "-out", "api.csr",
             "-subj", "/CN=kube-apiserver")  # fmt: skip
    (folder / "api.ext").write_text(names, encoding="utf-8")
    _openssl(folder, "x509", "-req", "-in", "api.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
             "-days", _DAYS, "-out", "api.crt", "-extfile", "api.ext")  # fmt: skip
    _openssl(folder, "genrsa", "-out", "sa.key", "2048")
    _openssl(folder, "rsa", "-in", "sa.key", "-pubout", "-out", "sa.pub")
    token = secrets.token_hex(16)
    (folder / "tokens.csv").write_text(f'{token},admin,admin,"system:masters"\n', encoding="utf-8")
    return _kubeconfig(folder, token)


def self_signed(folder: Path, name: str, subject: str, extension: str) -> None:
    """Write `NAME.crt` and `NAME.key`: a certificate that is its own authority."""
    _openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.crt",
             "-days", _DAYS, "-subj", f"/CN={subject}", "-addext", extension)  # fmt: skip


def _kubeconfig(folder: Path, token: str) -> Path:
    name = "sim-arena"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": SERVER, "certificate-authority": str(folder / "ca.crt")}}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "admin"}}],
        "current-context": name,
    }
    path = folder.parent / "kubeconfig"
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)  # noqa: S603, S607
