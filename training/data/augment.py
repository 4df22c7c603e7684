"""What the network sees of the training images: as served, or by one of the paper's protocols, or augmented by timm.

Only training differs. Held-out images are always preprocessed by `Backbone.preprocess`, exactly as the server does, so
that the metrics in a task file are those of what will be served; that also holds where a protocol of the paper has an
evaluation of its own.

    none   as served
    vtab   resized to the input size, the aspect ratio not kept (VTAB-1k: Jia et al. 2022, arXiv 2203.12119)
    fgvc   resized to 8/7 of the input size (256 for 224), cropped at random, flipped at random (FGVC: ibid.)
    timm   timm's pipeline: random resized crop, flip, then as the recipe says
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

from facet_vision.backbone import Preprocess
from facet_vision.training.errors import TrainingError
from facet_vision.training.methods import Method
from facet_vision.training.recipe import Recipe

from .datasets import Examples
from .images import Inputs, prepare

Transform = Callable[[Image.Image], Tensor]

FEW = 256
"""Images below which worker processes cost more than they save."""

MOST_WORKERS = 8
"""Each costs memory, and a start in every epoch."""


def training_inputs(examples: Examples, preprocess: Preprocess, recipe: Recipe) -> Inputs:
    """The training images as the recipe's `augment` says."""
    if recipe.augment == "none":
        return prepare(examples, preprocess)
    plain = replace(preprocess, crop_pct=1.0, crop_mode="squash")
    if recipe.augment == "vtab":
        return prepare(examples, plain)
    transform = (
        crop_and_flip(plain) if recipe.augment == "fgvc" else timm_pipeline(preprocess, recipe)
    )
    return Augmented(
        examples, transform, recipe.seed, workers=0 if len(examples) < FEW else _workers()
    )


def check_augment(method: type[Method], recipe: Recipe) -> None:
    """Refuse random augmentation where the features are extracted once."""
    if method.extracts and recipe.augment in ("fgvc", "timm"):
        raise TrainingError(
            f"augment: expected none or vtab, since {recipe.method} extracts features once, found {recipe.augment!r}"
        )


class Augmented:
    """Images that are drawn anew in every epoch.

    What is drawn for a row depends on the seed, the epoch and the row alone, neither on the order of the rows
    nor on the number of workers, and a run that is taken up in a later epoch sees what it would have seen.
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
        self.examples, self.transform, self.seed, self.epoch, self.workers = (
            examples,
            transform,
            seed,
            epoch,
            workers,
        )

    def __len__(self) -> int:
        return len(self.examples)

    def of_epoch(self, epoch: int, /) -> Augmented:
        return Augmented(
            self.examples, self.transform, self.seed, epoch=epoch, workers=self.workers
        )

    def batches(self, indices: Iterable[Tensor]) -> Iterator[Tensor]:
        loader: DataLoader[Tensor] = DataLoader(
            _Draws(self.examples, self.transform, (self.seed, self.epoch)),
            batch_sampler=[rows.tolist() for rows in indices],
            num_workers=self.workers,
            generator=torch.Generator(),  # else it would draw from the global one
        )
        return iter(loader)


@dataclass(frozen=True)
class _Draws(Dataset[Tensor]):
    examples: Examples
    transform: Transform
    seeds: tuple[int, int]

    def __getitem__(self, row: int) -> Tensor:
        image = self.examples.image(row)
        with _drawing(*self.seeds, row):
            return self.transform(image)


@contextmanager
def _drawing(*seeds: int) -> Iterator[None]:
    """Seed what torchvision and timm draw from, the global generators, and leave them as they were."""
    seed = int(np.random.SeedSequence(seeds).generate_state(1)[0])
    python, numpy = random.getstate(), np.random.get_state()
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
    """The paper's for FGVC; resized by the backbone's own filter."""
    height, width = plain.input_size[1:]
    return transforms.Compose(
        [
            transforms.Resize(
                max(height, width) * 8 // 7, transforms.InterpolationMode(plain.interpolation)
            ),
            transforms.RandomCrop((height, width)),
            transforms.RandomHorizontalFlip(),
            plain,
        ]
    )


def timm_pipeline(preprocess: Preprocess, recipe: Recipe) -> Transform:
    """timm's training pipeline with the options of the recipe."""
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
    except (AssertionError, KeyError, ValueError) as error:  # as timm finds faults in a policy
        raise TrainingError(
            f"auto_augment: expected a policy of timm such as 'rand-m9-mstd0.5', found {recipe.auto_augment!r}"
        ) from error
    return pipeline


def _workers() -> int:
    """One processor is left to the training itself."""
    processors = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return min(processors - 1, MOST_WORKERS)
