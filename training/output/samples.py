"""A few held-out images beside a task, so that there is something to ask it about."""

from __future__ import annotations

import re
from pathlib import Path

from facet_vision.training.data.datasets import TaskData

COUNT = 3


def save_samples(data: TaskData, folder: Path, count: int = COUNT) -> list[Path]:
    """Write the first held-out image of `count` labels, spread over all, as `<label>-<number>.png`.

    The number is the image's place in the held-out part.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [_save(data, index, folder) for index in _chosen(data, count)]


def _chosen(data: TaskData, count: int) -> list[int]:
    present = sorted(set(data.test.targets))
    step = max(1, len(present) / count)
    wanted = [present[int(step * place)] for place in range(min(count, len(present)))]
    return [list(data.test.targets).index(target) for target in wanted]


def _save(data: TaskData, index: int, folder: Path) -> Path:
    label = re.sub(r"[^\w.-]+", "_", data.names(data.test.targets[index]))
    path = folder / f"{label}-{index}.png"
    data.test.image(index).save(path)
    return path
