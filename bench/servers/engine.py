"""The engine alone, in this process: the reference for HTTP and batching."""

import random
from collections.abc import Sequence
from time import perf_counter

from facet_vision.backbone import Backbone, Pixels
from facet_vision.prompts_store import TaskFile, open_store
from facet_vision.service.engine.engine import Engine, Group
from facet_vision.service.engine.resident import Resident

from .materials import Materials


class EngineAlone:
    """Runs full batches one after another; the images are decoded before.

    Args:
        batch: images in each batch.
    """

    def __init__(self, materials: Materials, net: Backbone, batch: int) -> None:
        self._engine = Engine(net)
        self._batch_size = batch
        self._images = [net.preprocess.decode(image.read_bytes()) for image in materials.images]
        store = open_store(materials.store)
        files = (TaskFile.from_bytes(store.read(task, 1)) for task in materials.tasks)
        self._residents = {file.manifest.task: self._engine.place_tested(file, 1) for file in files}
        self._random = random.Random(0)

    def rate(self, tasks: Sequence[str], weights: Sequence[float], seconds: float) -> float:
        """Return images per second; every image is for one of the tasks at random."""
        rows = 0
        spent = 0.0
        begun = perf_counter()
        while spent < seconds:
            self._engine.run(self._batch(tasks, weights))
            rows += self._batch_size
            spent = perf_counter() - begun
        return rows / spent

    def _batch(self, tasks: Sequence[str], weights: Sequence[float]) -> list[Group]:
        groups: dict[str, tuple[Resident, list[Pixels]]] = {}
        for task in self._random.choices(tasks, weights, k=self._batch_size):
            group = groups.setdefault(task, (self._residents[task], []))
            image = self._random.choice(self._images)
            # A new object, since the engine computes the same array only once for a task.
            group[1].append(image.view())
        return list(groups.values())
