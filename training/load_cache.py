"""Backbones and data sets, loaded once per run."""

from __future__ import annotations

import json

from facet_vision.backbone import Backbone
from facet_vision.backbone import load as load_backbone
from facet_vision.common.terminal import tell_resampled
from facet_vision.training.data.datasets import TaskData
from facet_vision.training.data.reading import read_data

from .recipe import Recipe

DATA_FIELDS = {
    *("data", "image_column", "label_column", "split_column", "label_separator"),
    *("seed", "holdout", "shots", "fraction", "measure_on", "validation", "patience"),
}
"""Fields of a recipe that decide which images are learned from and measured on."""

MAX_DATA_SETS = 2
"""Data sets that stay loaded.

A run goes through its data sets in order and returns at most to that of the search.
"""


def load_for(recipe: Recipe, device: str) -> Backbone:
    """Load the backbone that a recipe names."""
    return load_backbone(
        recipe.backbone,
        checkpoint=recipe.checkpoint,
        pool=recipe.pool,
        image_size=recipe.image_size,
        device=device,
    )


def backbone_of(recipe: Recipe, device: str) -> Backbone:
    """Load the backbone that a recipe names, and say what of it was resampled."""
    return tell_resampled(load_for(recipe, device))


class LoadCache:
    """Backbones and data by recipe.

    Every backbone stays loaded, and so do the MAX_DATA_SETS data sets that were used last, with
    their preprocessed images.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        self._backbones: dict[tuple[object, ...], Backbone] = {}
        self._data: dict[str, TaskData] = {}  # least recently used first

    def backbone(self, recipe: Recipe) -> Backbone:
        """Return the backbone that the recipe names."""
        key = (recipe.backbone, recipe.checkpoint, recipe.pool, recipe.image_size)
        if key not in self._backbones:
            self._backbones[key] = backbone_of(recipe, self.device)
        return self._backbones[key]

    def data(self, recipe: Recipe) -> TaskData:
        """Return the data that the recipe learns from and is measured on."""
        key = json.dumps(recipe.model_dump(include=DATA_FIELDS), sort_keys=True)
        # popped and inserted again, so that the order of the dict is the order of use
        data = self._data.pop(key, None) or read_data(recipe).keeping()
        self._data[key] = data
        if len(self._data) > MAX_DATA_SETS:
            del self._data[next(iter(self._data))]
        return data
