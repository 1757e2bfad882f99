"""How a model's answer is read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.llm.answer import ANSWER_SCHEMA, LONGEST, LONGEST_REASONING, Answer, read_answer
from env.actions import Action


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ('{"reasoning": "too few", "action_index": 3}', 3),
        ('{"action_index": 3, "reasoning": "too few"}', 3),
        ('{"action_index": 0}', 0),
        ('```json\n{"action_index": 4}\n```', 4),
        ('I thought {about} it.\n{"action_index": 6, "reasoning": "x"}\nThat is all.', 6),
        ('{"answer": {"action_index": 2}}', 2),
        ('{"reasoning": "not {\\"action_index\\": 5}", "action_index": 1}', 1),
        ('{"action_index": 5} and again {"action_index": 5}', 5),
        ('[{"action_index": 5}]', 5),
        ('<think>\n{"action_index": 1}? No, 5.\n</think>\n{"action_index": 2}', 2),
        (f"<think>{'hm ' * 10_000}</think>4", 4),
        ("3", 3),
        ("  3.\n", 3),
        ("`3`", 3),
        ("**3**", 3),
        ("action_index: 3", 3),
        ("Action 3", 3),
    ],
)
def test_answers_are_read_as_json_as_json_in_text_or_as_a_bare_integer(text: str, action: int) -> None:
    assert read_answer(text).action == action


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("scale up", "no JSON object"),
        ("I see 5 pods", "no JSON object"),
        ("-3", "no JSON object"),
        ("3.5", "no JSON object"),
        ("<think>3", "no JSON object"),
        ("3<think></think>4", "no JSON object"),
        ("３", "no JSON object"),
        ("7", "outside 0 to 6"),
        ('{"action_index": 7}', "outside 0 to 6"),
        ('{"action_index": -1}', "outside 0 to 6"),
        ('{"action_index": true}', "a bool"),
        ('{"action_index": 3.0}', "a float"),
        ('{"action_index": NaN}', "a float"),
        ('{"action_index": "3"}', "a str"),
        ('{"action_index": [3]}', "a list"),
        ('{"action_index": null}', "null"),
        ('{"action_index": 3, "action_index": 3}', "given twice"),
        ('{"action_index": 3} no, {"action_index": 4}', "2 answers that differ"),
        ('{"action_index": 9} no, 4', "outside"),
        ('{"action_index": 3', "no JSON object"),
        ('{"action_index": ' + "9" * 5000 + "}", "no JSON object"),
        ('{"index": 3}', "no JSON object"),
        ("[" * 10_000, "no JSON object"),
        ('{"action_index": ' * 1_000, "no JSON object"),
        ('{"action_index":' + "[" * 10_000 + "]" * 9_000 + "}", "no JSON object"),
        ('{"action_index": 3}' + " " * LONGEST, "characters"),
    ],
)
def test_what_cannot_be_read_is_no_answer_and_says_why(text: str, error: str) -> None:
    answer = read_answer(text)
    assert answer.action is None
    assert error in answer.error


def test_reasoning_is_one_printable_line_of_bounded_length() -> None:
    said = read_answer(json.dumps({"reasoning": "a\x1b[31m\nb" + "c" * 5_000, "action_index": 1})).reasoning
    assert said.isprintable()
    assert said.startswith("a?[31m b")
    assert len(said) <= LONGEST_REASONING
    assert read_answer('{"reasoning": 3, "action_index": 1}') == Answer(Action(1), "")


def test_the_schema_asks_for_what_is_read() -> None:
    assert ANSWER_SCHEMA["properties"]["action_index"]["enum"] == [int(action) for action in Action]
    assert set(ANSWER_SCHEMA["required"]) == {"action_index", "reasoning"}


pieces = st.sampled_from(
    ['{"action_index":', "3", "}", "{", "[", '"', ",", "9" * 50, "true", '"reasoning":', "\\", "1e9"]
)


@given(st.text() | st.lists(pieces, max_size=60).map("".join) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.just("action_index") | st.text(), inner),
).map(json.dumps))  # fmt: skip
def test_any_text_is_read_as_one_action_or_as_none_with_a_reason(text: str) -> None:
    answer = read_answer(text)
    assert (answer.action is None) == bool(answer.error)
    assert answer.action is None or type(answer.action) is Action
    assert answer.reasoning.isprintable()
