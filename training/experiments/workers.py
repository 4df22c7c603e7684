"""Worker processes, each with a loaded backbone and its last data sets."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

import torch

from facet_vision.backbone import Backbone
from facet_vision.training.errors import TrainingError
from facet_vision.training.load_cache import LoadCache
from facet_vision.training.recipe import Recipe
from facet_vision.training.variants.variant import Variant

from .cells import final, trial
from .outcomes import Outcome

ACTIVATION_BYTES = 2 * 2**30
"""What a training may need beside weights, gradients and the optimizer's two moments."""

_cache: LoadCache
"""The backbones and data that this process has loaded; set when a worker starts."""

Run = Callable[[Recipe, Variant | None], "Future[Outcome]"]
"""Starts a training of a method, or of a variant of it."""


@contextmanager
def workers(jobs: int, device: str) -> Iterator[Run]:
    """Start processes that train one recipe each at a time.

    Each has its share of the processors as threads. Trainings that still wait are dropped when the
    block ends.
    """
    threads = max(1, _processors() // jobs)
    # Spawned, because a fork of a process that used CUDA or OpenMP is not safe.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, context, initializer=_start, initargs=(device, threads))
    try:
        yield lambda recipe, variant: pool.submit(_train, recipe, variant)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def first_finished(running: set[Future[Outcome]]) -> set[Future[Outcome]]:
    """Wait for at least one training.

    Raises:
        TrainingError: a process died, as it does when there is not enough memory.
    """
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        if isinstance(future.exception(), BrokenProcessPool):
            raise TrainingError(
                "training process: expected it to finish, found it killed; try fewer --jobs"
            )
    return done


def fitting_jobs(backbone: Backbone) -> int:
    """Return how many trainings fit side by side.

    One on a GPU, else as many as there are processors and memory for.
    """
    if backbone.device.type != "cpu":
        return 1
    weight_bytes = sum(4 * parameter.numel() for parameter in backbone.model.parameters())
    # Weights, gradients and two moments, each as large as the weights.
    training_bytes = 4 * weight_bytes + ACTIVATION_BYTES
    return max(1, min(_processors(), _free_bytes() // training_bytes))


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _free_bytes() -> int:
    """Return the free memory; 0 where the system does not report it, so that one job is run."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 0


def _start(device: str, threads: int) -> None:
    global _cache
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    _cache = LoadCache(device)


def _end_with_parent() -> None:
    """End this process as soon as the parent has, however it did: a pool's processes would not."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _train(recipe: Recipe, variant: Variant | None) -> Outcome:
    run = trial if recipe.measure_on == "validation" else final
    return run(recipe, _cache.data(recipe), _cache.backbone(recipe), variant)
