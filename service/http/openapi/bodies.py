"""Descriptions of bodies for the OpenAPI document, as routes state them."""

from typing import Any

from pydantic import BaseModel

LIMITS = "x-facet-limits"
"""Field of a request body: its limits by name. A setting stands by its name, whose value
is filled in later."""


def limited(*settings: str, **fixed: int) -> dict[str, Any]:
    """Return what states the limits of a body.

    Args:
        settings: names of those that are settings.
        fixed: the others with their values.
    """
    return {LIMITS: {name: name for name in settings} | fixed}


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return a model's schema with those of its fields inside, to stand anywhere in a document."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})

    def inlined(part: Any) -> Any:
        if isinstance(part, list):
            return [inlined(each) for each in part]
        if not isinstance(part, dict):
            return part
        name = str(part.get("$ref", "")).removeprefix("#/$defs/")
        whole = {**definitions.get(name, {}), **part}
        if name in definitions:
            del whole["$ref"]
        return {key: inlined(value) for key, value in whole.items()}

    found: dict[str, Any] = inlined(schema)
    return found
