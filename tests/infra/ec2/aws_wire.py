"""How AWS is spoken to: requests and errors of its several protocols."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote
from xml.sax.saxutils import escape

from infra.local.s3 import WSGI

_STATUS = {  # all others: 400
    "AuthFailure": 401,
    "UnauthorizedOperation": 403,
    "AccessDenied": 403,
    "InsufficientInstanceCapacity": 500,  # which is why boto3 tries again
    "InternalError": 500,
    "RequestLimitExceeded": 503,
    "Unavailable": 503,
}


@dataclass(frozen=True)
class Request:
    """What a client asked for.

    Attributes:
        service: as in credentials' scope: ec2, ssm, cloudformation …
        parameters: flat, as EC2 takes them (`InstanceId.1`, `Placement.AvailabilityZone`); of JSON services the
            document; of S3 Bucket, Key and the query.
    """

    service: str
    region: str
    operation: str
    parameters: Mapping[str, Any]

    def values(self, name: str) -> list[str]:
        """The members of a list parameter, such as InstanceId."""
        return [str(value) for key, value in self.parameters.items() if re.fullmatch(rf"{name}\.\d+", key)]


@dataclass(frozen=True)
class Answer:
    status: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def good(self) -> bool:
        return self.status.startswith("2")


def error(request: Request, code: str, message: str) -> Answer:
    """An error as the service would word it."""
    status = _STATUS.get(code, 400)
    said = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if request.service == "ec2":
        body = f"<Response><Errors><Error>{said}</Error></Errors><RequestID>0</RequestID></Response>"
        return reply(status, "text/xml", body)
    if request.service == "s3":
        return reply(status, "application/xml", f"<Error>{said}</Error>")
    if "Action" in request.parameters:
        return reply(status, "text/xml", f"<ErrorResponse><Error><Type>Sender</Type>{said}</Error></ErrorResponse>")
    return reply(status, "application/x-amz-json-1.1", json.dumps({"__type": code, "message": message}))


def reply(status: int, kind: str, body: str) -> Answer:
    data = body.encode()
    return Answer(f"{status} -", [("Content-Type", kind), ("Content-Length", str(len(data)))], data)


def forward(application: WSGI, environ: dict[str, Any], body: bytes) -> Answer:
    started: list[tuple[str, list[tuple[str, str]]]] = []
    inner = {**environ, "wsgi.input": io.BytesIO(body)}
    sent = b"".join(application(inner, lambda status, headers, *_: started.append((status, headers))))
    return Answer(*started[-1], sent)


def understood(environ: Mapping[str, Any], body: bytes) -> Request:
    scope = re.search(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
    region, service = (scope[1], scope[2]) if scope else ("", "")
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return Request(service, region, target.rpartition(".")[2], json.loads(body or b"{}"))
    if service == "s3":
        bucket, _, key = unquote(environ["PATH_INFO"]).removeprefix("/").partition("/")
        verb, what = environ["REQUEST_METHOD"].capitalize(), "Object" if key else "Bucket"
        operation = "ListObjectsV2" if "list-type" in query else f"{verb}{what}"
        return Request(service, region, operation, {**query, "Bucket": bucket, "Key": key})
    form = {**query, **dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))}
    return Request(service, region, str(form.get("Action", environ["PATH_INFO"])), form)
