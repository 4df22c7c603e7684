"""The OpenAPI document: what FastAPI makes, and what it does not know of each call."""

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from facet_vision.service.http.deps import needed_by
from facet_vision.service.http.problems import MEDIA_TYPE
from facet_vision.service.settings import Settings

from .errors import errors_of
from .headers import HEADERS, OF_EVERY_REQUEST, references
from .limits import fill_in, table

_PROBLEM = {"$ref": "#/components/schemas/Problem"}


def complete_document(app: FastAPI, routes: Iterable[BaseRoute], settings: Settings) -> None:
    """Let the document name the errors, limits, headers and key scopes of each call."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            # Bodies are parts of routes, which stay as they are.
            document = deepcopy(plain())
            document["info"]["description"] += f"\n\n{table(settings)}"
            document["components"]["headers"] = HEADERS
            _name_scopes(routes, document["paths"])
            for path, operations in document["paths"].items():
                for operation in operations.values():
                    _complete(path, operation, settings)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _name_scopes(routes: Iterable[BaseRoute], paths: dict[str, Any]) -> None:
    """Name the scope that each operation needs; none where any will do."""
    for route in routes:
        needed = needed_by(route)
        if needed is not None and isinstance(route, APIRoute) and route.path in paths:
            scopes = [needed.scope] if needed.scope else []
            for method in route.methods or ():
                paths[route.path][method.lower()]["security"] = [{needed.scheme_name: scopes}]


def _complete(path: str, operation: dict[str, Any], settings: Settings) -> None:
    if body := operation.get("requestBody"):
        fill_in(body, settings)
    operation.setdefault("parameters", []).extend(deepcopy(OF_EVERY_REQUEST))
    responses = operation["responses"]
    responses.pop("422", None)  # FastAPI's own form of an error
    for status, description in errors_of(_kinds(path, operation)).items():
        content = deepcopy(responses[f"{status // 100}XX"]["content"])
        responses.setdefault(str(status), {"description": description, "content": content})
    for status, response in responses.items():
        _correct(response.get("content", {}))
        number = int(status) if status.isdecimal() else None
        response["headers"] = references(number) | response.get("headers", {})


def _kinds(path: str, operation: dict[str, Any]) -> set[str]:
    """Return what a call has or does, as far as its errors depend on it."""
    scopes = {scope for each in operation.get("security", ()) for scope in each["key"]}
    has = {
        "any": True,
        "keyed": "security" in operation,
        "body": "requestBody" in operation,
        "task": "{task}" in path,
        "version": "{version}" in path,
        "abstain": any(each["name"] == "abstain" for each in operation["parameters"]),
        "listing": "security" in operation and "{task}" not in path,
        "examples": "/examples" in path,
        "explains": "/explain" in path,
        "sample": "{sample}" in path,
        "training": "/trainings/{training}" in path,
        "image": "{image}" in path,
        "trains": "/trainings" in path and "{image}" not in path,
        "learns": "/examples" in path and "requestBody" in operation,
        "labels": "/images" in path and "requestBody" in operation,
        "sends": path.endswith("/images") and "requestBody" in operation,
    }
    if not has["body"]:
        scopes.discard("infer")  # what shows samples computes nothing
    return scopes | {name for name, holds in has.items() if holds}


def _correct(content: dict[str, Any]) -> None:
    """Let the document say that problems have a media type of their own."""
    if content.get("application/json", {}).get("schema") == _PROBLEM:
        content[MEDIA_TYPE] = content.pop("application/json")
