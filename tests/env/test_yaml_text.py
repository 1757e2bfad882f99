"""YAML and JSON as kubectl reads them, within bounds."""

from __future__ import annotations

import pytest

from env.yaml_text import UnreadableText, read_documents


def _value(text: str) -> object:
    return read_documents(f"a: {text}\n".encode())[0][1]["a"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("=", "="),  # in the CRDs of prometheus-operator; PyYAML cannot read it
        ("2024-01-01", "2024-01-01"),
        ("2024-01-01T10:00:00Z", "2024-01-01T10:00:00Z"),
        ("12:30", "12:30"),
        ("0644", 420),
        ("0x1F", 31),
        ("1_000", 1000),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("yes", True),
        ("Off", False),
        ("~", None),
        ("", None),
        ("'1'", "1"),
        ('"yes"', "yes"),
        ("!!str 5", "5"),
        ("!!float 5", 5.0),
        ("500m", "500m"),
        ("25%", "25%"),
        ("|\n  x\n  y", "x\ny\n"),
    ],
)
def test_scalars_are_read_as_kubectl_reads_them(text: str, value: object) -> None:
    assert _value(text) == value
    assert type(_value(text)) is type(value)


def test_keys_are_text() -> None:
    assert read_documents(b"1: a\ntrue: b\n0.5: c")[0][1] == {"1": "a", "true": "b", "0.5": "c"}


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbfa: 1\r\n---\r\nb: 2\r\n",
        "a: 1\n---\nb: 2".encode("utf-16"),
        "---\n# only a comment\n---\na: 1\n---\n---\n\ufeffb: 2\n...\n---\n".encode(),
        b'{"a": 1}\n\n{"b": 2}\n',
        b'{"a": 1}{"b": 2}',
        b"{a: 1}\n---\n{b: 2}",
    ],
)
def test_documents_are_found_whatever_ends_their_lines_and_whatever_is_between_them(body: bytes) -> None:
    assert [document for _, document in read_documents(body)] == [{"a": 1}, {"b": 2}]


def test_empty_documents_count_for_the_numbers() -> None:
    assert [number for number, _ in read_documents(b"---\n---\na: 1\n---\n---\nb: 1")] == [2, 4]


@pytest.mark.parametrize("body", [b"", b"\n\n", b"---\n", b"# nothing\n", b"\xef\xbb\xbf"])
def test_nothing_is_no_document(body: bytes) -> None:
    assert read_documents(body) == []


def test_aliases_and_merge_keys_stand_for_what_they_name() -> None:
    text = b"base: &b {cpu: 1, memory: 2}\nmore: &m {pods: 3}\nown: {<<: [*b, *m], cpu: 4}\nsame: *b"
    found = read_documents(text)[0][1]
    assert found["own"] == {"cpu": 4, "memory": 2, "pods": 3}
    assert found["same"] == {"cpu": 1, "memory": 2}


def _laughs(levels: int) -> bytes:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines).encode()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (_laughs(9), "aliases written out"),
        (b"a: &a [*a]", "no such anchor before it"),
        (b"[" * 5_000, "nested more than 100 deep"),
        (b'{"a":' * 5_000, "nested more than 100 deep"),
        (b"a: 1\nb: 2\na: 3", "document 1, line 3: the key 'a' is there twice"),
        (b'{"a": 1, "a": 2}', "document 1: the key 'a' is there twice"),
        (b"a: 1\n---\nb: !Ref x", "document 2, line 3: tag '!Ref'"),
        (b"a: .nan", "not a number that JSON can hold"),
        (b'{"a": NaN}', "not a number in JSON"),
        (b"a: 99999999999999999999999", "not a number"),
        (b"a: b: c", "document 1, line 1: mapping values are not allowed"),
        (b"a:\n\t- b", "document 1, line 2"),
        (b"a: \x07", "control characters"),
        (b"ok: 1\nname: caf\xe9", "line 2: not text in UTF-8"),
        (b"? [a, b]\n: c", "a key must be text"),
        (b"a: {<<: 1}", "<<: must be a map"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(body: bytes, reason: str) -> None:
    with pytest.raises(UnreadableText) as error:
        read_documents(body)
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_an_error_does_not_show_the_text_that_it_is_about() -> None:
    with pytest.raises(UnreadableText) as error:
        read_documents(b"password: hunter2: x")
    assert "hunter2" not in str(error.value)
