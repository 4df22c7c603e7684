"""Query and path parameters, taken strictly: what is not understood is refused, not ignored."""

import re
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

_PLAIN = re.compile(r"0|[1-9][0-9]*")


def _canonical(value: Any) -> Any:
    """Refuse what int() would take as well: signs, spaces, underscores, zeros in front."""
    if not _PLAIN.fullmatch(str(value)):
        raise PydanticCustomError("whole_number", "expected a whole number in plain digits")
    return value


PlainDigits = BeforeValidator(_canonical)
"""Annotation of an integer in a path or query: exactly one text stands for a number."""


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
    for name, value in request.query_params.multi_items():
        if name not in known:
            expected = f"one of {', '.join(sorted(known))}" if known else "no query parameter"
            raise RequestValidationError(
                [{"loc": ("query", name), "msg": f"expected {expected}", "input": value}]
            )


def _parameters(route: APIRoute) -> set[str]:
    declared = {field.alias for field in route.dependant.query_params}
    documented = (route.openapi_extra or {}).get("parameters", ())
    return declared | {each["name"] for each in documented if each["in"] == "query"}
