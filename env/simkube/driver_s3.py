"""Whether the driver can read from S3 what Sim-Arena puts there: a pure function of its Secrets and our environment.

The driver reads its environment with Rust's crate `object_store` 0.12 (`src/aws/builder.rs`), not with an AWS SDK.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from env.printable import without_user
from env.simkube import paths
from env.simkube.doctor_results import Level, ReportLine

Manifest = dict[str, Any]

_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_OTHER_SOURCES = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_TEMPORARY = "ASIA"  # how the access keys of sessions begin


def driver_secrets(found: Mapping[str, Manifest | None], trace_url: str, environment: Mapping[str, str]) -> ReportLine:
    """S3 credentials of the driver, which reads the trace in the cluster.

    Args:
        found: The Secrets by name; None for one that is not there.
        trace_url: Where the traces are.
        environment: Of this process, which puts them there.
    """
    place = paths.CONTROLLER_NAMESPACE
    create = _create(environment)
    missing = [name for name, secret in found.items() if secret is None]
    if missing:
        said = f"no Secret {', '.join(missing)} in namespace {place}: driver pods would not start"
        return ReportLine(Level.FAIL, said, create.replace("NAME", missing[0]))
    if not found:
        said = f"no driver secret for {trace_url}: right only if the nodes' own role may read it"
        return ReportLine(Level.WARN, said, f"{create}, then --simkube 'driver_secrets=[\"NAME\"]'")
    names = ", ".join(found)
    given = {key: value for secret in found.values() for key, value in _environment(secret or {}).items()}
    wrong = _wrong(given, environment)
    if wrong:
        again = (
            f"kubectl -n {place} delete secret {names.replace(',', '')}; {create.replace('NAME', next(iter(found)))}"
        )
        return ReportLine(Level.FAIL, f"Secret {names} in namespace {place}: {wrong}", again)
    return ReportLine(Level.OK, f"Secret {names} in namespace {place}, as this machine's environment says")


def _wrong(given: Mapping[str, str], own: Mapping[str, str]) -> str:
    """The first thing that keeps the driver from reading there; empty for none."""
    if not all(given.get(key) for key in _KEYS) and not any(given.get(key) for key in _OTHER_SOURCES):
        return f"no {' and '.join(key for key in _KEYS if not given.get(key))}"
    if given.get("AWS_ACCESS_KEY_ID", "").startswith(_TEMPORARY) and not given.get("AWS_SESSION_TOKEN"):
        return "the access key is that of a session, without AWS_SESSION_TOKEN"
    if "AWS_ENDPOINT_URL_S3" in given and not _endpoint_of(given):
        return "the driver does not read AWS_ENDPOINT_URL_S3; name it AWS_ENDPOINT_URL"
    theirs, ours = _endpoint_of(given), own.get("AWS_ENDPOINT_URL_S3") or own.get("AWS_ENDPOINT_URL") or ""
    if theirs.rstrip("/") != ours.rstrip("/"):
        there, here = (without_user(each) if each else "AWS" for each in (theirs, ours))
        return f"the driver would read from {there}, and traces are put to {here}"
    if theirs.startswith("http://") and given.get("AWS_ALLOW_HTTP", "").lower() not in ("true", "1"):
        return "the endpoint is http://, which the driver refuses without AWS_ALLOW_HTTP=true"
    region, wanted = given.get("AWS_REGION") or given.get("AWS_DEFAULT_REGION") or "us-east-1", _region(own)
    if wanted and region != wanted:
        return f"the driver's region is {region}, this machine's {wanted}"
    return ""


def _environment(secret: Manifest) -> dict[str, str]:
    """What a Secret makes of the driver's environment."""
    data = secret.get("data") or {}
    return {str(key): _decoded(value) for key, value in data.items()}


def _decoded(value: object) -> str:
    try:
        return base64.b64decode(str(value)).decode(errors="replace").strip()
    except (binascii.Error, ValueError):
        return ""


def _endpoint_of(given: Mapping[str, str]) -> str:
    return given.get("AWS_ENDPOINT_URL") or given.get("AWS_ENDPOINT") or ""


def _region(own: Mapping[str, str]) -> str:
    return own.get("AWS_DEFAULT_REGION") or own.get("AWS_REGION") or ""


def _create(own: Mapping[str, str]) -> str:
    """The command that makes a Secret with which the driver reads where this machine's environment puts traces."""
    hidden = [*_KEYS, *(["AWS_SESSION_TOKEN"] if own.get("AWS_SESSION_TOKEN") else [])]
    values = dict.fromkeys(hidden, "…")
    if _region(own):
        values["AWS_REGION"] = _region(own)
    endpoint = own.get("AWS_ENDPOINT_URL_S3") or own.get("AWS_ENDPOINT_URL")
    if endpoint:
        values["AWS_ENDPOINT_URL"] = without_user(endpoint)
        if endpoint.startswith("http://"):
            values["AWS_ALLOW_HTTP"] = "true"
    literals = " ".join(f"--from-literal={key}={value}" for key, value in values.items())
    return f"kubectl -n {paths.CONTROLLER_NAMESPACE} create secret generic NAME {literals}"
