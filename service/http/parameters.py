"""Query and path parameters, taken strictly: what is not understood is refused, not ignored."""

import re
from typing import Annotated, Any

from fastapi import Path, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BeforeValidator, JsonValue
from pydantic_core import PydanticCustomError

from facet_vision.prompts_store.names import MAX_LENGTH

_PLAIN = re.compile(r"0|[1-9][0-9]*")
_PLAIN_INTEGER = re.compile(r"0|-?[1-9][0-9]*")
_PLAIN_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def _canonical(value: Any) -> Any:
    """Refuse what int() would take as well: signs, spaces, underscores, zeros in front."""
    if not _PLAIN.fullmatch(str(value)):
        raise PydanticCustomError("whole_number", "expected a whole number in plain digits")
    return value


PlainDigits = BeforeValidator(_canonical)
"""Annotation of an integer in a path or query: exactly one text stands for a number."""


def _canonical_integer(value: Any) -> Any:
    if not _PLAIN_INTEGER.fullmatch(str(value)):
        raise PydanticCustomError("whole_number", "expected a whole number in plain digits")
    return value


PlainInteger = BeforeValidator(_canonical_integer)
"""Annotation of an integer that may be negative, in a query."""


def _json_number(value: Any) -> Any:
    if not _PLAIN_DECIMAL.fullmatch(str(value)):
        raise PydanticCustomError("number", "expected a number as in JSON")
    return value


PlainNumber = BeforeValidator(_json_number)
"""Annotation of a number in a query: what JSON calls one, without spaces, underscores and signs."""


TASK_NAME = "[A-Za-z0-9](\\.?[A-Za-z0-9_-])*\\.?"
"""What a name of a task looks like, for the OpenAPI document; the prompts store decides."""

TASK_NAME_SCHEMA: dict[str, JsonValue] = {"pattern": f"^{TASK_NAME}$", "maxLength": MAX_LENGTH}

TaskName = Annotated[
    str,
    Path(
        description="Name of the task.",
        examples=["digits"],
        json_schema_extra=TASK_NAME_SCHEMA,
    ),
]


async def known_parameters(request: Request) -> None:
    """Refuse query parameters that the route does not have; a dependency of routers.

    Raises:
        RequestValidationError: there is one.
    """
    if not request.scope["query_string"]:
        return
    route = request.scope["route"]
    assert isinstance(route, APIRoute)
    known = _parameters(route)
    refuse_repeated(request)
    for name, value in request.query_params.multi_items():
        if name not in known:
            expected = f"one of {', '.join(sorted(known))}" if known else "no query parameter"
            raise _fault(name, f"expected {expected}", value)


def refuse_repeated(request: Request) -> None:
    """Refuse a query that gives a parameter more than once: only one of the values would count.

    Raises:
        RequestValidationError: there is one.
    """
    given = set()
    for name, value in request.query_params.multi_items():
        if name in given:
            raise _fault(name, "expected one value, found another", value)
        given.add(name)


def _fault(name: str, message: str, value: str) -> RequestValidationError:
    return RequestValidationError([{"loc": ("query", name), "msg": message, "input": value}])


def _parameters(route: APIRoute) -> set[str]:
    declared = {field.alias for field in route.dependant.query_params}
    documented = (route.openapi_extra or {}).get("parameters", ())
    return declared | {each["name"] for each in documented if each["in"] == "query"}
