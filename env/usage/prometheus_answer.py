"""What a Prometheus answers, read from bytes: an instant vector, or why there is none."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any

from env.printable import one_line
from env.untrusted import mapping, mappings, message

MOST_SAMPLES = 500_000
_MOST_LABELS, _LONGEST_LABEL = 64, 512

# What servers say of a query that is too large: Prometheus ("query processing would load too many samples into
# memory"), Thanos and Mimir ("exceeded … limit", "the query hit the max number of chunks"), VictoriaMetrics ("cannot
# select more than -search.maxSamplesPerQuery"), and gateways that waited too long.
_TOO_BIG = re.compile(
    r"too many|too large|max(imum)?[ _-](number|samples|query|series|chunks|bytes)|limit|exceed|more than|timed? ?out|"
    r"deadline|search\.max",
    re.IGNORECASE,
)
_OF_THE_QUERY = "PromQL "  # a warning that begins so is about the query, and not about what is missing
_TOO_BIG_STATUS = (413, 504)
_MAY_BE_TOO_BIG = (400, 422, 500, 502, 503)
_TOO_BIG_TYPES = ("timeout", "canceled", "too_large_entity")


class NoAnswer(ValueError):
    """The bytes are no answer of a Prometheus; the message says what they are.

    Attributes:
        too_big: They are one, with too much in it.
    """

    def __init__(self, message: str, *, too_big: bool = False) -> None:
        super().__init__(message)
        self.too_big = too_big


@dataclass(frozen=True)
class Sample:
    """One of a vector: its labels, and a finite number of at least 0."""

    labels: dict[str, str]
    value: float


@dataclass(frozen=True)
class Answer:
    """A vector.

    Attributes:
        samples: Those with a value that can be a use.
        left_out: How many were NaN, infinite, negative or damaged.
        warnings: What the server says of the answer. Where there are any, it may lack something.
        is_partial: The server says that it lacks something.
    """

    samples: tuple[Sample, ...]
    left_out: int = 0
    warnings: tuple[str, ...] = ()
    is_partial: bool = False


@dataclass(frozen=True)
class Refusal:
    """Why there is none.

    Attributes:
        message: The server's; empty where it says nothing.
        too_big: The query was more than the server computes at once.
    """

    message: str
    too_big: bool


def read_answer(data: bytes) -> Answer:
    """The vector in the body of an answer with status 200.

    Raises:
        NoAnswer: There is none.
    """
    document = _json(data)
    if document is None:
        raise NoAnswer("the answer is not JSON; is that a Prometheus?")
    if document.get("status") != "success":
        raise NoAnswer(message(document.get("error")) or "the answer is no answer of a Prometheus")
    found = mapping(document.get("data"))
    result = found.get("result")
    if found.get("resultType") != "vector" or not isinstance(result, list):
        raise NoAnswer("the answer is no vector")
    if len(result) > MOST_SAMPLES:
        raise NoAnswer(f"an answer of more than {MOST_SAMPLES:,} samples", too_big=True)
    samples = [_sample(each) for each in mappings(result)]
    good = tuple(each for each in samples if each is not None)
    warnings = document.get("warnings")
    said = [message(each) for each in (warnings if isinstance(warnings, list) else [])[:10]]
    warnings = tuple(each for each in said if each)
    is_partial = document.get("isPartial") is True or any(not each.startswith(_OF_THE_QUERY) for each in warnings)
    return Answer(good, len(result) - len(good), warnings, is_partial)


def read_refusal(status: int, data: bytes) -> Refusal:
    """Why an answer of another status is none."""
    document = _json(data) or {}
    said = message(document.get("error")) or message(document.get("message"))
    page = re.sub(r"<[^>]*>|\s+", " ", data[:400].decode(errors="replace"))
    text = said or one_line(page.strip(), 200)
    kind = document.get("errorType")
    too_big = (
        status in _TOO_BIG_STATUS
        or kind in _TOO_BIG_TYPES
        or (status in _MAY_BE_TOO_BIG and bool(said) and bool(_TOO_BIG.search(said)))
    )
    return Refusal(text, too_big)


def _json(data: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _sample(each: dict[str, Any]) -> Sample | None:
    labels, pair = each.get("metric"), each.get("value")
    if not isinstance(labels, dict) or len(labels) > _MOST_LABELS or not isinstance(pair, list) or len(pair) != 2:
        return None
    if not all(isinstance(text, str) and len(text) <= _LONGEST_LABEL for text in labels.values()):
        return None
    try:
        value = float(pair[1]) if isinstance(pair[1], str | int | float) else math.nan
    except (ValueError, OverflowError):
        return None
    return Sample(labels, value) if math.isfinite(value) and value >= 0 else None
