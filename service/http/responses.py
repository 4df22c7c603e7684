"""From predictions to the documents that a predict call answers with; `schemas.PredictResponse` describes them.

They are made as plain dictionaries: to build and check a model for every label would cost more than everything else
that is done with an answer.
"""

from collections.abc import Sequence
from typing import Any

from fastapi import Response
from pydantic_core import to_json

from facet_vision.service.predictor.decoder import DecodedImage
from facet_vision.service.predictor.protocol import Prediction


def respond(
    images: Sequence[DecodedImage], predictions: Sequence[Prediction], total_seconds: float
) -> Response:
    """The response with one result for each image and each task, image by image, as `predictions` are."""
    tasks = len(predictions) // len(images)
    results = [
        _result(place // tasks, images[place // tasks], prediction, total_seconds)
        for place, prediction in enumerate(predictions)
    ]
    return Response(to_json({"results": results}), media_type="application/json")


def _result(
    position: int, image: DecodedImage, prediction: Prediction, total_seconds: float
) -> dict[str, Any]:
    result: dict[str, Any] = {"image": position}
    if image.name is not None:
        result["file"] = image.name
    result["task"] = prediction.task
    result["version"] = prediction.version
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


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
