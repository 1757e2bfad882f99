"""What it means that a provider gave no reply: the same request may succeed later, or it never will."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from agents.llm.model import ContextExceeded, ProviderAway, ProviderRefused
from agents.llm.providers.bounds import is_too_deep
from agents.llm.providers.endpoint import Endpoint
from agents.llm.providers.http import proxy_variables

# Besides all of 5xx but 501 (not implemented).
AWAY = (408, 409, 425, 429)
# Of a server that may have done the work and could not hand it over; it refuses work with 429, 503 and 529.
WORKED_ON = (500, 502, 504)
# Of 429: no waiting helps (OpenAI's).
OUT_OF_CREDIT = ("insufficient_quota", "billing_hard_limit_reached")
# Of 400 and the like, as OpenAI, vLLM, llama.cpp and its Python binding, Anthropic and Google say it.
_TOO_LONG = re.compile(r"context.(length|size|window)|prompt is too long|input token count", re.IGNORECASE)


def failure_of(endpoint: Endpoint, response: httpx2.Response) -> ProviderAway | ProviderRefused:
    """The failure that an answer with a status other than 2xx is."""
    status = response.status_code
    said = endpoint.printable(_message(response))
    if 300 <= status < 400:
        target = endpoint.printable(response.headers.get("location", "another URL"))
        return ProviderRefused(f"{endpoint.shown} redirects to {target}: set the base URL to where it leads")
    if status in AWAY or (status >= 500 and status != 501):
        if status == 429 and any(code in response.text for code in OUT_OF_CREDIT):
            return ProviderRefused(f"{endpoint.shown} has no credit left for this key: {said}")
        return ProviderAway(
            f"{endpoint.shown} answered {status}: {said}",
            retry_after_s=retry_after_s(response),
            may_be_paid=status in WORKED_ON,
        )
    if _json(response) is None:
        return no_api(endpoint, response)
    if status == 404 and endpoint.model in response.text:
        return ProviderRefused(
            f"{endpoint.provider} has no model {endpoint.model!r}, or no longer ({said}); {endpoint.replacement}"
        )
    if status == 413 or (status in (400, 422) and _TOO_LONG.search(response.text)):
        return ContextExceeded(f"{endpoint.shown} refused the request with {status}: {said}")
    advice = f"; is the key in {' or '.join(endpoint.key_variables)} right?" if status in (401, 403) else ""
    return ProviderRefused(f"{endpoint.shown} refused the request with {status}: {said}{advice}")


def no_api(endpoint: Endpoint, response: httpx2.Response) -> ProviderRefused:
    """What answered is no API of this kind at all."""
    kind = endpoint.printable(response.headers.get("content-type", "no content type"))
    return ProviderRefused(
        f"{endpoint.shown} answered {response.status_code} with {kind}, not JSON: no such API is there; "
        "check the base URL (for most servers it ends in /v1)"
    )


def broken(endpoint: Endpoint, error: BaseException) -> ProviderAway:
    """There was no whole answer, or no connection."""
    cause = next((link for link in _causes(error) if isinstance(link, httpx2.RequestError)), error)
    text = endpoint.printable(str(cause)) or type(cause).__name__
    if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout):
        proxies = ", ".join(proxy_variables())
        return ProviderAway(
            f"{endpoint.shown} cannot be reached: {text}{proxies and f' (by a proxy? {proxies} is set)'}"
        )
    return ProviderAway(f"{endpoint.shown} gave no whole answer: {text}", may_be_paid=True)


def malformed(endpoint: Endpoint, what: str) -> ProviderAway:
    """An answer with status 200 that cannot be read."""
    return ProviderAway(f"{endpoint.shown} gave a malformed answer: {endpoint.printable(what)}", may_be_paid=True)


def json_object(endpoint: Endpoint, response: httpx2.Response) -> dict[str, Any]:
    """The JSON object of an answer with status 2xx, without the key.

    Raises:
        ProviderAway: It is none, or cut.
        ProviderRefused: It is another kind of document.
    """
    if "html" in response.headers.get("content-type", ""):
        raise no_api(endpoint, response)
    body = _loaded(endpoint.without_key(response.content))
    if not isinstance(body, dict):
        raise malformed(endpoint, f"no JSON object in {len(response.content)} bytes")
    if is_too_deep(body):
        raise malformed(endpoint, "JSON that nests too deep")
    try:
        json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        # JSON can escape half a character, which no request could give back.
        raise malformed(endpoint, "text that is no Unicode") from None
    return body


def retry_after_s(response: httpx2.Response) -> float | None:
    """What the server asks to wait: the header in seconds, milliseconds or as a date, or Google's RetryInfo."""
    for header, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        seconds = _number(response.headers.get(header, ""))
        if seconds is not None:
            return seconds * scale
    date = _date(response.headers.get("retry-after", ""))
    if date is not None:
        # By the server's clock, where it says what that shows.
        now = _date(response.headers.get("date", "")) or datetime.now(UTC)
        return max(0.0, (date - now).total_seconds())
    error = _of(_json(response), "error")
    details = _of(error, "details")
    delays = [_of(detail, "retryDelay") for detail in details] if isinstance(details, list) else []
    return next((_number(delay.removesuffix("s")) for delay in delays if isinstance(delay, str)), None)


def _message(response: httpx2.Response) -> str:
    """What the server said. Providers put it at `error.message`; compatible servers have their own ways."""
    body = _json(response)
    if isinstance(body, list) and body:
        body = body[0]
    for found in (_of(_of(body, "error"), "message"), _of(body, "error"), _of(body, "message"), _of(body, "detail")):
        if isinstance(found, str) and found.strip():
            return found
        if isinstance(found, list):
            return json.dumps(found)
    page = body is not None or "html" in response.headers.get("content-type", "")
    return ("" if page else response.text.strip()) or "no reason"


def _json(response: httpx2.Response) -> Any:
    """The body as JSON; None where it is none."""
    return _loaded(response.content)


def _loaded(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _of(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _causes(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__
