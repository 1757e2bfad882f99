"""One decorator that turns the dataclasses a command takes into its options.

    @dataclass(frozen=True, kw_only=True)
    class BucketChoice:
        panel: ClassVar[str] = "Bucket"  # the heading in --help
        bucket: Annotated[str, typer.Option(metavar="NAME", help="The S3 bucket.")]

    @flattened
    def show(name: str, bucket: BucketChoice, output: OutputChoice) -> None: ...

A field is an option as Typer knows it: its type with `typer.Option` or `typer.Argument`, and its default. Besides
Typer's own types there are

- `tuple[T, ...]`: the option may be given again;
- `Mapping[str, Any]`: pairs NAME=VALUE, and the option may be given again;
- another dataclass: its fields are options of the command too.
"""

from __future__ import annotations

import copy
import functools
import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Annotated, Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import typer
from typer.models import ArgumentInfo, OptionInfo

C = TypeVar("C")


def flattened(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for each field of the dataclasses in its signature.

    Raises:
        TypeError: a field without `typer.Option` or `typer.Argument`, or two options of one name.
    """
    hints = get_type_hints(command, include_extras=True)
    choices: dict[str, type] = {}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        hint = hints[parameter.name]
        if is_dataclass(hint):
            assert isinstance(hint, type)  # noqa: S101 (is_dataclass is true of instances too)
            choices[parameter.name] = hint
            parameters += [_parameter(option) for option in options_of(hint)]
        else:
            parameters.append(parameter.replace(annotation=hint, kind=inspect.Parameter.KEYWORD_ONLY))
    names = [parameter.name for parameter in parameters]
    if twice := {name for name in names if names.count(name) > 1}:
        raise TypeError(f"{command.__qualname__}: two options are called {', '.join(sorted(twice))}")

    @functools.wraps(command)
    def call(**arguments: Any) -> None:
        made: dict[str, Any] = {name: build(choice, arguments) for name, choice in choices.items()}
        taken = {option.name for choice in choices.values() for option in options_of(choice)}
        command(**made, **{name: value for name, value in arguments.items() if name not in taken})

    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return call


def typed(context: typer.Context) -> set[str]:
    """Names of the options that are on the command line or in the environment; the others have their defaults."""
    sources = ((name, context.get_parameter_source(name)) for name in context.params)
    return {name for name, source in sources if source is not None and source.name in ("COMMANDLINE", "ENVIRONMENT")}


def build(choice: type[C], given: Mapping[str, Any]) -> C:
    """A choice from the values of options, by the names of the fields; those of nested choices are in `given` too.

    Raises:
        ConfigError: a pair that is not NAME=VALUE, or what the choice itself refuses.
    """
    made: dict[str, Any] = {}
    for field, hint in _fields(choice):
        if is_dataclass(hint) and isinstance(hint, type):
            made[field.name] = build(hint, given)
        elif field.name in given:
            made[field.name] = _value(_Option(field, hint, ""), given[field.name])
    return choice(**made)


class _Option(NamedTuple):
    """A field that is an option: its type with Typer's description, and the heading that it stands under."""

    field: Field[Any]
    hint: Any
    panel: str

    @property
    def name(self) -> str:
        return self.field.name

    @property
    def info(self) -> Any:
        """Typer's description."""
        return _info(self.hint)

    @property
    def json_type(self) -> Any:
        """The type of its values as JSON holds them."""
        item = _item(self.hint)
        return dict[str, Any] if _is_pairs(self.hint) else _bare(self.hint) if item is None else list[item]  # type: ignore[valid-type]

    @property
    def default(self) -> Any:
        """The field's default; None where several values or pairs may be given and there is none; else `empty`."""
        if self.field.default_factory is not MISSING:
            value = self.field.default_factory()
        elif self.field.default is not MISSING:
            value = self.field.default
        else:
            return inspect.Parameter.empty
        if _is_pairs(self.hint) or _item(self.hint) is not None:
            return list(value) or None
        return value


def options_of(choice: type) -> Iterator[_Option]:
    """The options of a choice and of the choices in it, in their order."""
    for field, hint in _fields(choice):
        if is_dataclass(hint) and isinstance(hint, type):
            yield from options_of(hint)
        else:
            yield _Option(field, hint, getattr(choice, "panel", ""))


def values(choice: Any) -> dict[str, Any]:
    """The values of a choice and of the choices in it, by the names of the fields."""
    found: dict[str, Any] = {}
    for field, hint in _fields(type(choice)):
        value = getattr(choice, field.name)
        found |= values(value) if is_dataclass(hint) else {field.name: value}
    return found


def changed(choice: Any) -> dict[str, Any]:
    """What a user typed for a choice: its options by their flags, without those that have their defaults."""
    mine, defaults = values(choice), values(build(type(choice), {}))
    options = [option for option in options_of(type(choice)) if mine[option.name] != defaults[option.name]]
    return {flag(option.name, option.info): mine[option.name] for option in options}


def flag(field: str, info: OptionInfo | None = None) -> str:
    """What a user types for a field: the name in its `typer.Option`, else made from the field's."""
    names = [info.default, *(info.param_decls or ())] if info else []
    typed = [name for name in names if isinstance(name, str) and name.startswith("--")]
    return typed[0].partition("/")[0] if typed else f"--{field.replace('_', '-')}"


def pairs(texts: Iterable[str], option: str) -> dict[str, Any]:
    """NAME=VALUE pairs of an option; values as JSON where they are JSON, else as text.

    Raises:
        ConfigError: a pair without '=', or a name given twice.
    """
    from env.errors import ConfigError

    settings: dict[str, Any] = {}
    for pair in texts:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise ConfigError(f"{option} {pair}: expected NAME=VALUE, for example {option} learning_rate=0.001")
        if name in settings:
            raise ConfigError(f"{option} {name}: given twice")
        try:
            settings[name] = json.loads(text)
        except ValueError:
            settings[name] = text
    return settings


def _fields(choice: type) -> Iterator[tuple[Field[Any], Any]]:
    hints = get_type_hints(choice, include_extras=True)
    return ((field, hints[field.name]) for field in fields(choice))


def _value(option: _Option, value: Any) -> Any:
    if _is_pairs(option.hint):
        return value if isinstance(value, Mapping) else pairs(value or (), flag(option.name, option.info))
    if _item(option.hint) is not None:
        return tuple(value or ())
    return value


def _parameter(option: _Option) -> inspect.Parameter:
    """The option as a parameter that Typer understands."""
    info = copy.copy(option.info)
    if info is None:
        raise TypeError(f"{option.name}: has neither typer.Option nor typer.Argument")
    info.rich_help_panel = info.rich_help_panel or option.panel or None
    item = str if _is_pairs(option.hint) else _item(option.hint)
    bare: Any = get_args(option.hint)[0] if item is None else list[item] | None  # type: ignore[valid-type]
    return inspect.Parameter(
        option.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=option.default,
        annotation=Annotated[bare, info],
    )


def _info(hint: Any) -> Any:
    """Typer's description in an annotated type, if there is one."""
    described: Sequence[Any] = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((one for one in described if isinstance(one, OptionInfo | ArgumentInfo)), None)


def _bare(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _is_pairs(hint: Any) -> bool:
    return get_origin(_bare(hint)) is Mapping


def _item(hint: Any) -> Any:
    """T of `tuple[T, ...]`, else None."""
    inner = get_args(_bare(hint)) if get_origin(_bare(hint)) is tuple else ()
    return inner[0] if len(inner) == 2 and inner[1] is Ellipsis else None
