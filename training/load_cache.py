"""What the trainings of one run have in common is loaded once."""

from __future__ import annotations

import json
from pathlib import Path

from facet_vision.backbone import Backbone
from facet_vision.backbone import load as load_backbone
from facet_vision.training.data.datasets import TaskData
from facet_vision.training.data.reading import read_data

from .recipe import Recipe

DATA_FIELDS = {
    *("data", "image_column", "label_column", "split_column", "label_separator"),
    *("seed", "holdout", "shots", "fraction", "measure_on", "validation", "patience"),
}
"""Fields of a recipe that decide which images are learned from and measured on."""

KEPT = 4
"""Data sets: a run goes through them in order, and comes back to the one of another seed or part at most."""


class Sources:
    """Backbones and data by recipe; every backbone stays loaded, and the data that was asked for last."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._backbones: dict[tuple[str, Path | None], Backbone] = {}
        self._data: dict[str, TaskData] = {}

    def backbone(self, recipe: Recipe) -> Backbone:
        key = (recipe.backbone, recipe.checkpoint)
        if key not in self._backbones:
            self._backbones[key] = load_backbone(key[0], checkpoint=key[1], device=self.device)
        return self._backbones[key]

    def data(self, recipe: Recipe) -> TaskData:
        key = json.dumps(recipe.model_dump(include=DATA_FIELDS), sort_keys=True)
        data = self._data.pop(key, None) or read_data(recipe)
        self._data[key] = data
        if len(self._data) > KEPT:
            del self._data[next(iter(self._data))]
        return data
