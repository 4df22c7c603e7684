"""Sample images: a few held-out images to try a task with."""

from __future__ import annotations

import re
from pathlib import Path

from facet_vision.training.data.datasets import TaskData

SAMPLE_COUNT = 3


def save_samples(data: TaskData, folder: Path, count: int = SAMPLE_COUNT) -> list[Path]:
    """Write the first held-out image of `count` labels as `<label>-<number>.png`.

    The labels are spread evenly over all that occur. The number is the image's index in the
    held-out part.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [_save(data, index, folder) for index in _chosen_rows(data, count)]


def _chosen_rows(data: TaskData, count: int) -> list[int]:
    present = sorted(set(data.measured.targets))
    step = max(1, len(present) / count)
    wanted = [present[int(step * number)] for number in range(min(count, len(present)))]
    return [list(data.measured.targets).index(target) for target in wanted]


def _save(data: TaskData, index: int, folder: Path) -> Path:
    label = re.sub(r"[^\w.-]+", "_", data.names(data.measured.targets[index]))
    path = folder / f"{label}-{index}.png"
    data.measured.image(index).save(path)
    return path
