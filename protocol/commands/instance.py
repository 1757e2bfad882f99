"""The worker's id: on EC2 the instance's, from the instance metadata service (IMDSv2)."""

from __future__ import annotations

import http.client
import os
import re
import secrets
import socket
from pathlib import Path
from urllib.parse import urlsplit

ENDPOINT = "http://169.254.169.254"
_INSTANCE = re.compile(r"i-[0-9a-f]{8,17}")
_VENDOR = Path("/sys/devices/virtual/dmi/id/sys_vendor")
_TIMEOUT_S = 1.0  # a container without a way there gets no answer at all
_MAX_BYTES = 4096


def this_worker() -> str:
    """A worker id: the instance's on EC2; elsewhere the host's name and a random part.

    It is shown, and decides nothing: two processes of one instance may share it.
    """
    instance = ec2_instance_id()
    if instance:
        return instance
    host = re.sub(r"[^a-z0-9]+", "-", socket.gethostname().lower()).strip("-")[:40] or "worker"
    return f"{host}-{secrets.token_hex(4)}"


def ec2_instance_id() -> str | None:
    """This machine's instance id; None where it is no EC2 instance, or may not ask.

    Elsewhere nothing is sent: 169.254.169.254 could be any host. boto's own variables are honoured:
    AWS_EC2_METADATA_DISABLED, and AWS_EC2_METADATA_SERVICE_ENDPOINT.
    """
    endpoint = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT")
    if os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true" or not (endpoint or _is_ec2()):
        return None
    try:
        # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
        address = urlsplit(endpoint or ENDPOINT).netloc
        token = _ask(address, "PUT", "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"})
        answer = _ask(address, "GET", "/latest/meta-data/instance-id", {"X-aws-ec2-metadata-token": token})
    except (OSError, ValueError, http.client.HTTPException):
        return None
    return answer if _INSTANCE.fullmatch(answer) else None


def _is_ec2() -> bool:
    try:
        return _VENDOR.read_text().strip() == "Amazon EC2"
    except OSError:
        return False


def _ask(address: str, method: str, path: str, headers: dict[str, str]) -> str:
    connection = http.client.HTTPConnection(address, timeout=_TIMEOUT_S)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        if answer.status != 200:
            raise http.client.HTTPException(f"{answer.status}")
        return answer.read(_MAX_BYTES).decode("ascii")
    finally:
        connection.close()
