"""Checks of what a server shows: own writes at once, by one clock, in order, and only to clients with credentials."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any, TypeVar

from infra.proof.conformance.endpoint import Endpoint
from protocol.wire.answers import status_of
from protocol.wire.bucket import Created
from protocol.wire.clock import Clock
from protocol.wire.errors import Refused, StoreError, Unfit
from protocol.wire.probe import CheckResult, Finding, clocks_apart, clocks_finding, finding

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

T = TypeVar("T")

_TRIALS = 20
_PAGE, _LISTED = 7, 40
_RENEWAL_S = 2.0  # Last-Modified knows whole seconds only


def check_own_writes(endpoint: Endpoint) -> list[Finding]:
    """Write, look, delete, look, many times: what is seen, by which clocks, and how fast."""
    bucket, took, late = endpoint.bucket, Stopwatch(endpoint.bucket.clock), Late()
    dates, apart_s = [], 0.0
    for number in range(_TRIALS):
        key, body = endpoint.key(f"trial/{number}"), str(number).encode()
        started = bucket.clock.now()
        took.time("PUT", lambda: bucket.create(key, body))  # noqa: B023 (called at once)
        late.note("GET", took.time("GET", lambda: bucket.get(key)) != body)  # noqa: B023
        late.note("HEAD", bucket.metadata(key) is None)
        listing = took.time("LIST", lambda: bucket.list(key))  # noqa: B023
        late.note("LIST", [entry.key for entry in listing.entries] != [key])
        if listing.entries:
            apart_s = max(apart_s, clocks_apart(listing, bucket.clock.now() - started), key=abs)
        bucket.delete(key)
        gone = bucket.list(key)
        late.note("LIST after DELETE", gone.entries != ())
        late.note("GET after DELETE", bucket.get(key) is not None)
        dates += [listing.server_time, gone.server_time]
    return [
        finding(
            f"own writes, {_TRIALS} times", late.fault(), "each write and deletion is seen by the next GET and LIST"
        ),
        clocks_finding(f"one clock, {_TRIALS} times", apart_s),
        _goes_on(dates),
        Finding("latency", CheckResult.OK, took.medians()),
    ]


class Late:
    """How often a request did not show what the one before it had done."""

    def __init__(self) -> None:
        self._missed: dict[str, int] = {}

    def note(self, request: str, missed: bool) -> None:
        self._missed[request] = self._missed.get(request, 0) + missed

    def fault(self) -> str | None:
        missed = [f"{request} missed {count} of {_TRIALS}" for request, count in self._missed.items() if count]
        return f"writes or deletions are not seen at once: {', '.join(missed)}" if missed else None


class Stopwatch:
    """How long requests took, by their kind."""

    def __init__(self, clock: Clock) -> None:
        self._machine = clock
        self._took: dict[str, list[float]] = {}

    def time(self, request: str, send: Callable[[], T]) -> T:
        started = self._machine.now()
        answer = send()
        self._took.setdefault(request, []).append(self._machine.now() - started)
        return answer

    def medians(self) -> str:
        return "median " + ", ".join(f"{name} {1000 * median(took):.1f} ms" for name, took in self._took.items())


def _goes_on(dates: Sequence[float]) -> Finding:
    back_s = max(before - after for before, after in pairwise(dates))
    # One second may be rounding, on machines behind one address whose clocks are not quite the same.
    fault = f"Date went back by {back_s:.0f} s from one answer to the next" if back_s > 1 else None
    return finding("Date goes on", fault, f"it never went back in {len(dates)} answers")


def check_renewal(endpoint: Endpoint) -> list[Finding]:
    """A heartbeat is a plain write over an older one; its Last-Modified is what keeps a lease alive."""
    bucket, key = endpoint.bucket, endpoint.key("renewed")
    bucket.create(key, b"first")
    first = bucket.list(key).entries
    bucket.clock.sleep(_RENEWAL_S)
    try:
        bucket.put_without_retry(key, b"second")
    except Refused:
        return [Finding("renewal", CheckResult.SKIPPED, "a policy of the bucket allows only create-only writes here")]
    second = bucket.list(key).entries
    renewed = first and second and second[0].modified - first[0].modified >= _RENEWAL_S - 1
    fault = None if renewed else "writing an object again does not renew its Last-Modified"
    return [finding("renewal", fault, "writing an object again renews its Last-Modified")]


def check_listing(endpoint: Endpoint) -> list[Finding]:
    """Order, StartAfter and pages, with names in which '-', '.', '/' and digits compete."""
    rests = ("-b", ".b", "/b-c", "/b.c", "/b/c", "0", "_b", "b")
    stems = [f"{letter}{rest}" for letter in "ab" for rest in rests]
    names = [*stems, *(f"c/{number}" for number in range(_LISTED - len(stems)))]
    expected = sorted(endpoint.key(f"list/{name}") for name in names)  # all ASCII: this is the order of bytes
    for key in reversed(expected):
        endpoint.bucket.create(key, b"")
    fault = _listing_fault(endpoint, expected[0].removesuffix("a-b"), expected)
    return [
        finding("listing", fault, f"{_LISTED} keys in the order of bytes, in one answer and in pages of {_PAGE}"),
        _folders(endpoint),
    ]


def _folders(endpoint: Endpoint) -> Finding:
    """Keys of which one is the folder of another: servers that keep objects as files lack them, the protocol too."""
    name, bucket = "keys as folders", endpoint.bucket
    short, long = endpoint.key("folder/a"), endpoint.key("folder/a/b")
    bucket.create(short, b"")
    try:
        created = bucket.create(long, b"") is Created.WON
    except StoreError:
        created = False
    listed = [entry.key for entry in bucket.list(short).entries]
    if created and listed == [short, long]:
        return Finding(name, CheckResult.OK, "a key may be the folder of another one")
    what = "hidden from listings" if created else "refused"
    text = f"a key below another key is {what}, as in a file system; the protocol has no such keys"
    return Finding(name, CheckResult.WARN, text)


def _listing_fault(endpoint: Endpoint, prefix: str, expected: list[str]) -> str | None:
    whole = [entry.key for entry in endpoint.bucket.list(prefix).entries]
    if sorted(whole) != expected:
        return f"a listing shows {len(whole)} keys of {len(expected)}"
    if whole != expected:
        return "a listing is not in the order of its keys' bytes"
    middle = expected[_LISTED // 2]
    for after in (middle, f"{middle}!"):  # that one does not exist
        if [entry.key for entry in endpoint.store.page(prefix, after).entries] != [k for k in expected if k > after]:
            return "a listing with StartAfter does not begin at the next key"
    paged = list(_pages(endpoint, prefix, len(expected)))
    return None if paged == expected else f"pages of {_PAGE} show {len(set(paged))} keys of {len(expected)}"


def _pages(endpoint: Endpoint, prefix: str, at_most: int) -> Iterator[str]:
    """All keys, in pages that each begin after the last key of the one before, as the protocol asks for them."""
    store, after = endpoint.store, ""
    for _ in range(at_most):
        start: dict[str, Any] = {"StartAfter": after} if after else {}
        try:
            answer = store.client.list_objects_v2(Bucket=store.bucket, Prefix=prefix, MaxKeys=_PAGE, **start)
        except Exception as error:
            raise store.error(error, f"LIST {prefix}") from error
        found = [row["Key"] for row in answer.get("Contents", ())]
        yield from found
        if not found or not answer.get("IsTruncated"):
            return
        after = found[-1]


def check_credentials(endpoint: Endpoint) -> list[Finding]:
    """Whether a client without the right credentials may use it: safe for the protocol, but the owner should know."""
    open_to = [who for who, client in _strangers(endpoint) if _answers(endpoint, client)]
    if open_to:
        text = f"a listing with {' or '.join(open_to)} is answered: every client of the endpoint may read the bucket"
        return [Finding("credentials", CheckResult.WARN, text)]
    return [Finding("credentials", CheckResult.OK, "a wrong secret key is refused, and so is no key")]


def _strangers(endpoint: Endpoint) -> Iterator[tuple[str, S3Client]]:
    """Clients that should not be let in."""
    from botocore import UNSIGNED
    from botocore.config import Config

    session, config = endpoint.store.session, endpoint.store.client.meta.config
    known = session.get_credentials()
    if known is not None:
        wrong = session.client(
            "s3",
            config=config,
            aws_access_key_id=known.access_key,
            aws_secret_access_key="wrong" * 8,
            aws_session_token=known.token,
        )
        yield "a wrong secret key", wrong
    yield "no key", session.client("s3", config=config.merge(Config(signature_version=UNSIGNED)))


def _answers(endpoint: Endpoint, client: S3Client) -> bool:
    from botocore.exceptions import ClientError

    store = endpoint.store
    try:
        client.list_objects_v2(Bucket=store.bucket, MaxKeys=1)
    except Exception as error:
        if isinstance(error, ClientError) and status_of(error) in (401, 403):
            return False  # whoever refuses: the server, or what stands before it
        kind = store.error(error, "LIST")
        if isinstance(kind, Unfit):
            return False
        if isinstance(kind, StoreError):
            raise kind from error
        raise
    return True
