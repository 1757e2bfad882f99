"""What credentials allow, by the IAM policies that `sim-arena policy` prints: for the attacker of a simulated run."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from infra.access import policies
from infra.access.policies import Role, Statement, Whose
from protocol.wire.errors import Refused
from protocol.wire.memory import Answer, MemoryStore, Request

ARN = policies.bucket_arn("simulated")
ACTIONS = {
    "GET": "s3:GetObject",
    "HEAD": "s3:GetObject",
    "LIST": "s3:ListBucket",
    "PUT": "s3:PutObject",
    "CREATE": "s3:PutObject",
    "DELETE": "s3:DeleteObject",
}


class ConfinedStore(MemoryStore):
    """A client with the credentials of a worker that is confined to one job, in a bucket with the bucket's policy.

    Args:
        store: what the requests that are allowed go through.
        closes_rounds: whether the credentials also allow what a member needs that closes rounds.
    """

    def __init__(self, store: MemoryStore, job_id: str, *, closes_rounds: bool) -> None:
        super().__init__(store.server, store.who, store.on_request, store.on_answer)
        self.statements: list[Statement] = [
            *policies.role_policy(Role.WORKER, ARN, job_id=job_id)["Statement"],
            *(policies.grants(policies.CLOSING, ARN, Whose.of(job_id)) if closes_rounds else ()),
            *policies.bucket_policy(ARN)["Statement"],
        ]

    def send(self, request: Request) -> Answer:
        if not allowed(self.statements, request):
            raise Refused(f"{request.verb} {request.key}: 403 AccessDenied")
        return super().send(request)


def allowed(statements: list[Statement], request: Request) -> bool:
    """Whether some statement allows a request and none denies it."""
    effects = {statement["Effect"] for statement in statements if _concerns(statement, request)}
    return effects == {"Allow"}


def _concerns(statement: Statement, request: Request) -> bool:
    resource = ARN if request.verb == "LIST" else f"{ARN}/{request.key}"
    actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
    context = {"aws:SecureTransport": "true"}
    if request.verb == "LIST":
        context["s3:prefix"] = request.key
    if request.verb == "CREATE":
        context["s3:if-none-match"] = "*"
    return (
        any(fnmatchcase(ACTIONS[request.verb], action) for action in actions)
        and any(fnmatchcase(resource, pattern) for pattern in statement["Resource"])
        and all(_holds(operator, tests, context) for operator, tests in statement.get("Condition", {}).items())
    )


def _holds(operator: str, tests: dict[str, Any], context: dict[str, str]) -> bool:
    match operator:
        case "Null":
            return all((name not in context) == (absent == "true") for name, absent in tests.items())
        case "Bool":
            return all(context.get(name) == wanted for name, wanted in tests.items())
        case "StringLike":
            return all(
                name in context and any(fnmatchcase(context[name], pattern) for pattern in patterns)
                for name, patterns in tests.items()
            )
    raise ValueError(f"condition {operator!r}: no policy here has one")
