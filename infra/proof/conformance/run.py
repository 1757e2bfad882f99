"""Whether an S3 endpoint gives what the protocol needs: what `sim-arena s3 check` looks at.

The first rows are the probe that `worker`, `sync-server` and `dispatch` make themselves; the others take longer and
more requests. All that is written lies below one scratch prefix and is deleted in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from infra.proof.conformance import races, reads
from infra.proof.conformance.endpoint import Endpoint
from protocol.wire.errors import StoreError
from protocol.wire.probe import CheckResult, Finding, judge, look

Check = Callable[[Endpoint], list[Finding]]

_PROBE = "probe"
_RACES: dict[str, Check] = {
    races.MANY.check: partial(races.check_race, race=races.MANY),
    races.LARGE.check: partial(races.check_race, race=races.LARGE),
    "slow body": races.check_slow_body,
}
_OTHERS: dict[str, Check] = {
    "cut-off body": races.check_cut_off_body,
    "own writes at once": reads.check_own_writes,
    "renewal": reads.check_renewal,
    "listing": reads.check_listing,
    "credentials": reads.check_credentials,
}


def examine(endpoint: Endpoint, *, quick: bool, each: Callable[[Sequence[str]], Iterable[str]] = iter) -> list[Finding]:
    """Make the checks and clean up after them, however they end.

    Args:
        quick: only those that every process makes.
        each: goes through the names of the checks; a progress bar.

    Raises:
        StoreError: the endpoint does not answer, or refuses what even the probe asks for.
    """
    findings: list[Finding] = []
    try:
        for name in each([_PROBE] if quick else [_PROBE, *_RACES, *_OTHERS]):
            findings += judge(look(endpoint.bucket)) if name == _PROBE else _check(name, endpoint, fit(findings))
    finally:
        endpoint.clean_up()
    return findings


def fit(findings: Iterable[Finding]) -> bool:
    """Whether the protocol is safe on an endpoint of which this was found."""
    return all(finding.verdict is not CheckResult.FAILED for finding in findings)


def _check(name: str, endpoint: Endpoint, still_fit: bool) -> list[Finding]:
    """One check; one that cannot be made has failed, and the others go on."""
    if name in _RACES and not still_fit:
        return [Finding(name, CheckResult.SKIPPED, "the endpoint is unfit already")]
    try:
        return {**_RACES, **_OTHERS}[name](endpoint)
    except StoreError as error:
        return [Finding(name, CheckResult.FAILED, str(error))]
