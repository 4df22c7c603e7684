"""Command-line options generated from the fields of a pydantic model.

A field's name, description and default stand in the model alone: the command line, the environment
variables and the checks all come from there.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container, Mapping
from functools import wraps
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import typer
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from facet_vision.prompts_store.errors import shown

from .errors import UsageError

Command = Callable[..., Any]
Model = TypeVar("Model", bound=BaseModel)

TERMINAL_TYPES = (bool, int, float, Path)
"""Types that the terminal reads by itself; all others are texts that the model parses."""


def with_options(
    model: type[BaseModel],
    *,
    only: Container[str] | None = None,
    arguments: Container[str] = (),
) -> Callable[[Command], Command]:
    """Give a command one option for each field of a model.

    The command is called with `given`, a dictionary of the options that were given on the command
    line, by field name; the model fills in its defaults and checks the values.

    Args:
        model: where names, types, descriptions and defaults come from.
        only: the fields that become options; all unless given.
        arguments: fields that are positional instead.
    """
    names = [name for name in model.model_fields if only is None or name in only]

    def decorate(command: Command) -> Command:
        signature = inspect.signature(command, eval_str=True)
        own = [each for each in signature.parameters.values() if each.name != "given"]
        made = [_parameter(name, model.model_fields[name], name in arguments) for name in names]

        @wraps(command)
        def called(**values: Any) -> Any:
            given = {name: values.pop(name) for name in names}
            return command(**values, given={k: v for k, v in given.items() if v is not None})

        parameters = _in_order([*own, *made])
        called.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {each.name: each.annotation for each in parameters}
        return called

    return decorate


def checked(model: type[Model], given: Mapping[str, Any]) -> Model:
    """Make a model of the given options.

    Raises:
        UsageError: one of them has no valid value.
    """
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        raise UsageError(first_fault(error)) from error


def first_fault(error: ValidationError) -> str:
    """Say in one sentence what is wrong with the first field that is."""
    fault = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in fault["loc"])
    message = fault["msg"].removeprefix("Value error, ")
    return f"{field}: {message[:1].lower()}{message[1:]}, found {shown(fault['input'])}"


def _in_order(parameters: list[inspect.Parameter]) -> list[inspect.Parameter]:
    """Bring required parameters to the front; the order is otherwise kept."""
    keyword_only = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
    return sorted(keyword_only, key=lambda each: each.default is not inspect.Parameter.empty)


def _parameter(name: str, field: FieldInfo, positional: bool) -> inspect.Parameter:
    kind = _terminal_type(field.annotation)
    described = field.description or ""
    if positional:
        info: Any = typer.Argument(help=described, show_default=False)
    else:
        info = typer.Option(
            help=described,
            show_default=_default_text(field),
            metavar=_choices(field.annotation),
            rich_help_panel=_extra(field, "panel"),
        )
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind | None, info],
    )


def _terminal_type(annotation: Any) -> Any:
    """Return the type that the terminal parses; the model does the rest."""
    kinds = _alternatives(annotation)
    if len(kinds) == 1 and kinds[0] in TERMINAL_TYPES:
        return kinds[0]
    return str


def _choices(annotation: Any) -> str | None:
    """Return the values of a closed set, for the help; None for any other type."""
    kinds = _alternatives(annotation)
    if len(kinds) == 1 and get_origin(kinds[0]) is Literal:
        return "|".join(map(str, get_args(kinds[0])))
    return None


def _alternatives(annotation: Any) -> list[Any]:
    """Return the types that a field may have, without None and without constraints."""
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        parts = [part for part in get_args(annotation) if part is not NoneType]
        return [kind for part in parts for kind in _alternatives(part)]
    return [annotation]


def _default_text(field: FieldInfo) -> str | bool:
    """Return what the help shows as default: an option that is not given is None itself."""
    if shown := _extra(field, "shown"):
        return shown
    if field.is_required():
        return False
    default = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(default, tuple):
        default = ",".join(map(str, default))
    if isinstance(default, bool):
        return "on" if default else "off"
    return False if default is None or default == "" else str(default)


def _extra(field: FieldInfo, key: str) -> str | None:
    """Return what a field says for the help alone: `panel` is its group, `shown` its default."""
    extra = field.json_schema_extra
    value = extra.get(key) if isinstance(extra, dict) else None
    return None if value is None else str(value)
