"""The transcript of one attempt, which is also the journal of its requests.

A request is written before it is sent, and its reply as soon as it came. A process that is killed thus loses the
requests in flight, which count as paid and lost, and no reply: an attempt that is begun again gets the recorded replies
to the same requests, and sends only what is new.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from agents.llm.conversation import Reply, Request, Stop, ToolCall, Turn, Usage
from agents.llm.talk import turns_document
from runner.benchmark.budget import Amounts
from runner.benchmark.lines import RowError, append_whole, cut_torn_line, whole_lines
from runner.benchmark.rows import Cost, Count

LONGEST_RECORD = 1 << 26  # bytes; a request with what tools told it, or a reply


class _Record(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Begun(_Record):
    """A request, about to be sent. Its first turns are those of the request before, where they are the same.

    Attributes:
        request: Its number, from 1 on.
        sha256: Of all that the model gets.
        most_tokens, most_dollars: What it can cost at most; no dollars where no price is known.
        turns: The agent's new turns.
        system: The instructions, with the first request.
    """

    request: Annotated[int, Field(ge=1)]
    sha256: str
    most_tokens: Count
    most_dollars: float | None
    turns: list[dict[str, Any]]
    must_answer: bool
    system: str | None = None


class CallMade(_Record):
    id: str
    name: str
    arguments: dict[str, Any] | None


class Replied(_Record):
    """The reply to a request.

    Attributes:
        reply: The request's number.
        dollars: What it cost; None where no price is known.
        seconds: From the request to it.
        native: See `agents.llm.conversation.Reply`.
    """

    reply: Annotated[int, Field(ge=1)]
    text: str
    calls: list[CallMade]
    stop: Annotated[Stop, Field(strict=False)]
    model: str
    tokens_in: Count
    tokens_out: Count
    tokens_cached: Count
    dollars: float | None
    seconds: float
    native: Any


class Failed(_Record):
    """A request that was not answered."""

    failure: Annotated[int, Field(ge=1)]
    error: str
    may_be_paid: bool
    seconds: float


_RECORD: TypeAdapter[Begun | Replied | Failed] = TypeAdapter(Begun | Replied | Failed)


@dataclass(frozen=True)
class Recorded:
    """A reply of an earlier time, and the request that it is the reply to."""

    sha256: str
    reply: Reply


class Transcript:
    """The transcript in a file, which may have been begun by an earlier process.

    Args:
        path: The file; there need not be one yet.

    Raises:
        RowError: It holds something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        cut_torn_line(path)
        self._begun: dict[int, Begun] = {}
        self._replied: dict[int, Replied] = {}
        self._failed: dict[int, Failed] = {}
        self._told: tuple[Turn, ...] = ()
        for number, line in enumerate(whole_lines(path, LONGEST_RECORD), start=1):
            try:
                self._take(_RECORD.validate_python(json.loads(line)))
            except (ValidationError, ValueError, RecursionError):
                raise RowError(f"{path} line {number}: no record of a request") from None
        self._recorded = deque(
            Recorded(self._begun[number].sha256, _reply(each))
            for number, each in sorted(self._replied.items())
            if number in self._begun
        )

    def recorded(self, sha256: str) -> Reply | None:
        """The reply to this request from an earlier time; None: there is none, so it has to be sent.

        Replies are used in their order. Once a request differs, those that follow are of another course of the attempt,
        and none of them is used.
        """
        if self._recorded and self._recorded[0].sha256 == sha256:
            return self._recorded.popleft().reply
        self._recorded.clear()
        return None

    def begin(self, request: Request, sha256: str, most: Amounts, *, priced: bool) -> int:
        """Write a request before it is sent; its number."""
        number = len(self._begun) + 1
        new = request.turns[len(self._told) :] if request.turns[: len(self._told)] == self._told else request.turns
        self._told = request.turns
        begun = Begun(
            request=number,
            sha256=sha256,
            most_tokens=most.tokens,
            most_dollars=most.dollars if priced else None,
            turns=turns_document(new),
            must_answer=request.must_answer,
            system=request.system if number == 1 else None,
        )
        self._write(begun)
        return number

    def reply(self, number: int, reply: Reply, dollars: float | None, seconds: float) -> None:
        """Write the reply to a request."""
        usage = reply.usage
        self._write(
            Replied(
                reply=number,
                text=reply.text,
                calls=[
                    CallMade(
                        id=call.id, name=call.name, arguments=None if call.arguments is None else dict(call.arguments)
                    )
                    for call in reply.calls
                ],
                stop=reply.stop,
                model=reply.model,
                tokens_in=usage.input_tokens,
                tokens_out=usage.output_tokens,
                tokens_cached=usage.cached_tokens,
                dollars=dollars,
                seconds=seconds,
                native=reply.native,
            )
        )

    def fail(self, number: int, error: str, *, may_be_paid: bool, seconds: float) -> None:
        """Write that a request was not answered."""
        self._write(Failed(failure=number, error=error, may_be_paid=may_be_paid, seconds=seconds))

    @property
    def cost(self) -> Cost:
        """What all requests cost so far; one without an end was lost."""
        replies, lost = list(self._replied.values()), self._lost
        return Cost(
            tokens_in=sum(each.tokens_in for each in replies),
            tokens_out=sum(each.tokens_out for each in replies),
            tokens_cached=sum(each.tokens_cached for each in replies),
            dollars=_sum([each.dollars for each in replies]),
            requests=len(self._begun),
            lost=len(lost),
            lost_tokens=sum(each.most_tokens for each in lost),
            lost_dollars=_sum([each.most_dollars for each in lost]),
            seconds=sum(each.seconds for each in replies) + sum(each.seconds for each in self._failed.values()),
        )

    @property
    def spent(self) -> Amounts:
        """What a budget has to count: what replies cost, or the most that they can have cost where the provider did not
        report any tokens, as for requests that were lost."""
        known = [each for each in self._replied.values() if each.tokens_in]
        unknown = [*self._lost, *(self._begun[each.reply] for each in self._replied.values() if not each.tokens_in)]
        return Amounts(
            sum(each.tokens_in + each.tokens_out for each in known) + sum(each.most_tokens for each in unknown),
            sum(each.dollars or 0.0 for each in known) + sum(each.most_dollars or 0.0 for each in unknown),
        )

    @property
    def models(self) -> list[str]:
        """The models' ids as the provider answered them, each once."""
        return list(dict.fromkeys(each.model for each in self._replied.values()))

    @property
    def _lost(self) -> list[Begun]:
        ended = {number for number, each in self._failed.items() if not each.may_be_paid} | set(self._replied)
        return [begun for number, begun in self._begun.items() if number not in ended]

    def _take(self, record: Begun | Replied | Failed) -> None:
        match record:
            case Begun():
                self._begun[record.request] = record
            case Replied():
                self._replied[record.reply] = record
            case Failed():
                self._failed[record.failure] = record

    def _write(self, record: Begun | Replied | Failed) -> None:
        # By `json`, as a model may write half a surrogate pair, which pydantic neither writes nor reads.
        line = json.dumps(record.model_dump(exclude_defaults=True), separators=(",", ":"))
        append_whole(self._path, line.encode() + b"\n", sync=False)
        self._take(record)


def request_bytes(request: Request) -> bytes:
    """All that a model gets with a request; equal requests have equal bytes."""
    return json.dumps(asdict(request), sort_keys=True, separators=(",", ":"), default=dict).encode()


def request_hash(data: bytes) -> str:
    """SHA-256 of `request_bytes`, in hex."""
    return hashlib.sha256(data).hexdigest()


def _reply(record: Replied) -> Reply:
    return Reply(
        text=record.text,
        calls=tuple(ToolCall(call.id, call.name, call.arguments) for call in record.calls),
        usage=Usage(record.tokens_in, record.tokens_out, record.tokens_cached),
        model=record.model,
        stop=record.stop,
        native=record.native,
    )


def _sum(amounts: Sequence[float | None]) -> float | None:
    """The sum; None where one of them is not known."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if len(known) == len(amounts) else None
