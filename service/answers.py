"""From rankings to the documents that a predict call answers with; `schemas.Predictions` describes them.

They are made as plain dictionaries: to build and check a model for every label would cost more than everything else
that is done with an answer.
"""

from collections.abc import Sequence
from typing import Any

from fastapi import Response
from pydantic_core import to_json

from .images import DecodedImage
from .questions import Ranking


def respond(images: Sequence[DecodedImage], rankings: Sequence[Ranking], total_seconds: float) -> Response:
    """The response with one result for each image and each task, image by image, as `rankings` are."""
    tasks = len(rankings) // len(images)
    results = [
        _result(place // tasks, images[place // tasks], ranking, total_seconds)
        for place, ranking in enumerate(rankings)
    ]
    return Response(to_json({"results": results}), media_type="application/json")


def _result(position: int, image: DecodedImage, ranking: Ranking, total_seconds: float) -> dict[str, Any]:
    result: dict[str, Any] = {"image": position}
    if image.name is not None:
        result["file"] = image.name
    result["task"] = ranking.task
    result["version"] = ranking.version
    result["predictions"] = [{"label": label, ranking.field: number} for label, number in ranking.best]
    result["timings"] = {
        "decode": _milliseconds(image.seconds),
        "queue": _milliseconds(ranking.queue_seconds),
        "forward": _milliseconds(ranking.forward_seconds),
        "total": _milliseconds(total_seconds),
    }
    return result


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
