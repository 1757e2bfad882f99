"""Dataclasses as the options of a command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import pytest
import typer
from typer.testing import CliRunner

from env.errors import ConfigError
from runner.commands.program import single
from runner.options.flatten import build, changed, flattened, typed, values


@dataclass(frozen=True, kw_only=True)
class NodeChoice:
    panel: ClassVar[str] = "Nodes"

    nodes: Annotated[int | None, typer.Option(metavar="N", min=1, help="How many.")] = None


@dataclass(frozen=True, kw_only=True)
class WorkChoice:
    panel: ClassVar[str] = "Work"

    bucket: Annotated[str, typer.Option(envvar="TEST_BUCKET", help="Where.")]
    trace: Annotated[tuple[str, ...], typer.Option(help="What.")] = ()
    settings: Annotated[Mapping[str, Any], typer.Option("--set", help="How.")] = field(default_factory=dict)
    inner: NodeChoice = field(default_factory=NodeChoice)


def run(*arguments: str, **environment: str) -> tuple[int, str, list[Any]]:
    """What a command of these options was called with."""
    calls: list[Any] = []

    @flattened
    def command(
        ctx: typer.Context, work: WorkChoice, agent: Annotated[str, typer.Option(help="Who.")] = "noop"
    ) -> None:
        """Do it."""
        calls.extend((work, agent, typed(ctx)))

    result = CliRunner().invoke(single(command), list(arguments), env={"COLUMNS": "80", **environment})
    if isinstance(result.exception, Exception):
        raise result.exception
    return result.exit_code, result.output, calls


def test_a_field_is_an_option_with_its_default() -> None:
    code, _, calls = run("--bucket", "b")
    assert code == 0
    assert calls == [WorkChoice(bucket="b"), "noop", {"bucket"}]


def test_nested_repeated_and_paired_options_come_as_their_fields_say() -> None:
    given = ("--bucket", "b", "--trace", "x", "--trace", "y", "--set", "gamma=0.5", "--set", "name=web", "--nodes", "3")
    _, _, (work, agent, names) = run(*given, "--agent", "dqn")
    assert work.trace == ("x", "y")
    assert work.settings == {"gamma": 0.5, "name": "web"}
    assert work.inner == NodeChoice(nodes=3)
    assert agent == "dqn"
    assert names == {"bucket", "trace", "settings", "nodes", "agent"}


def test_what_was_typed_can_be_told_from_a_default_of_the_same_value() -> None:
    assert "agent" in run("--bucket", "b", "--agent", "noop")[2][2]
    assert "agent" not in run("--bucket", "b")[2][2]


def test_an_option_comes_from_the_environment_where_it_says_so() -> None:
    assert run(TEST_BUCKET="b")[2][0] == WorkChoice(bucket="b")


def test_a_field_without_a_default_is_required() -> None:
    code, output, _ = run()
    assert code == 2
    assert "--bucket" in output


def test_bounds_hold() -> None:
    assert run("--bucket", "b", "--nodes", "0")[0] == 2


def test_help_has_a_panel_for_each_choice() -> None:
    _, output, _ = run("-h")
    assert output.index("─ Work") < output.index("--set") < output.index("─ Nodes") < output.index("--nodes")


@pytest.mark.parametrize("pairs", [("gamma",), ("=1",), ("gamma=1", "gamma=2")])
def test_a_pair_that_is_none_is_refused_by_the_name_of_its_option(pairs: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match=r"^--set "):
        run("--bucket", "b", *(word for pair in pairs for word in ("--set", pair)))


def test_a_choice_is_built_from_the_values_of_its_options_and_gives_them_back() -> None:
    given = {"bucket": "b", "trace": ["x"], "settings": {"gamma": 1}, "nodes": 2}
    choice = build(WorkChoice, given)
    assert choice == WorkChoice(bucket="b", trace=("x",), settings={"gamma": 1}, inner=NodeChoice(nodes=2))
    assert values(choice) == given | {"trace": ("x",)}


def test_changed_options_are_named_as_a_user_types_them() -> None:
    assert changed(NodeChoice()) == {}
    assert changed(NodeChoice(nodes=2)) == {"--nodes": 2}


def test_two_options_of_one_name_are_a_mistake_in_the_program() -> None:
    def command(one: NodeChoice, nodes: Annotated[int, typer.Option()] = 1) -> None: ...

    with pytest.raises(TypeError, match="nodes"):
        flattened(command)


def test_a_field_that_is_no_option_is_a_mistake_in_the_program() -> None:
    @dataclass
    class Choice:
        size: int = 1

    def command(choice: Choice) -> None: ...

    command.__annotations__["choice"] = Choice
    with pytest.raises(TypeError, match=r"size: has neither typer\.Option"):
        flattened(command)
