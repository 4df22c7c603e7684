"""From scores to the documents that a predict call answers with; `schemas.Predictions` describes them.

They are made as plain dictionaries: to build and check a model for every label would cost more than everything else
that is done with an answer.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from fastapi import Response
from pydantic_core import to_json

from .bank import Resident
from .images import DecodedImage
from .rows import Answer


def respond(
    images: Sequence[DecodedImage],
    residents: Sequence[Resident],
    answers: Sequence[Answer],
    *,
    top_k: int,
    total_seconds: float,
) -> Response:
    """The response with one result for each image and each task, image by image, as `answers` are."""
    pairs = [(position, resident) for position in range(len(images)) for resident in residents]
    results = [
        _result(position, images[position], resident, answer, top_k, total_seconds)
        for (position, resident), answer in zip(pairs, answers, strict=True)
    ]
    return Response(to_json({"results": results}), media_type="application/json")


def _result(
    position: int, image: DecodedImage, resident: Resident, answer: Answer, top_k: int, total_seconds: float
) -> dict[str, Any]:
    result: dict[str, Any] = {"image": position}
    if image.name is not None:
        result["file"] = image.name
    result["task"] = resident.task
    result["version"] = resident.version
    result["predictions"] = _ranked(resident, answer, top_k)
    result["timings"] = {
        "decode": _milliseconds(image.seconds),
        "queue": _milliseconds(answer.queue_seconds),
        "forward": _milliseconds(answer.forward_seconds),
        "total": _milliseconds(total_seconds),
    }
    return result


def _ranked(resident: Resident, answer: Answer, top_k: int) -> list[dict[str, Any]]:
    labels, field = resident.manifest.labels, "score" if resident.manifest.activation == "none" else "probability"
    # By numpy: a torch operation lets go of the interpreter's lock, and the event loop would queue up for it again.
    scores = answer.scores.numpy()
    best = np.argsort(-scores, kind="stable")[:top_k]
    return [{"label": labels[index], field: score} for index, score in zip(best, scores[best].tolist(), strict=True)]


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
