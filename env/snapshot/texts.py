"""Texts of manifests that a trace leaves out, but an API server takes only as texts.

YAML reads `1`, `true` and `8080` without quotes as something else, and an API server refuses the object. Only the place
of such a value is said: it may be a secret.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from env.engine.manifests.fields import Manifest
from env.engine.manifests.objects import pod_templates
from env.untrusted import mapping, mappings

_LISTS = ("command", "args")


def check_texts(manifest: Manifest) -> None:
    """Accept an object, as it was written, whose annotations, variables, commands and arguments are texts.

    Raises:
        ValueError: Says which is not.
    """
    for place, value in _texts(manifest):
        if value is not None and not isinstance(value, str):
            kind = "true or false" if isinstance(value, bool) else "a number" if isinstance(value, int | float) else ""
            raise ValueError(f"{place:.200}: {f'is {kind}, not' if kind else 'must be'} text; put it in quotes")


def _texts(manifest: Manifest) -> Iterator[tuple[str, Any]]:
    templates = pod_templates(manifest)
    for each in (manifest, *(each for each in templates if each is not manifest)):
        what = "metadata.annotations" if each is manifest else "annotations of its pods"
        for key, value in mapping(mapping(each.get("metadata")).get("annotations")).items():
            yield f"{what}.{key}", value
    for template in templates:
        spec = mapping(template.get("spec"))
        for container in (*mappings(spec.get("initContainers")), *mappings(spec.get("containers"))):
            name = f"container {container.get('name')}"
            for variable in mappings(container.get("env")):
                yield f"{name}: env {variable.get('name')}", variable.get("value")
            for field in _LISTS:
                values = container.get(field)
                for number, value in enumerate(values if isinstance(values, list) else ()):
                    yield f"{name}: {field}[{number}]", value
