"""The tables of the docs name all that there is: agents and their settings, actions, features, rewards."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from agents.kinds import KINDS, AgentKind
from agents.settings import parse_settings
from env.actions import Action
from env.doctor.actions import DoctorAction
from env.doctor.doctor_env import FAULT_NAMES, PROBLEMS
from env.doctor.faults import OUTDATES, REVEALS
from env.doctor.features import FEATURES
from env.errors import AgentError
from env.gym.features import STATE_FEATURES
from env.gym.reward import REWARDS
from protocol.strategies.table import Strategy

DOCS = Path(__file__).parent.parent / "docs"
AGENTS, DOCTOR, GYM, PROTOCOL = (
    (DOCS / name).read_text() for name in ("agents.md", "doctor.md", "gym.md", "protocol.md")
)
LEARNING = [kind for kind in KINDS.values() if kind.settings]


def rows(text: str, head: str) -> list[list[str]]:
    """The cells of the first table whose head begins so."""
    lines = text[text.index(f"| {head} |") :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def number(text: str) -> float:
    return float(text.replace(" ", ""))


def settings_table(kind: AgentKind) -> list[list[str]]:
    return rows(AGENTS[AGENTS.index(f"\n## {kind.name}\n") :], "setting")


def test_every_agent_has_a_row() -> None:
    named = [name for row in rows(AGENTS, "name") for name in re.findall("`(.+?)`", row[0])]
    assert sorted(named) == sorted(KINDS)


@pytest.mark.parametrize("kind", LEARNING, ids=lambda kind: kind.name)
def test_every_setting_has_a_row_with_its_default(kind: AgentKind) -> None:
    assert kind.settings is not None
    table = settings_table(kind)
    assert [row[0] for row in table] == [f"`{field.name}`" for field in fields(kind.settings)]
    for field, row in zip(fields(kind.settings), table, strict=True):
        written = row[1].strip("`")
        if isinstance(field.default, str):
            assert written == (field.default or "none")
        elif isinstance(field.default, tuple | bool):
            assert written == str(list(field.default) if isinstance(field.default, tuple) else field.default).lower()
        else:
            assert number(written) == field.default


@pytest.mark.parametrize("kind", LEARNING, ids=lambda kind: kind.name)
def test_the_ranges_of_settings_are_those_that_are_checked(kind: AgentKind) -> None:
    assert kind.settings is not None
    types = {field.name: type(field.default) for field in fields(kind.settings)}
    for name, _, *cells in settings_table(kind):
        found = re.fullmatch(r"([\d.e -]+) to ([\d.e ]+)", cells[0])
        if found is None:
            continue
        low, high = (number(bound) for bound in found.groups())
        for value in (low - 1, low, high, high + 1):
            given = {name.strip("`"): int(value) if types[name.strip("`")] is int else value}
            if low <= value <= high:
                parse_settings(kind.settings, given)
            else:
                with pytest.raises(AgentError, match="outside"):
                    parse_settings(kind.settings, given)


def test_every_action_has_a_row_at_its_index() -> None:
    assert [row[:2] for row in rows(GYM, "index")] == [[str(int(a)), f"`{a.name.lower()}`"] for a in Action]


def test_every_feature_has_a_row_at_its_place() -> None:
    assert [row[:2] for row in rows(GYM, "#")] == [[str(i), f"`{name}`"] for i, name in enumerate(STATE_FEATURES)]


def test_the_doctors_features_actions_faults_and_problems_have_their_rows() -> None:
    seen = re.findall(
        r"^\| [\d, to]+ \| ((?:`[a-z_]+`(?:, )?)+) \|", DOCTOR[: DOCTOR.index("\n## Actions")], re.MULTILINE
    )
    assert tuple(name for cell in seen for name in re.findall("`(.+?)`", cell)) == FEATURES
    assert [row[:2] for row in rows(DOCTOR, "| action")] == [[str(int(a)), f"`{a.name}`"] for a in DoctorAction]
    assert tuple(row[0].strip("`") for row in rows(DOCTOR, "fault")) == FAULT_NAMES
    assert {row[0].strip("`") for row in rows(DOCTOR, "`problems` | cluster")} == set(PROBLEMS) - {"any"}


def test_the_doctors_actions_reveal_and_outdate_what_their_rows_say() -> None:
    for row, reveals, outdates in zip(rows(DOCTOR, "| action"), REVEALS, OUTDATES, strict=True):
        named = {FAULT_NAMES.index(name) for name in re.findall("`([a-z-]+)`", row[-1])}
        assert {fault for fault in range(len(FAULT_NAMES)) if (reveals | outdates) >> fault & 1} == named, row[1]


def test_every_reward_has_its_formula() -> None:
    section = GYM[GYM.index("\n## Rewards\n") :].split("\n## ")[1]
    assert re.findall(r"^\*\*`(\w+)`\*\*", section, re.MULTILINE) == list(REWARDS)


def test_every_strategy_has_a_row() -> None:
    assert {row[0] for row in rows(PROTOCOL, "`--strategy`")} == {f"`{strategy}`" for strategy in Strategy}
