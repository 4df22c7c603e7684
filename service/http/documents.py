"""The OpenAPI document, where FastAPI's own is not exact."""

from typing import Any

from fastapi import FastAPI

from .problems import MEDIA_TYPE

_PROBLEM = {"$ref": "#/components/schemas/Problem"}


def document_problems(app: FastAPI) -> None:
    """Let the document say that problems have a media type of their own."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            for path in plain()["paths"].values():
                for operation in path.values():
                    for response in operation["responses"].values():
                        _correct(response.get("content", {}))
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _correct(content: dict[str, Any]) -> None:
    if content.get("application/json", {}).get("schema") == _PROBLEM:
        content[MEDIA_TYPE] = content.pop("application/json")
