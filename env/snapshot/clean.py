"""An object without what a trace must not carry: see `fields.py` for what is kept."""

from __future__ import annotations

import math
from typing import Any

from env.engine.manifests.fields import Manifest
from env.engine.manifests.objects import pod_templates
from env.errors import ManifestError
from env.snapshot.fields import ANNOTATIONS, SHAPES, Rule, Struct

MAX_DEPTH = 24
"""Of what is kept as it is, such as an affinity."""
LONGEST_TEXT = 4_096
MOST_TEXTS = 1_000

_CONTROLLER_UIDS = ("controller-uid", "batch.kubernetes.io/controller-uid")


def cleaned(manifest: Manifest) -> Manifest:
    """The object with the fields that a trace may carry; a copy. See `kept_and_unknown`."""
    return kept_and_unknown(manifest)[0]


def kept_and_unknown(manifest: Manifest) -> tuple[Manifest, list[str]]:
    """The object with the fields that a trace may carry, and the places of fields that Kubernetes does not know.

    Fields that are null are left out, as an API server takes them.

    Args:
        manifest: Of one of the kinds in `SHAPES`, with an apiVersion and a name.

    Raises:
        ManifestError: A value of another type than Kubernetes takes; names the field.
    """
    unknown: list[str] = []
    try:
        kept = _struct(manifest, SHAPES[manifest["kind"]], "", unknown)
    except ValueError as error:
        raise ManifestError(str(error)) from error
    for template in pod_templates(kept):
        _without_default_account(template.get("spec", {}))
    if kept["kind"] == "Job":
        _without_own_selector(kept.get("spec", {}))
    if kept["kind"] == "CronJob":
        _without_own_selector(kept.get("spec", {}).get("jobTemplate", {}).get("spec", {}))
    return kept, unknown


def _struct(value: Any, shape: Struct, place: str, unknown: list[str]) -> Manifest:
    if not isinstance(value, dict):
        raise ValueError(f"{place or 'the object'}: must be a map")
    kept: Manifest = {}
    for key, child in value.items():
        rule = shape.fields.get(key)
        at = f"{place}.{key:.80}".lstrip(".")
        if rule is None:
            unknown.append(at)
        elif child is not None and rule is not Rule.DROP:
            kept[key] = _field(child, rule, at, unknown)
    return kept


def _field(value: Any, rule: Rule | Struct, place: str, unknown: list[str]) -> Any:
    match rule:
        case Struct(is_list=True):
            if not isinstance(value, list):
                raise ValueError(f"{place}: must be a list")
            found = [_struct(each, rule, f"{place}[{number}]", unknown) for number, each in enumerate(value)]
            return [each for each in found if set(each) != {"name"}] if place.endswith(".volumes") else found
        case Struct():
            return _struct(value, rule, place, unknown)
        case Rule.TEXTS:
            return _texts(value, place)
        case Rule.ANNOTATIONS:
            if not isinstance(value, dict):
                raise ValueError(f"{place}: must be a map")
            return _texts({key: text for key, text in value.items() if key in ANNOTATIONS}, place, longest=2**17)
    return _plain(value, place, MAX_DEPTH)


def _texts(value: Any, place: str, longest: int = LONGEST_TEXT) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError(f"{place}: must be a map")
    if len(value) > MOST_TEXTS:
        raise ValueError(f"{place}: {len(value):,} entries; at most {MOST_TEXTS:,} are read")
    for key, text in value.items():
        if text is not None and not isinstance(text, str):
            raise ValueError(f"{place}.{key:.80}: {_as_json(text):.80} is not text; put it in quotes")
        _check_text(key, f"{place}: a key", LONGEST_TEXT)
        _check_text(text or "", f"{place}.{key:.80}", longest)
    return {key: text or "" for key, text in value.items()}


def _check_text(text: str, place: str, longest: int) -> None:
    if len(text) > longest:
        raise ValueError(f"{place}: longer than {longest:,} characters")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError(f"{place}: has half a character")


def _as_json(value: Any) -> str:
    return {True: "true", False: "false"}.get(value, repr(value)) if isinstance(value, bool) else repr(value)


def _plain(value: Any, place: str, depth: int) -> Any:
    """A value as it is, without nulls; whole numbers are integers, also where they are written as 3.0."""
    if depth == 0:
        raise ValueError(f"{place}: nested too deep")
    match value:
        case dict():
            for key in value:
                _check_text(str(key), f"{place}: a key", LONGEST_TEXT)
            return {
                key: _plain(child, f"{place}.{key:.80}", depth - 1) for key, child in value.items() if child is not None
            }
        case list():
            return [_plain(child, f"{place}[{number}]", depth - 1) for number, child in enumerate(value)]
        case float() if value.is_integer() and abs(value) < 2**53:
            return int(value)
        case float() if not math.isfinite(value):
            raise ValueError(f"{place}: {value} is no number")
        case int() if not -(2**63) <= value < 2**63:
            raise ValueError(f"{place}: a number beyond 64 bits")
        case str():
            _check_text(value, place, LONGEST_TEXT)
        case None:
            raise ValueError(f"{place}: null in a list")
    return value


def _without_default_account(pod: Manifest) -> None:
    """Take out the account that the API server gives a pod without one, in place."""
    if "default" in (pod.get("serviceAccountName"), pod.get("serviceAccount")):
        pod.pop("serviceAccountName", None)
        pod.pop("serviceAccount", None)


def _without_own_selector(job: Manifest) -> None:
    """Take out the selector that the API server gave a Job, in place: it refuses one in a new Job."""
    if job.get("manualSelector"):
        return
    job.pop("selector", None)
    labels = job.get("template", {}).get("metadata", {}).get("labels", {})
    for name in _CONTROLLER_UIDS:
        labels.pop(name, None)
