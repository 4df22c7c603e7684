"""Trainings of an experiment in this process: others take seconds to start."""

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from facet_vision.training.errors import TrainingError
from facet_vision.training.experiments.cells import final, trial
from facet_vision.training.experiments.outcomes import Outcome
from facet_vision.training.experiments.workers import Run
from facet_vision.training.load_cache import LoadCache
from facet_vision.training.recipe import Recipe
from facet_vision.training.variants.variant import Variant


@contextmanager
def workers(_jobs: int, device: str) -> Iterator[Run]:
    """Stand for `experiments.workers.workers`."""
    cache = LoadCache(device)

    def run(recipe: Recipe, variant: Variant | None) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        kind = trial if recipe.measure_on == "validation" else final
        try:
            future.set_result(kind(recipe, cache.data(recipe), cache.backbone(recipe), variant))
        except TrainingError as error:
            future.set_exception(error)
        return future

    yield run
