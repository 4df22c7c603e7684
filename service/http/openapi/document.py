"""The OpenAPI document, where FastAPI's own is not exact."""

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from facet_vision.service.http.deps import needed_by
from facet_vision.service.http.problems import MEDIA_TYPE

_PROBLEM = {"$ref": "#/components/schemas/Problem"}


def document_problems(app: FastAPI, routes: Iterable[BaseRoute]) -> None:
    """Let the document say that problems have a media type of their own, and which scopes exist."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            paths = plain()["paths"]
            _name_scopes(routes, paths)
            for path in paths.values():
                for operation in path.values():
                    for response in operation["responses"].values():
                        _correct(response.get("content", {}))
        assert app.openapi_schema is not None
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


def _correct(content: dict[str, Any]) -> None:
    if content.get("application/json", {}).get("schema") == _PROBLEM:
        content[MEDIA_TYPE] = content.pop("application/json")
