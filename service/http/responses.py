"""The JSON documents that answer a predict call; `schemas.PredictResponse` describes them.

They are made of plain dictionaries: building and validating a model for every label would take
longer than everything else that is done with an answer.
"""

from collections.abc import Sequence
from typing import Any

from fastapi import Response
from pydantic_core import to_json

from facet_vision.service.predictor.bulk import aside, label_count
from facet_vision.service.predictor.decoder import DecodedImage
from facet_vision.service.predictor.protocol import Decision, Prediction


async def respond(
    images: Sequence[DecodedImage], predictions: Sequence[Prediction], total_seconds: float
) -> Response:
    """Make the response, with one result for each image and each task.

    Args:
        images: in the order of the request.
        predictions: of all tasks for the first image, then for the second, and so on.
        total_seconds: from the request's arrival to this answer.
    """

    def document() -> bytes:
        tasks = len(predictions) // len(images)
        results = []
        for place, prediction in enumerate(predictions):
            position = place // tasks
            results.append(_result(position, images[position], prediction, total_seconds))
        return to_json({"results": results})

    content = await aside(label_count(predictions), document)
    return Response(content, media_type="application/json")


def _result(
    position: int, image: DecodedImage, prediction: Prediction, total_seconds: float
) -> dict[str, Any]:
    result: dict[str, Any] = {"image": position}
    if image.name is not None:
        result["file"] = image.name
    result["task"] = prediction.task
    result["version"] = prediction.version
    if prediction.decision is not None:
        result |= _decided(prediction.decision)
    result["predictions"] = [
        {"label": label, prediction.field: number} for label, number in prediction.best
    ]
    result["timings"] = {
        "decode": _milliseconds(image.seconds),
        "queue": _milliseconds(prediction.queue_seconds),
        "forward": _milliseconds(prediction.forward_seconds),
        "total": _milliseconds(total_seconds),
    }
    return result


def _decided(decision: Decision) -> dict[str, Any]:
    if decision.several:
        found: dict[str, Any] = {"labels": decision.labels}
    else:
        label = decision.labels[0] if decision.labels else None
        found = {"label": label, "distance": decision.distance, "threshold": decision.threshold}
    return found if decision.reason is None else found | {"reason": decision.reason}


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
