"""Kubernetes objects by path, as plain JSON, through the official client; and waiting for them.

A method is one request with a time limit. Nothing is tried again in here but in `wait`, which looks until it sees
what it waits for, or until its time is up:

    404                       an answer: there is no such object
    408, 429, 5xx, no answer  passing: looked at again, after Retry-After or a growing pause
    409 of an update, 410     passing too: the next look reads afresh
    anything else             refused: the wait ends with it
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

import urllib3
from kubernetes import client, dynamic
from kubernetes.client.exceptions import ApiException

from env.errors import ClusterError
from env.kube import bounded

Manifest = dict[str, Any]
Page = list[Manifest]
T = TypeVar("T")

MAX_ITEMS = 200_000
MAX_PAGES = 2_000
UNTRUSTED = "UntrustedCertificate"
"""The reason of a KubeError whose server shows a certificate that the kubeconfig's authority has not signed."""

_PAGE = 500
_LONGEST_PAUSE_S = 30.0
_PASSING = frozenset({408, 409, 410, 425, 429, 500, 502, 503, 504})


class KubeError(ClusterError):
    """A request that was refused or not answered.

    Attributes:
        status: The HTTP status; 0 when there was no answer.
        reason: Kubernetes' word for it, such as `AlreadyExists`.
        passing: Whether the same request may succeed later.
        retry_after_s: What the server asked to wait.
    """

    def __init__(
        self, message: str, *, status: int = 0, reason: str = "", passing: bool = False, retry_after_s: float = 0.0
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.passing = passing
        self.retry_after_s = retry_after_s


class TimeUpError(ClusterError):
    """What was waited for did not come in time."""


@dataclass(frozen=True)
class Waiting:
    """Not yet; `seen` says what there is instead, for the message when the time is up."""

    seen: str


@dataclass(frozen=True)
class Timer:
    """Clock (seconds, monotonic) and sleep, so that tests own time."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class KubeApi:
    """Requests to one API server.

    Attributes:
        client: The official client; its own retries are off.
        timer: Clock and sleep.
        request_timeout_s: The longest that one request may take.
        poll_s: Between two looks of `wait`.
        deadline: On the timer's clock; no request goes on beyond it.
    """

    client: client.ApiClient
    timer: Timer = field(default_factory=Timer)
    request_timeout_s: float = 10.0
    poll_s: float = 1.0
    deadline: float = float("inf")

    @property
    def host(self) -> str:
        """The server's URL."""
        return str(self.client.configuration.host)

    def get(self, path: str) -> Manifest | None:
        """The object, or None where there is none."""
        try:
            return self._request("GET", path)
        except KubeError as error:
            if error.status == 404:
                return None
            raise

    def list(self, path: str, *, labels: str = "", fields: str = "") -> list[Manifest]:
        """All objects of a collection, read in chunks.

        Raises:
            KubeError: 404 where the API server does not know such objects.
        """
        found: list[Manifest] = []
        for page in self.pages(path, labels=labels, fields=fields):
            found += page
            if len(found) > MAX_ITEMS:
                raise KubeError(f"GET {path}: more than {MAX_ITEMS} objects")
        return found

    def pages(self, path: str, *, labels: str = "", fields: str = "") -> Iterator[Page]:
        """The objects of a collection in chunks, for those who do not want all; KubeError after MAX_PAGES of them."""
        more = None
        for _ in range(MAX_PAGES):
            page = self._request("GET", path, limit=_PAGE, _continue=more, label_selector=labels or None,
                                 field_selector=fields or None)  # fmt: skip
            items, metadata = page.get("items") or [], page.get("metadata") or {}
            if not (isinstance(items, list) and isinstance(metadata, dict) and all(isinstance(x, dict) for x in items)):
                raise KubeError(f"GET {path}: the answer is no list of Kubernetes objects")
            yield items
            more = metadata.get("continue")
            if not more:
                return
        raise KubeError(f"GET {path}: more than {MAX_PAGES} pages")

    def create(self, path: str, manifest: Manifest) -> Manifest:
        """Create an object in the collection `path`; KubeError 409 AlreadyExists if there is one of its name."""
        return self._request("POST", path, body=manifest)

    def patch(self, path: str, change: Manifest) -> Manifest:
        """A JSON merge patch of an object, or of its `/status`."""
        return self._request("PATCH", path, body=change, content_type="application/merge-patch+json")

    def apply(self, path: str, manifest: Manifest) -> Manifest:
        """Server-side apply: make the object, or all of it that this manager owns, as `manifest` says."""
        options = {"content_type": "application/apply-patch+yaml", "field_manager": "sim-arena"}
        return self._request("PATCH", path, body=manifest, force_conflicts=True, **options)

    def delete(self, path: str, *, grace_s: int | None = None) -> bool:
        """Ask for an object's deletion, with all that it owns; False where there is none.

        Args:
            path: The object's.
            grace_s: Instead of a pod's own grace period; 0 is what a kubelet says once the pod has ended.
        """
        try:
            self._request("DELETE", path, propagation_policy="Background", grace_period_seconds=grace_s)
        except KubeError as error:
            if error.status == 404:
                return False
            raise
        return True

    def change(self, method: str, path: str, body: Manifest, *, dry_run: bool = False) -> Manifest:
        """POST, PATCH (a JSON merge patch) or DELETE; with `dry_run` the API server checks it and changes nothing."""
        kind = {"content_type": "application/merge-patch+json"} if method == "PATCH" else {}
        return self._request(method, path, body=body, dry_run="All" if dry_run else None, **kind)

    def until(self, deadline: float) -> KubeApi:
        """The same, with no request beyond `deadline`."""
        return replace(self, deadline=min(self.deadline, deadline))

    def close(self) -> None:
        """Close all connections."""
        self.client.close()
        self.client.rest_client.pool_manager.clear()

    def text(self, path: str, query: Mapping[str, str]) -> str:
        """A text, such as a container's log; what is no UTF-8 in it is replaced."""
        accepted = {"Accept": "application/json, */*"}  # an API server that refuses says so in JSON
        data = self._answer("GET", path, query_params=list(query.items()), header_params=accepted)
        return data.decode(errors="replace")

    def _request(self, method: str, path: str, **options: Any) -> Manifest:
        return _document(self._answer(method, path, **options), f"{method} {path}")

    def _answer(self, method: str, path: str, **options: Any) -> bytes:
        what = f"{method} {path}"
        limit_s = min(self.request_timeout_s, self.deadline - self.timer.now())
        if limit_s <= 0:
            raise KubeError(f"{what}: no time left", passing=True)
        requests = dynamic.DynamicClient(self.client, discoverer=_no_discovery)
        with _errors_told(what, self.host):
            answer = requests.request(method, path, serialize=False, _request_timeout=limit_s, **options)
            try:
                data = bounded.read_bounded(answer, self.timer, limit_s)
            finally:
                answer.release_conn()
        if len(data) > bounded.MAX_ANSWER_BYTES:
            raise KubeError(f"{what}: more than {bounded.MAX_ANSWER_BYTES} bytes")
        return data


def wait(api: KubeApi, what: str, limit_s: float, look: Callable[[KubeApi], T | Waiting]) -> T:
    """Look until it is there.

    Args:
        api: Where to look.
        what: What is waited for, for the message.
        limit_s: How long, seconds. `look` gets an `api` that goes no further.
        look: What there is, or `Waiting`.

    Raises:
        TimeUpError: It is, with what was seen last.
        ClusterError: `look` was refused.
    """
    timer = api.timer
    deadline = min(api.deadline, timer.now() + limit_s)
    limited = api.until(deadline)
    backoff_s = api.poll_s
    seen = "nothing"
    while True:
        try:
            answer = look(limited)
            if not isinstance(answer, Waiting):
                return answer
            seen, backoff_s, pause_s = answer.seen, api.poll_s, api.poll_s
        except KubeError as error:
            if not error.passing:
                raise
            if timer.now() < deadline:
                seen = str(error)
            pause_s, backoff_s = max(backoff_s, error.retry_after_s), min(2 * backoff_s, _LONGEST_PAUSE_S)
        left_s = deadline - timer.now()
        if left_s <= 0:
            raise TimeUpError(f"{what}: not within {limit_s:.0f} s; last seen: {plain(seen, 1_000)}")
        timer.sleep(min(pause_s, left_s))


def plain(text: object, limit: int = 400) -> str:
    """What a cluster says, fit for one line of a message: no control characters, not too long."""
    printable = "".join(character if character.isprintable() else " " for character in str(text)[: 4 * limit])
    return " ".join(printable.split())[:limit]


def _no_discovery(requests: object, cache_file: object) -> None:
    """All paths are known; discovery would cost tens of requests and a file in /tmp."""


@contextlib.contextmanager
def _errors_told(what: str, host: str) -> Iterator[None]:
    """Turn every exception of the client into a KubeError of one line."""
    try:
        yield
    except ApiException as error:
        raise _refused(error, what, host) from error
    except urllib3.exceptions.HTTPError as error:
        raise KubeError(f"{what}: no answer from {host} ({_short(error)})", passing=True) from error
    except (OSError, ValueError) as error:
        raise KubeError(f"{what}: {host}: {_short(error)}") from error


def _refused(error: ApiException, what: str, host: str) -> KubeError:
    status = int(error.status or 0)
    if status == 0:
        said = _short(Exception(error.reason))
        if "CERTIFICATE_VERIFY_FAILED" in str(error.reason):
            trust = f"{host} shows a certificate that the kubeconfig's certificate-authority has not signed"
            return KubeError(f"{what}: {trust}", reason=UNTRUSTED)
        return KubeError(f"{what}: no connection to {host} ({said})")
    answer = _status_of(error)
    reason, message = plain(answer.get("reason") or error.reason), plain(answer.get("message") or "")
    text = f"{what}: {status} {reason}" + (f": {message}" if message else "")
    passing = status in _PASSING and reason != "AlreadyExists"
    return KubeError(text, status=status, reason=reason, passing=passing, retry_after_s=_retry_after_s(error))


def _status_of(error: ApiException) -> Manifest:
    with contextlib.suppress(ValueError, TypeError, RecursionError):
        answer = json.loads(error.body or "")
        if isinstance(answer, dict):
            return answer
    return {}


def _retry_after_s(error: ApiException) -> float:
    with contextlib.suppress(ValueError, TypeError):
        return min(max(float((error.headers or {}).get("Retry-After") or 0), 0.0), _LONGEST_PAUSE_S)
    return 0.0


def _document(data: bytes, what: str) -> Manifest:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise KubeError(f"{what}: the answer is no JSON; is that a Kubernetes API server?") from error
    if not isinstance(document, dict):
        raise KubeError(f"{what}: the answer is no Kubernetes object")
    return cast(Manifest, document)


def _short(error: BaseException) -> str:
    return plain(error, 200) or type(error).__name__
