"""Checks of what a server does with several creators of one key, and with uploads that never end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from infra.proof.conformance.endpoint import Endpoint
from infra.proof.conformance.uploads import Answer, PausingBody
from protocol.wire.probe import CheckResult, Finding, finding

_MIB = 1 << 20
_SLOW_BYTES = 20 * _MIB


@dataclass(frozen=True)
class Race:
    """So many contenders for each of so many keys, with bodies of so many bytes."""

    check: str
    contenders: int
    keys: int
    size: int


MANY = Race("race of 32", 32, 8, 1024)
# A large body keeps a server busy between its check and its write: stock moto, which puts those beyond 5 MB into a
# file, had several winners in 109 of 130 such races on a busy machine. So five of them miss it once in 10,000 runs.
LARGE = Race("race of 8 MiB bodies", 8, 5, 8 * _MIB)


def check_race(endpoint: Endpoint, race: Race) -> list[Finding]:
    """All bodies end at the same moment; on any server one creator at most may win, and its body must be stored."""
    unclear = 0
    for number in range(race.keys):
        key = endpoint.key(f"race-{race.contenders}/{number}")
        bodies, answers = endpoint.uploads.race(key, race.contenders, race.size)
        fault = race_fault(bodies, answers, endpoint.bucket.get(key, race.size))
        if fault:
            text = f"{fault} (race {number + 1} of {race.keys}, {race.contenders} at once)"
            return [Finding(race.check, CheckResult.FAILED, text)]
        unclear += answers.count(Answer.UNCLEAR)
    text = f"{race.contenders} at once on each of {race.keys} keys: one winner, whose body is stored"
    if unclear:
        text += f" ({unclear} answers were unclear: 5xx or none)"
    return [Finding(race.check, CheckResult.OK, text)]


def race_fault(bodies: Sequence[PausingBody], answers: Sequence[Answer], stored: bytes | None) -> str | None:
    """What is wrong with the outcome of a race, if anything.

    At most one contender may be told that it won, and its body is what must be stored. If none was told, it must be
    one that got no clear answer.
    """
    by_answer: dict[Answer, list[PausingBody]] = {answer: [] for answer in Answer}
    for body, answer in zip(bodies, answers, strict=True):
        by_answer[answer].append(body)
    winners = by_answer[Answer.STORED]
    possible = winners or by_answer[Answer.UNCLEAR]
    if len(winners) > 1:
        return f"{len(winners)} creators of one key were told that they had won"
    if not possible:
        return "every creator of a fresh key was refused"
    if stored is None:
        return "the winner's object cannot be read" if winners else "no creator got a clear answer"
    if not any(body.is_in(stored) for body in possible):
        return "another body than the winner's is stored"
    return None


def check_slow_body(endpoint: Endpoint) -> list[Finding]:
    """A sends half its body, B creates the object, A sends the rest: exactly one of them may win."""
    key = endpoint.key("slow")
    slow, quick = PausingBody(b"a", _SLOW_BYTES, _SLOW_BYTES // 2), PausingBody(b"b", 1024, 1024)
    with endpoint.uploads.started(key, [slow]) as first:
        with endpoint.uploads.started(key, [quick]) as second:
            overtaken = second[0].result()
        slow.go_on()
        answers = [first[0].result(), overtaken]
    if overtaken is Answer.UNCLEAR:
        fault: str | None = "while one upload pauses half-way, another one of the same key gets no answer"
    else:
        fault = race_fault([slow, quick], answers, endpoint.bucket.get(key, _SLOW_BYTES))
    text = f"a key created while another creator had sent half of {_SLOW_BYTES // _MIB} MiB: one winner"
    return [finding("slow body", fault, text)]


def check_cut_off_body(endpoint: Endpoint) -> list[Finding]:
    """Half a body and then no connection: nothing may ever be seen of it."""
    key = endpoint.key("cut-off")
    body = PausingBody(b"a", _MIB, _MIB // 2)
    with endpoint.uploads.started(key, [body]):
        body.break_off()
    endpoint.bucket.clock.sleep(1.0)  # what the server makes of it, it makes now
    seen = endpoint.bucket.get(key, _MIB) is not None or endpoint.bucket.list(key).entries
    fault = "an upload that broke off half-way became an object" if seen else None
    return [finding("cut-off body", fault, "an upload that breaks off half-way leaves nothing")]
