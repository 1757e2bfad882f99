"""The page of a federation: what it says, that it stays small, and that text from the bucket stays text."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest

from env.printable import one_line
from infra.proof.standin import GROUP, federation, training
from protocol.report import curves
from protocol.report.again import submit_lines
from protocol.report.evaluation import Evaluation
from protocol.report.page import page_of, verdict
from protocol.report.record import MemberRecord, Part, Record, RoundRecord
from protocol.wire.federation_documents import Federation, Outcome, OutcomeStatus
from protocol.wire.job_documents import EpochsSpec, Nodes
from runner.evaluation.evaluate import Score
from runner.report.html import render
from runner.report.page import Chart, Table

HOSTILE = "</script><script>alert(1)</script>\x1b[31m\u202e\n$(reboot) `id` 'x' \"y\" &amp;"


def record(members: int, rounds: int, rewards: Any = None, **changes: Any) -> Record:
    """A federation of which all rounds are closed; `rewards` is a row for each round."""
    rewards = np.zeros((rounds, members), np.float32) if rewards is None else np.asarray(rewards, np.float32)
    done = [
        RoundRecord(
            number=number,
            closed_at=1000.0 + 10 * number,
            reason="full",
            episodes=1,
            parts=np.zeros(members, np.int8),
            rewards=rewards[number - 1],
            solved=members // 2,
            weight=10 * members,
        )
        for number in range(1, rounds + 1)
    ]
    outcome = Outcome(status=OutcomeStatus.FINISHED, rounds=rounds, reason="all rounds closed", finished_at="")
    jobs = [MemberRecord(member, "success", worker=f"w{member}", attempts=1) for member in range(min(members, 1000))]
    made = Record(federation(members, max(1, rounds)), outcome, rounds, done, 0, jobs, 1000.0, [], {"GET": 1})
    return replace(made, **changes)


def texts(thing: Any) -> Iterator[str]:
    """All text of a page."""
    if isinstance(thing, str):
        yield thing
    elif is_dataclass(thing) and not isinstance(thing, type):
        for field in fields(thing):
            yield from texts(getattr(thing, field.name))
    elif isinstance(thing, Sequence):
        for item in thing:
            yield from texts(item)


def test_the_verdict_is_one_sentence_of_state_time_learning_and_absences() -> None:
    rewards = [[float(number)] * 3 for number in range(20)]
    assert verdict(record(3, 20, rewards)) == (
        "Finished: all 20 rounds closed in 3 min 20 s; mean return from +0.50 to +18.50 (first and last tenth of the "
        "rounds); all 3 members in every round."
    )
    running = record(3, 20, rewards, outcome=None, closed=7)
    assert verdict(running).startswith("Running: 7 of 20 rounds closed")
    late = running.rounds[4].parts.copy()
    late[1] = Part.LATE
    some = [*running.rounds[:4], replace(running.rounds[4], parts=late), *running.rounds[5:]]
    assert verdict(replace(running, rounds=some)).endswith("1 round of 20 without some of the 3 members.")
    failed = Outcome(status=OutcomeStatus.FAILED, rounds=2, reason="round 3: 1 update", finished_at="")
    assert "Failed after 2 rounds (round 3: 1 update)" in verdict(replace(running, outcome=failed, closed=2))


@pytest.mark.parametrize("rounds", [0, 1, 2])
def test_a_federation_that_has_hardly_begun_has_a_page(rounds: int) -> None:
    begun = record(2, rounds, outcome=None, opened_at=0.0)
    begun = replace(begun, federation=federation(2, 9), closed=rounds, members=[], requests={})
    assert "of 9 rounds closed" in page_of(begun, "s3://b", made="").verdict
    assert "<html" in render(page_of(begun, "s3://b", made=""))


def test_text_from_the_bucket_stays_text() -> None:
    hostile = training(
        3, agent=HOSTILE, reward=HOSTILE, agent_settings={"a": HOSTILE}, packages={HOSTILE: HOSTILE}, traces=(),
        problem=HOSTILE,
    )  # fmt: skip
    whole = record(2, 3, federation=federation(2, 3, version=4, training=hostile), trouble=[HOSTILE])
    rounds = [replace(round_, left_out=(HOSTILE,), error=None, reason=HOSTILE) for round_ in whole.rounds]
    jobs = [MemberRecord(0, HOSTILE, worker=HOSTILE, error=HOSTILE, fingerprint={"cpu": HOSTILE, HOSTILE: HOSTILE})]
    outcome = Outcome(status=OutcomeStatus.FAILED, rounds=3, reason=HOSTILE, finished_at=HOSTILE)
    page = page_of(replace(whole, rounds=rounds, members=jobs, outcome=outcome), HOSTILE, made=HOSTILE)
    assert sum(HOSTILE in text for text in texts(page)) > 8
    shown = render(page)
    assert "<script>alert" not in shown
    assert not {"\x1b", "\u202e"} & set(shown)


def command(wanted: Federation) -> tuple[list[str], list[str]]:
    """The words of the command, and the remarks."""
    text = "\n".join(submit_lines(wanted, "s3://bucket"))
    head, *remarks = text.split("\n#")
    return shlex.split(head.replace("\\\n", " ")), remarks


def test_the_command_to_make_it_again_quotes_everything() -> None:
    odd = federation(2, 3, training=training(3, agent="x; reboot", agent_settings={"a b": "$(id)"}, weights="b" * 64))
    words, remarks = command(odd)
    assert words[:2] == ["dispatch", "submit"]
    assert "x; reboot" in words
    assert "a b=$(id)" in words
    assert f"s3://bucket/weights/{'b' * 64}.safetensors" in words
    assert words[words.index("--group") + 1] == f"{GROUP}-again"
    assert remarks == []


@pytest.mark.parametrize("value", ["a" * 5000, "\u202e", "https://'; reboot; '@", "a\nreboot"])
def test_a_value_that_a_page_would_change_is_left_out_of_the_command(value: str) -> None:
    wanted = federation(2, 3, training=training(3, agent_settings={"first": value, "second": "kept"}))
    words, remarks = command(wanted)
    assert "second=kept" in words
    assert not any("first" in word for word in words)
    assert remarks == [" without 1 option whose values are odd: federation.json has them"]
    shown = submit_lines(wanted, "s3://bucket")
    assert [one_line(line) for line in shown] == shown


@pytest.mark.parametrize(
    ("environment", "shown"),
    [
        ({"name": "fleet", "settings": {"variant": "large"}}, "environment fleet: variant large"),
        ({"name": "fleet"}, "environment fleet"),
        (
            {"name": "season", "kinds": ("daily", "leak"), "settings": {"kappa": 2}},
            "environment season: daily, leak",
        ),
        ({"name": "season", "series": ("c" * 64,)}, "environment season: 1 recorded series"),
    ],
)
def test_a_page_says_what_a_federation_in_epochs_was_trained_on(environment: dict[str, Any], shown: str) -> None:
    spec = EpochsSpec(environments=4, epoch_steps=64, **environment)
    own = federation(2, 3, version=6, training=training(3, traces=(), environment=spec))
    told = list(texts(page_of(record(2, 3, federation=own), "s3://b", made="")))
    assert next(text for text in told if text.startswith("environment ")).startswith(shown)
    assert told[told.index("reward") + 1] == "its own"


def test_what_no_option_can_say_is_a_remark() -> None:
    spec = EpochsSpec(name="season", environments=4, epoch_steps=64, series=("c" * 64,), settings={"kappa": 2})
    words, [remark] = command(federation(2, 5, version=6, training=training(5, traces=(), environment=spec)))
    assert " ".join(words).endswith("--env season --epochs 5 --epoch-steps 64 --environments 4 --kappa 2")
    assert remark.startswith(" with the 1 series")
    assert "--steps" not in words
    odd = EpochsSpec(name="doctor", environments=4, epoch_steps=64, settings={"bucket": "another"})
    words, _ = command(federation(2, 5, version=6, training=training(5, traces=(), environment=odd, steps=9)))
    assert " ".join(words).endswith("--env doctor --epochs 5 --epoch-steps 64 --environments 4 --steps 9")
    nodes = training(3, nodes=Nodes(count=2, cpu_m=500, memory_bytes=1 << 30, pods=9))
    words, _ = command(federation(2, 3, training=nodes))
    assert words[words.index("--nodes") + 1 :][:3] == ["2", "--node-cpu", "500m"]


def test_a_thousand_members_and_rounds_are_a_page_of_less_than_6_mb() -> None:
    rng = np.random.default_rng(0)
    large = record(1000, 1000, rng.normal(size=(1000, 1000)))
    page = page_of(large, "s3://b", made="")
    assert len(render(page).encode()) < 6e6
    charts = [part for section in page.sections for part in section.parts if isinstance(part, Chart)]
    assert max(len(line.x) for chart in charts for line in chart.lines) <= curves.POINTS
    tables = [part for section in page.sections for part in section.parts if isinstance(part, Table)]
    assert max(len(table.rows) for table in tables) == 1000


def test_points_are_means_over_rounds_and_the_band_is_the_interval_over_members() -> None:
    rng = np.random.default_rng(0)
    rewards = rng.normal(size=(600, 5)) + np.arange(5)
    curve = curves.learning(record(5, 600, rewards))
    assert curve is not None
    assert len(curve.rounds) <= curves.POINTS
    assert np.allclose(curve.mean, curve.members.mean(axis=1))
    reach = curves.Z * curve.members.std(axis=1, ddof=1) / np.sqrt(5)
    assert np.allclose(curve.high - curve.mean, reach)
    assert np.allclose(curve.mean - curve.low, reach)
    whole = np.array([np.count_nonzero(curve.rounds > 0), curve.rounds[0], curve.rounds[-1]])
    assert whole[1] >= 1
    assert whole[2] <= 600


def test_the_axis_is_logarithmic_where_learning_is_early() -> None:
    early = [[3 * (1 - np.exp(-number / 8))] * 2 for number in range(1, 401)]
    steady = [[float(number)] * 2 for number in range(1, 401)]
    for rewards, log in ((early, True), (steady, False)):
        curve = curves.learning(record(2, 400, rewards))
        assert curve is not None
        assert curve.early is log


def test_of_many_members_the_spread_is_drawn_and_of_few_each() -> None:
    few, many = (curves.learning(record(members, 10, np.ones((10, members)))) for members in (3, 40))
    assert few is not None
    assert many is not None
    assert [name for name, _ in curves.spread(few)] == ["member 0", "member 1", "member 2"]
    assert len(curves.spread(many)) == 3


def test_members_without_a_return_leave_a_gap_and_no_number(recwarn: pytest.WarningsRecorder) -> None:
    rewards = np.full((4, 2), np.nan)
    rewards[1, 0] = 2.0
    curve = curves.learning(record(2, 4, rewards))
    assert curve is not None
    assert [None if np.isnan(value) else value for value in curve.mean.tolist()] == [None, 2.0, None, None]
    assert curves.learning(record(2, 4, np.full((4, 2), np.nan))) is None
    assert json.dumps(page_of(record(2, 4, rewards), "s3://b", made="").verdict)
    assert not recwarn.list


def test_an_evaluation_is_shown_by_type_beside_rules_and_its_returns_as_lines() -> None:
    scores = [Score("cpu", 3, 2, 4.0, 1.5), Score("all", 3, 2, 4.0, 1.5)]
    found = Evaluation("problems", "well", scores, {"heuristic": (1.0, 3.0, 2.0), "optimum": (1, 2.5, 3)})
    page = page_of(record(2, 3), "s3://b", made="", evaluation=found)
    [shown] = [section for section in page.sections if section.id == "evaluation"]
    by_type, beside = shown.parts
    assert isinstance(by_type, Table)
    assert isinstance(beside, Table)
    assert by_type.rows[0] == ["cpu", 3, 2 / 3, 4.0, 1.5]
    assert [row[:4] for row in beside.rows] == [
        ["global model", 2 / 3, 4.0, 1.5],
        ["heuristic", 1.0, 3.0, 0.5],
        ["optimum", 1, 2.5, 0.0],
    ]
    [curve] = [
        part for section in page.sections for part in section.parts if getattr(part, "title", "") == "Mean return"
    ]
    assert isinstance(curve, Chart)
    assert [(line.name, line.y[0]) for line in curve.lines if line.style == "dashed"] == [
        ("heuristic", 2),
        ("optimum", 3),
    ]
