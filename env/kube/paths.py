"""Paths of objects and collections, and label selectors, as the API server takes them in a request."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

Manifest = dict[str, Any]


def path_of(collection: str, name: str, namespace: str | None = None) -> str:
    """`/apis/apps/v1/deployments` and names to `/apis/apps/v1/namespaces/<namespace>/deployments/<name>`."""
    return f"{within(collection, namespace) if namespace else collection}/{quote(name, safe='')}"


def within(collection: str, namespace: str) -> str:
    """`/apis/apps/v1/deployments` to `/apis/apps/v1/namespaces/<namespace>/deployments`."""
    root, _, plural = collection.rpartition("/")
    return f"{root}/namespaces/{quote(namespace, safe='')}/{plural}"


def selector_text(selector: Manifest) -> str:
    """A LabelSelector as the query parameter `labelSelector`."""
    equal = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    return ",".join([*equal, *map(_expression, selector.get("matchExpressions") or ())])


def _expression(expression: Manifest) -> str:
    key, values = expression["key"], ",".join(expression.get("values") or ())
    match expression["operator"]:
        case "In":
            return f"{key} in ({values})"
        case "NotIn":
            return f"{key} notin ({values})"
        case "DoesNotExist":
            return f"!{key}"
    return str(key)
