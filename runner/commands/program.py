"""A program as a table: path of a command -> where it is, and one line of help.

Only the command that is asked for is imported: `--help` must not wait for what the others need.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from runner.options.output import VersionOption

HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}


class Entry(NamedTuple):
    """A command, or a group of those whose paths begin with its own.

    Attributes:
        where: `module:function`; empty for a group that does nothing by itself.
        help: One line.
    """

    where: str
    help: str


Commands = Mapping[str, Entry]
"""Commands by their paths, such as `trace show`, in the order in which help lists them."""


class _PlainErrors:
    """A command whose messages about wrong values have no prefix of pydantic's."""

    def make_context(self, *arguments: Any, **named: Any) -> Any:
        try:
            return super().make_context(*arguments, **named)  # type: ignore[misc]
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")
            raise


class _Command(_PlainErrors, TyperCommand):
    """A command of one of the programs."""


def program(help_text: str, commands: Commands, obj: Any = None) -> typer.Typer:
    """The program of a table. `obj` is what commands find as `context.obj`."""
    app = typer.Typer(
        cls=_group(commands, ""),
        help=help_text,
        no_args_is_help=True,
        pretty_exceptions_show_locals=False,  # they may hold credentials
        rich_markup_mode="rich",
        context_settings={**HELP_OPTIONS, "obj": obj},
    )

    @app.callback()
    def options(version: VersionOption = False) -> None:
        """The options of the program itself."""

    return app


def single(command: Callable[..., None]) -> typer.Typer:
    """A program of one command, which has `VersionOption` itself."""
    app = typer.Typer(pretty_exceptions_show_locals=False, rich_markup_mode="rich", context_settings=HELP_OPTIONS)
    app.command(cls=_Command, help=_help(command))(command)
    return app


def _group(table: Commands, path: str) -> type[TyperGroup]:
    """The group at a path of a table."""
    prefix = f"{path} " if path else ""
    inside = {name.removeprefix(prefix): entry for name, entry in table.items() if name.startswith(prefix)}
    names = [name for name in inside if " " not in name]

    class Group(_PlainErrors, TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:
            return names

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            """As much of the command as help needs."""
            return TyperCommand(cmd_name, help=inside[cmd_name].help) if cmd_name in names else None

        def get_params(self, ctx: Any) -> Any:
            parameters = super().get_params(ctx)
            for parameter in parameters:
                # Typer's own flags have no default; it would import pydantic to find that None is no flag.
                if parameter.name in ("help", "install_completion", "show_completion"):
                    parameter.default = False
            return parameters

        def resolve_command(self, ctx: Any, args: list[str]) -> Any:
            self.commands = {name: TyperCommand(name) for name in names}  # Typer suggests the nearest of these
            name, found, rest = super().resolve_command(ctx, args)
            return name, found and load(table, prefix + str(name)), rest

    return Group


def load(table: Commands, path: str) -> Any:
    """The whole command at a path of a table."""
    entry = table[path]
    is_group = any(other.startswith(f"{path} ") for other in table)
    app = typer.Typer(
        cls=_group(table, path) if is_group else None,
        add_completion=False,
        pretty_exceptions_show_locals=False,
        rich_markup_mode="rich",
        context_settings=HELP_OPTIONS,
    )
    name = path.rpartition(" ")[2]
    function = _function(entry.where) if entry.where else None
    if function is None:
        app.callback(help=entry.help, no_args_is_help=True)(lambda: None)
    elif not is_group:
        app.command(name, cls=_Command, help=_help(function))(function)
    else:
        app.callback(invoke_without_command=True, help=_help(function))(function)
    command = get_command(app)
    command.name = name
    return command


def _function(where: str) -> Callable[..., None]:
    module, _, name = where.partition(":")
    function: Callable[..., None] = getattr(importlib.import_module(module), name)
    return function


def _help(function: Callable[..., None]) -> str:
    """The function's docstring with one line a paragraph, which a terminal wraps as wide as it is."""
    paragraphs = inspect.cleandoc(function.__doc__ or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
