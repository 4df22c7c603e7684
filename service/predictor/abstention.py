"""Tasks that may answer with no label: what is asked of the engine, and what is made of it."""

import numpy as np
from numpy.typing import NDArray

from facet_vision.prompts_store import Manifest
from facet_vision.service.engine.resident import Answerer, Resident, WithDistance
from facet_vision.service.errors import NoThreshold

from .protocol import Decision


def abstaining(resident: Resident) -> Answerer:
    """Return what answers by labels and says how far an image is from them.

    Raises:
        NoThreshold: the task's file states none.
    """
    if resident.manifest.class_thresholds is not None:
        return resident
    if resident.distance is None:
        raise NoThreshold(
            f"abstain: expected a task whose file states a threshold, found version "
            f"{resident.version} of task {resident.task!r}, which states none"
        )
    return WithDistance(resident, resident.activation)


def decide(
    answerer: Answerer, numbers: NDArray[np.float32]
) -> tuple[NDArray[np.float32], Decision]:
    """Return the scores of the labels, (labels,), and what the task makes of them.

    Args:
        answerer: what `abstaining` has returned.
        numbers: what the engine has computed for it.
    """
    resident = answerer.resident if isinstance(answerer, WithDistance) else answerer
    assert isinstance(resident, Resident)
    manifest = resident.manifest
    if manifest.class_thresholds is not None:
        return numbers, _several(manifest, manifest.class_thresholds, numbers)
    assert manifest.threshold is not None, "checked by `abstaining`"
    scores, distance = numbers[:-1], float(numbers[-1])
    most = manifest.threshold.value
    if distance <= most:
        best = manifest.labels[int(np.argmax(scores))]
        return scores, Decision([best], False, distance, most)
    reason = (
        f"the image's distance from the nearest class is {distance:.4g}, above {most:.4g}, within "
        f"which {manifest.threshold.share:.0%} of images like the task's own are"
    )
    return scores, Decision([], False, distance, most, reason)


def _several(
    manifest: Manifest, thresholds: tuple[float, ...], scores: NDArray[np.float32]
) -> Decision:
    over = scores - np.asarray(thresholds, np.float32)
    labels = [manifest.labels[index] for index in np.flatnonzero(over >= 0)]
    if labels:
        return Decision(labels, True)
    nearest = int(np.argmax(over))
    reason = (
        f"no label reaches its threshold: the nearest is {manifest.labels[nearest]!r} with "
        f"{scores[nearest]:.4g} of {thresholds[nearest]:.4g}"
    )
    return Decision([], True, reason=reason)
