"""A transcript: what a killed process leaves is used as far as it goes, and what it lost is counted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents.llm.conversation import Asked, Reply, Request, Said, Stop, ToolCall, ToolSpec, Usage
from runner.benchmark.budget import Amounts
from runner.benchmark.lines import RowError
from runner.benchmark.transcript import Transcript, request_bytes, request_hash

TOOL = ToolSpec("get_pods", "All pods.", {"type": "object"})
MOST = Amounts(1_000, 0.5)


def request(text: str) -> Request:
    return Request("Answer.", (Asked(text),), (TOOL,), {"type": "object"}, 100)


def sha(given: Request) -> str:
    return request_hash(request_bytes(given))


def reply(text: str, **facts: Any) -> Reply:
    seen = {"calls": (), "usage": Usage(100, 10, 50), "model": "m-1", "stop": Stop.END}
    return Reply(**{"text": text, **seen, **facts})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a_1.jsonl"


def exchange(transcript: Transcript, given: Request, answer: Reply) -> None:
    number = transcript.begin(given, sha(given), MOST, priced=True)
    transcript.reply(number, answer, 0.25, 2.0)


def test_recorded_replies_are_given_to_the_same_requests_in_their_order(path: Path) -> None:
    call = reply(
        "", calls=(ToolCall("1", "get_pods", {"namespace": "default"}), ToolCall("2", "x", None)), stop=Stop.TOOLS
    )
    answer = reply("{}", native=[{"signature": "abc", "parts": [1, 2.5, None]}])
    first = Transcript(path)
    exchange(first, request("one"), call)
    exchange(first, request("two"), answer)
    again = Transcript(path)
    assert again.recorded(sha(request("one"))) == call
    assert again.recorded(sha(request("two"))) == answer
    assert again.recorded(sha(request("three"))) is None
    assert again.cost == first.cost


def test_nothing_is_used_after_a_request_that_differs(path: Path) -> None:
    first = Transcript(path)
    exchange(first, request("one"), reply("a"))
    exchange(first, request("two"), reply("b"))
    again = Transcript(path)
    assert again.recorded(sha(request("another"))) is None
    assert again.recorded(sha(request("one"))) is None
    assert again.cost.requests == 2, "they are paid all the same"


def test_a_request_without_an_end_is_paid_and_lost(path: Path) -> None:
    first = Transcript(path)
    exchange(first, request("one"), reply("a"))
    first.begin(request("two"), sha(request("two")), MOST, priced=True)
    cost = Transcript(path).cost
    assert (cost.requests, cost.lost, cost.lost_tokens, cost.lost_dollars) == (2, 1, 1_000, 0.5)
    assert (cost.tokens_in, cost.tokens_out, cost.tokens_cached, cost.dollars, cost.seconds) == (100, 10, 50, 0.25, 2.0)


@pytest.mark.parametrize(("may_be_paid", "lost"), [(True, 1), (False, 0)])
def test_a_request_that_failed_is_lost_if_it_may_be_billed(path: Path, may_be_paid: bool, lost: int) -> None:
    transcript = Transcript(path)
    number = transcript.begin(request("one"), sha(request("one")), MOST, priced=True)
    transcript.fail(number, "503", may_be_paid=may_be_paid, seconds=1.0)
    assert Transcript(path).cost.lost == transcript.cost.lost == lost


def test_a_price_that_is_not_known_stays_unknown(path: Path) -> None:
    transcript = Transcript(path)
    number = transcript.begin(request("one"), sha(request("one")), MOST, priced=False)
    transcript.reply(number, reply("a"), None, 1.0)
    assert Transcript(path).cost.dollars is None


def test_a_reply_that_was_written_in_part_is_lost(path: Path) -> None:
    exchange(Transcript(path), request("one"), reply("a"))
    path.write_bytes(path.read_bytes()[:-30])
    again = Transcript(path)
    assert again.recorded(sha(request("one"))) is None
    assert again.cost.lost == 1
    exchange(again, request("one"), reply("b"))
    assert Transcript(path).recorded(sha(request("one"))) == reply("b")


def test_any_text_of_a_model_is_kept(path: Path) -> None:
    """Half a surrogate pair is what JSON from a provider may hold."""
    odd = reply("\ud800 \x1b[2J\u2028", native={"text": "\udfff"})
    exchange(Transcript(path), request("\ud800"), odd)
    assert Transcript(path).recorded(sha(request("\ud800"))) == odd
    assert path.read_bytes().isascii()


def test_turns_of_the_request_before_are_not_written_again(path: Path) -> None:
    transcript, first, answer = Transcript(path), request("a long prompt"), reply("", stop=Stop.TOOLS)
    exchange(transcript, first, answer)
    exchange(transcript, replace(first, turns=(*first.turns, Said(answer), Asked("more"))), reply("{}"))
    assert path.read_text().count("a long prompt") == 1


@pytest.mark.parametrize("line", ["{}", "[]", "nonsense", '{"reply": 0}', "[" * 100_000])
def test_a_line_that_is_no_record_is_refused(path: Path, line: str) -> None:
    path.write_text(f"{line}\n")
    with pytest.raises(RowError, match="line 1"):
        Transcript(path)
