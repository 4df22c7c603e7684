"""A recipe: every choice that decides what training gives, read from flags, a TOML file and defaults."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import TrainingError

Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]

PLACES = frozenset({"data", "task", "backbone", "checkpoint", "description"})
"""Fields that the manifest states in fields of its own."""


class Recipe(BaseModel):
    """How one task is trained.

    Learning rates are for batches of 256 and scale with the batch size (Jia et al. 2022).

    Attributes:
        data: a named data set or a folder.
        tokens: prompt tokens per layer.
        precision: of the forward and backward pass through the backbone, in training only.
        lr: learning rate of what the method adds to the backbone; of the head too unless `head_lr` is given.
        warmup: share of the training in which the learning rate rises, step by step.
        holdout: share of each class that is held out where the data has no such part.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str
    task: str
    method: str = "vpt-deep"
    backbone: str = "facet-tiny"
    checkpoint: Path | None = None
    tokens: Annotated[int, Field(ge=0, le=10_000)] = 0
    epochs: Annotated[int, Field(ge=1)] = 100
    batch_size: Annotated[int, Field(ge=1)] = 64
    precision: Literal["float32", "bfloat16"] = "float32"
    optimizer: Literal["adamw", "sgd"] = "adamw"
    lr: Rate
    head_lr: Rate | None = None
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.01
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    holdout: Annotated[float, Field(gt=0, lt=1)] = 0.2
    description: str = ""

    @property
    def rates(self) -> tuple[float, float]:
        """Peak learning rates for this batch size: of what the method adds, of the head."""
        scale = self.batch_size / 256
        return self.lr * scale, (self.lr if self.head_lr is None else self.head_lr) * scale

    def hyperparameters(self, unused: frozenset[str]) -> dict[str, Any]:
        """What the manifest records: every field but `unused`, those not given, and those with a place there."""
        return self.model_dump(exclude=set(PLACES | unused), exclude_none=True)


def read_recipe(path: Path) -> dict[str, Any]:
    """The values of a TOML file; whether they are right is checked by `make_recipe`."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise TrainingError(f"recipe: expected a file, found none at {path} ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrainingError(f"recipe {path.name}: expected TOML, found a fault: {error}") from error


def make_recipe(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> Recipe:
    """A complete recipe of what was given and, where nothing was, the method's defaults.

    Raises:
        TrainingError: a field is unknown, missing or out of its range.
    """
    try:
        return Recipe.model_validate({**defaults, **given})
    except ValidationError as error:
        raise TrainingError(_first_fault(error)) from error


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "missing":
        return f"{field}: expected a value, found none"
    if fault["type"] == "extra_forbidden":
        return f"recipe: expected fields of a recipe, found {field!r} as well"
    return f"{field}: {fault['msg'][:1].lower()}{fault['msg'][1:]}, found {fault['input']!r}"
