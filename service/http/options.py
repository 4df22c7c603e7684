"""The options of a predict call, given in its query."""

from typing import Annotated, Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facet_vision.service.predictor.protocol import Priority

from .parameters import PlainDigits, PlainNumber, refuse_repeated


class PredictOptions(BaseModel):
    """Options of a predict call."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    top_k: Annotated[int, PlainDigits] = Field(
        5, ge=1, description="How many labels to answer with; capped at the number there are."
    )
    abstain: bool = Field(
        False,
        description="Whether a task may answer with no label. Each result then has `label`, which "
        "is null where the image is further from the task's classes than its file allows, and a "
        "`reason`; a task with several labels on an image answers with those that reach their own "
        "thresholds, as `labels`. A task whose file states no threshold is refused with 409.",
    )
    # Not the Priority header of RFC 9218: browsers set it by themselves, by what they think of a
    # request.
    priority: Priority = Field(
        "normal",
        description="How this request competes with others while they wait: of 21 images computed, "
        "16 are high, 4 normal and 1 low, so that none waits for ever. Where room gets scarce, low "
        "is refused first and high last.",
    )
    timeout_ms: Annotated[float, Field(gt=0, allow_inf_nan=False), PlainNumber] | None = Field(
        None,
        description="Milliseconds after which the answer is of no use: it is given up with 504, or "
        "refused with 503 at once if the work that waits already takes longer. The server's own "
        "deadline holds as well.",
    )


def read_options(request: Request) -> PredictOptions:
    """Return the options of a call.

    FastAPI could read them as parameters of the route, but spends a tenth of a request's time in
    the interpreter on it.

    Raises:
        RequestValidationError: an option has no valid value.
    """
    if not request.scope["query_string"]:
        return _DEFAULTS
    refuse_repeated(request)
    try:
        return PredictOptions.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from None


def documented_parameters() -> list[dict[str, Any]]:
    """Return the options as parameters of an OpenAPI operation."""
    properties = PredictOptions.model_json_schema()["properties"]
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": schema.pop("description"),
            "schema": _without_null(schema),
        }
        for name, schema in properties.items()
    ]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a field's schema as one of a query, where no text means null."""
    if "anyOf" not in schema:
        return schema
    (some,) = (each for each in schema["anyOf"] if each != {"type": "null"})
    rest = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
    return some | rest


_DEFAULTS = PredictOptions.model_validate({})
