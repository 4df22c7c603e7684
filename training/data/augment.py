"""Augmentation of the training images.

Only training images are augmented. Held-out images are always preprocessed by
`Backbone.preprocess`, exactly as in the server, so that the metrics in a task file are those of
the served task. That also holds where a protocol of the paper has an evaluation of its own.

    none   as served
    vtab   resized to the input size without its aspect ratio
           (VTAB-1k: Jia et al. 2022, arXiv 2203.12119)
    fgvc   resized to 8/7 of the input size (256 for 224), cropped and flipped at random
           (FGVC: ibid.)
    timm   timm's pipeline: random resized crop, flip, then the options of the recipe
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from timm.data import create_transform
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from facet_vision.backbone import Preprocess, limit_aspect
from facet_vision.training.errors import TrainingError
from facet_vision.training.recipe import Recipe

from .datasets import Examples
from .images import Inputs, prepare

Transform = Callable[[Image.Image], Tensor]

FEW_IMAGES = 256
"""Below this number worker processes cost more than they save."""

MAX_WORKERS = 8
"""Each worker costs memory, and a process start in every epoch."""


def training_inputs(examples: Examples, preprocess: Preprocess, recipe: Recipe) -> Inputs:
    """Return the training images, augmented by the recipe's `augment`."""
    if recipe.augment == "none":
        return prepare(examples, preprocess)
    plain = replace(preprocess, crop_pct=1.0, crop_mode="squash")
    if recipe.augment == "vtab":
        return prepare(examples, plain)
    if recipe.augment == "fgvc":
        transform = crop_and_flip(plain)
    else:
        transform = timm_pipeline(preprocess, recipe)
    workers = 0 if len(examples) < FEW_IMAGES else _workers()
    return Augmented(examples, transform, recipe.seed, workers=workers)


def check_augment(recipe: Recipe, *, extracts_features: bool) -> None:
    """Refuse random augmentation where the method extracts the features once.

    Raises:
        TrainingError: such a recipe.
    """
    if extracts_features and recipe.augment in ("fgvc", "timm"):
        raise TrainingError(
            f"augment: expected none or vtab, since {recipe.method} extracts features once, "
            f"found {recipe.augment!r}"
        )


class Augmented:
    """Images that are augmented anew in every epoch.

    The augmentation of a row depends on the seed, the epoch and the row alone, neither on the
    order of the rows nor on the number of workers. A run that is resumed in a later epoch
    therefore sees the same images as without the interruption.
    """

    def __init__(
        self,
        examples: Examples,
        transform: Transform,
        seed: int,
        *,
        epoch: int = 0,
        workers: int = 0,
    ) -> None:
        self.examples = examples
        self.transform = transform
        self.seed = seed
        self.epoch = epoch
        self.workers = workers

    def __len__(self) -> int:
        return len(self.examples)

    def of_epoch(self, epoch: int, /) -> Augmented:
        return Augmented(
            self.examples, self.transform, self.seed, epoch=epoch, workers=self.workers
        )

    def batches(self, indices: Iterable[Tensor]) -> Iterator[Tensor]:
        loader: DataLoader[Tensor] = DataLoader(
            _AugmentedRows(self.examples, self.transform, (self.seed, self.epoch)),
            batch_sampler=[rows.tolist() for rows in indices],
            num_workers=self.workers,
            generator=torch.Generator(),  # by default the loader draws from the global one
        )
        return iter(loader)


@dataclass(frozen=True)
class _AugmentedRows(Dataset[Tensor]):
    examples: Examples
    transform: Transform
    seeds: tuple[int, int]

    def __getitem__(self, row: int) -> Tensor:
        image = self.examples.image(row)
        with _seeded_globally(*self.seeds, row):
            return self.transform(image)


@contextmanager
def _seeded_globally(*seeds: int) -> Iterator[None]:
    """Seed the global generators, from which torchvision and timm draw, then restore them."""
    seed = int(np.random.SeedSequence(seeds).generate_state(1)[0])
    python = random.getstate()
    numpy = np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        random.seed(seed)
        np.random.seed(seed)
        torch.default_generator.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


def crop_and_flip(plain: Preprocess) -> Transform:
    """Return the paper's pipeline for FGVC, resizing with the backbone's own filter."""
    height, width = plain.input_size[1:]
    interpolation = transforms.InterpolationMode(plain.interpolation)
    return transforms.Compose(
        [
            limit_aspect,
            transforms.Resize(max(height, width) * 8 // 7, interpolation),
            transforms.RandomCrop((height, width)),
            transforms.RandomHorizontalFlip(),
            plain,
        ]
    )


def timm_pipeline(preprocess: Preprocess, recipe: Recipe) -> Transform:
    """Return timm's training pipeline with the options of the recipe."""
    try:
        pipeline: Transform = create_transform(
            input_size=preprocess.input_size,
            mean=preprocess.mean,
            std=preprocess.std,
            interpolation=preprocess.interpolation,
            is_training=True,
            scale=(recipe.crop_scale, 1.0),
            color_jitter=recipe.color_jitter,
            auto_augment=recipe.auto_augment,
            re_prob=recipe.random_erase,
        )
    except (AssertionError, KeyError, ValueError) as error:  # timm's for a bad policy
        raise TrainingError(
            f"auto_augment: expected a policy of timm such as 'rand-m9-mstd0.5', "
            f"found {recipe.auto_augment!r}"
        ) from error
    return pipeline


def _workers() -> int:
    """Return the number of worker processes; one processor is left to the training itself."""
    if hasattr(os, "sched_getaffinity"):
        processors = len(os.sched_getaffinity(0))
    else:
        processors = os.cpu_count() or 1
    return min(processors - 1, MAX_WORKERS)
