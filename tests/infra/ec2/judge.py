"""Policies evaluated as AWS describes it, as far as ours go.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol


class Request(Protocol):
    """What a policy sees of a request; `context` holds the condition keys that it has."""

    @property
    def action(self) -> str: ...
    @property
    def resource(self) -> str: ...
    @property
    def context(self) -> Mapping[str, str]: ...


def like(pattern: str, text: str) -> bool:
    """IAM's wildcards: `*` any characters, `?` one."""
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text, re.DOTALL) is not None


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


_COMPARED: dict[str, Callable[[str, str], bool]] = {
    "Bool": lambda wanted, value: wanted == value,
    "NumericEquals": lambda wanted, value: float(wanted) == float(value),
    "StringEquals": lambda wanted, value: wanted == value,
    "StringLike": like,
}


def holds(operator: str, key: str, wanted: str | list[str], context: Mapping[str, str]) -> bool:
    if operator == "Null":
        return (key not in context) == (wanted == "true")
    return key in context and any(_COMPARED[operator](one, context[key]) for one in listed(wanted))


def applies(statement: Mapping[str, Any], request: Request) -> bool:
    return (
        any(like(action, request.action) for action in listed(statement["Action"]))
        and any(like(resource, request.resource) for resource in listed(statement["Resource"]))
        and all(
            holds(operator, key, wanted, request.context)
            for operator, keyed in statement.get("Condition", {}).items()
            for key, wanted in keyed.items()
        )
    )


def allowed(request: Request, *documents: Mapping[str, Any]) -> bool:
    """An explicit Deny wins, then an Allow; nothing is allowed by default."""
    effects = {row["Effect"] for document in documents for row in document["Statement"] if applies(row, request)}
    return effects == {"Allow"}
