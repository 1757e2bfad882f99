"""An embedded S3 in which users may do what their policies say.

Two judges look at each request: moto's IAM, which knows users, signatures, actions and resources, but no conditions;
and `Judge`, which evaluates the documents as AWS describes it, conditions included, with the bucket's policy. It also
turns 404 into 403 where the user may not list the key, as S3 does.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

import pytest
from judge import allowed

from infra.access import policies
from infra.access.policies import Role, bucket_policy, role_policy
from infra.local import s3
from infra.local.processes import clean_environment
from protocol.commands import dispatch
from protocol.wire.bucket import Bucket
from protocol.wire.clock import system_clock
from protocol.wire.store import S3Store

BUCKET = "the-bucket"


ARN = policies.bucket_arn(BUCKET)


ADMIN = "admin"


CLOSER = "worker that closes rounds"


POLICIES = {
    **{role.value: role_policy(role, ARN) for role in Role},
    CLOSER: role_policy(Role.WORKER, ARN, closes_rounds=True),
    **{job: role_policy(Role.WORKER, ARN, job_id=job) for job in ("own-m0000", "own-m0001", "real-m0001")},
}


OWN = bucket_policy(ARN)


@dataclass(frozen=True)
class Request:
    """What a policy sees of a request; `context` holds the condition keys that it has."""

    who: str
    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def to(cls, who: str, action: str, key: str = "", **context: str) -> Request:
        named = {name.replace("__", ":").replace("_", "-"): value for name, value in context.items()}
        return cls(who, f"s3:{action}", f"{ARN}/{key}" if key else ARN, {"aws:SecureTransport": "true", **named})


class Judge:
    """An embedded S3 in which users may do what their policies say; keeps every request it was asked."""

    def __init__(self, application: s3.WSGI, bucket: policies.Document) -> None:
        self.application = application
        self.bucket = bucket
        self.users: dict[str, str] = {}  # by access key
        self.requests: list[Request] = []

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        key_id = re.search(r"Credential=([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
        who = self.users.get(key_id[1] if key_id else "", ADMIN)
        path = unquote(environ["PATH_INFO"]).removeprefix("/")
        if who == ADMIN or not path.startswith(BUCKET):
            return self.application(environ, start_response)
        key = path.removeprefix(BUCKET).removeprefix("/")
        if not self.may(request_of(who, key, environ)):
            return denied(environ, start_response)
        answers: list[tuple[Any, ...]] = []
        body = self.application(environ, lambda *answer: answers.append(answer))
        absent = key and environ["REQUEST_METHOD"] in ("GET", "HEAD") and answers[0][0].startswith("404")
        if absent and not self.may(Request.to(who, "ListBucket", s3__prefix=key)):
            return denied(environ, start_response)
        start_response(*answers[0])
        return body

    def may(self, request: Request) -> bool:
        self.requests.append(request)
        return allowed(request, POLICIES[request.who], self.bucket)


def request_of(who: str, key: str, environ: Mapping[str, Any]) -> Request:
    if not key:
        query = parse_qs(environ["QUERY_STRING"], keep_blank_values=True)
        assert environ["REQUEST_METHOD"] == "GET"
        assert query["list-type"] == ["2"]
        return Request.to(who, "ListBucket", s3__prefix=query["prefix"][0])
    action = {"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject", "DELETE": "DeleteObject"}
    found = environ.get("HTTP_IF_NONE_MATCH")
    context = {"s3__if_none_match": found} if found else {}
    return Request.to(who, action[environ["REQUEST_METHOD"]], key, **context)


def denied(environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
    start_response("403 Forbidden", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]


def without_conditions(document: policies.Document) -> policies.Document:
    """What moto can evaluate: it takes any condition for unmet."""
    rows = [{name: value for name, value in row.items() if name != "Condition"} for row in document["Statement"]]
    return {**document, "Statement": rows}


@dataclass
class Cloud:
    """A served bucket: credentials for each role, and the log of who asked what."""

    judge: Judge
    endpoint: str
    secrets: dict[str, tuple[str, str]] = field(default_factory=dict)
    stores: dict[str, S3Store] = field(default_factory=dict)
    turn: threading.RLock = field(default_factory=threading.RLock)  # threads share the environment

    def environment(self, who: str) -> dict[str, str]:
        key_id, secret = self.secrets[who]
        added = {**s3.environment(self.endpoint), "AWS_ACCESS_KEY_ID": key_id, "AWS_SECRET_ACCESS_KEY": secret}
        return clean_environment({**added, "SIM_ARENA_BUCKET": BUCKET})

    @contextmanager
    def as_user(self, who: str) -> Iterator[None]:
        with self.turn, pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith(("AWS_", "SIM_ARENA_"))]:
                patch.delenv(name)
            for name, value in self.environment(who).items():
                patch.setenv(name, value)
            yield

    def bucket(self, who: str, stop: threading.Event | None = None) -> Bucket:
        with self.as_user(who):
            if who not in self.stores:
                self.stores[who] = S3Store(BUCKET)
                assert self.stores[who].client  # made here, with this user's credentials
        return Bucket(self.stores[who], system_clock(stop), patience_s=5.0)

    def dispatch(self, *arguments: str, who: str = Role.DISPATCHER) -> None:
        with self.as_user(who):
            dispatch.app(list(arguments), standalone_mode=False)

    def of(self, who: str) -> list[Request]:
        return [request for request in self.judge.requests if request.who == who]


@contextmanager
def serving(bucket: policies.Document) -> Iterator[Cloud]:
    import boto3
    from moto.core.authorization import enable_iam_authentication
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Silent(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None: ...

    judge = Judge(DomainDispatcherApplication(create_backend_app), bucket)
    server = make_server("127.0.0.1", 0, s3.one_at_a_time(judge), threaded=True, request_handler=Silent)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    cloud = Cloud(judge, f"http://127.0.0.1:{server.server_port}")
    root = {
        "endpoint_url": cloud.endpoint,
        "aws_access_key_id": s3.ACCESS_KEY,
        "aws_secret_access_key": s3.SECRET_KEY,
        "region_name": s3.REGION,
    }
    s3.create_bucket(cloud.endpoint, BUCKET)
    iam = boto3.session.Session().client("iam", **root)
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    for who, document in {**POLICIES, ADMIN: everything}.items():
        name = who.replace(" ", "-")
        iam.create_user(UserName=name)
        text = json.dumps(without_conditions(document))
        iam.put_user_policy(UserName=name, PolicyName="policy", PolicyDocument=text)
        made = iam.create_access_key(UserName=name)["AccessKey"]
        cloud.secrets[who] = (made["AccessKeyId"], made["SecretAccessKey"])
        judge.users[made["AccessKeyId"]] = who
    try:
        with enable_iam_authentication():
            yield cloud
        for who, (key_id, _) in cloud.secrets.items():
            name = who.replace(" ", "-")
            iam.delete_access_key(UserName=name, AccessKeyId=key_id)
            iam.delete_user_policy(UserName=name, PolicyName="policy")
            iam.delete_user(UserName=name)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
