"""The server's limits in the OpenAPI document: those of a body with it, all in its description."""

from typing import Any

from facet_vision.service.panels import LIMITS as PANEL
from facet_vision.service.settings import Settings

from .bodies import LIMITS

_FURTHER = ("queue_limit", "deadline_seconds", "idle_body_seconds", "head_seconds")
"""Settings that bound a request and stand in other groups."""


def table(settings: Settings) -> str:
    """Return every limit of the server with its value, as a table in Markdown."""
    rows = ["| limit | value | |", "| --- | --- | --- |"]
    for name, field in type(settings).model_fields.items():
        if field.json_schema_extra == PANEL or name in _FURTHER:
            rows.append(f"| `{name}` | {getattr(settings, name)} | {field.description} |")
    return "\n".join(rows)


def fill_in(body: dict[str, Any], settings: Settings) -> None:
    """Give a request body's limits their values, also in its description."""
    limits = body[LIMITS]
    for name, value in limits.items():
        limits[name] = getattr(settings, value) if isinstance(value, str) else value
    told = ", ".join(f"{name} {value}" for name, value in limits.items())
    body["description"] = f"{body.get('description', '')} Limits: {told}.".strip()
