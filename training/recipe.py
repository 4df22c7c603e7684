"""A recipe: every choice that decides what training gives, read from flags, a TOML file and defaults."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_serializer

from .errors import TrainingError

Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]

PLACES = frozenset({"data", "task", "backbone", "checkpoint", "description"})
"""Fields that the manifest states in fields of its own."""

METHOD_FIELDS = frozenset(
    {
        "tokens",
        "dropout",
        "reduction",
        "adapter_init",
        "rank",
        "alpha",
        "lora_targets",
        "side_weights",
    }
)
"""Fields that only some methods read; `Method.uses` says which."""


TIMM_FIELDS = frozenset({"crop_scale", "color_jitter", "auto_augment", "random_erase"})
"""Fields that only timm's augmentation reads."""


class Recipe(BaseModel):
    """How one task is trained.

    Learning rates are for batches of 256 and scale with the batch size (Jia et al. 2022).

    Attributes:
        data: a source as `datasets.load` takes it.
        image_column, label_column, split_column, label_separator: see `datasets.Columns`.
        shots: learn from so many images of each class.
        fraction: learn from this share of each class.
        measure_on: the part that the metrics are of. On "validation" hyperparameters are chosen; for "test" the
            validation part is learned from too.
        validation: where the source has no such part, a share of the training images or, from 1 on, their number.
        augment: what is seen of the training images (see `augment`).
        crop_scale: least share of the image's area that a random crop keeps.
        color_jitter: strength of random changes of brightness, contrast and saturation; an `auto_augment` replaces it.
        auto_augment: a policy of timm, such as "rand-m9-mstd0.5".
        random_erase: probability that a random rectangle of an image is erased.
        method: a method's name; the number in "partial-2" and "mlp-3" counts layers.
        tokens: prompt tokens per layer.
        dropout: share of activations dropped in training, of an MLP head or (full) of the backbone's MLPs.
        reduction: an adapter is narrower than its layer by this factor.
        adapter_init: "random", or "zero" for the initial values of the paper's released code.
        rank, alpha: of LoRA; what it adds is scaled by alpha / rank.
        lora_targets: the attention layers that LoRA adapts.
        side_weights: local file of AlexNet weights for sidetune; random without.
        precision: of the forward and backward pass through the backbone, in training only; "auto" is bfloat16 on a
            device that has it in hardware, else float32.
        lr: learning rate of what the method adds to the backbone; of the head too unless `head_lr` is given.
        search: hyperparameters to choose on the validation part before the training: "paper" for the paper's grid,
            or values by field such as "lr=0.1,0.05 weight_decay=0.01,0" (see `search`).
        patience: end the training after so many epochs without a gain on the validation part, which is then not
            learned from, and keep the weights of the best epoch.
        warmup: share of the training in which the learning rate rises, step by step.
        holdout: share of each class that is held out where the data has no such part.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str
    image_column: str | None = None
    label_column: str | None = None
    split_column: str | None = None
    label_separator: Annotated[str, Field(min_length=1)] | None = None
    task: str
    method: str = "vpt-deep"
    backbone: str = "facet-tiny"
    checkpoint: Path | None = None
    tokens: Annotated[int, Field(ge=0, le=10_000)] = 0
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    reduction: Annotated[int, Field(ge=1)] = 8
    adapter_init: Literal["random", "zero"] = "random"
    rank: Annotated[int, Field(ge=1)] = 8
    alpha: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 16.0
    lora_targets: Literal["qkv", "proj", "qkv+proj"] = "qkv"
    side_weights: Path | None = None
    epochs: Annotated[int, Field(ge=1)] = 100
    batch_size: Annotated[int, Field(ge=1)] = 64
    precision: Literal["float32", "bfloat16", "auto"] = "float32"
    optimizer: Literal["adamw", "sgd"] = "adamw"
    lr: Rate
    head_lr: Rate | None = None
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.01
    search: str | None = None
    patience: Annotated[int, Field(ge=1)] | None = None
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    holdout: Annotated[float, Field(gt=0, lt=1)] = 0.2
    shots: Annotated[int, Field(ge=1)] | None = None
    fraction: Annotated[float, Field(gt=0, le=1)] | None = None
    measure_on: Literal["test", "validation"] = "test"
    validation: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.2
    augment: Literal["none", "vtab", "fgvc", "timm"] = "none"
    crop_scale: Annotated[float, Field(gt=0, le=1)] = 0.08
    color_jitter: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.4
    auto_augment: str | None = None
    random_erase: Annotated[float, Field(ge=0, le=1)] = 0.0
    description: str = ""

    @property
    def rates(self) -> tuple[float, float]:
        """Peak learning rates for this batch size: of what the method adds, of the head."""
        scale = self.batch_size / 256
        return self.lr * scale, (self.lr if self.head_lr is None else self.head_lr) * scale

    @property
    def method_number(self) -> int:
        """The k of a method that has one, such as 2 for "partial-2"."""
        return int(self.method.rpartition("-")[2])

    def hyperparameters(self, uses: frozenset[str]) -> dict[str, Any]:
        """What the manifest records: all but those not given and those that have a place there.

        Args:
            uses: those of METHOD_FIELDS that the method reads; the others are left out.
        """
        return self.model_dump(
            mode="json", exclude=set(PLACES | self.unread(uses).keys()), exclude_none=True
        )

    def unread(self, uses: frozenset[str]) -> dict[str, str]:
        """Fields that this recipe does not read, each with what would have to be another for it to be read."""
        fields = dict.fromkeys(METHOD_FIELDS - uses, self.method)
        if self.augment != "timm":
            fields |= dict.fromkeys(TIMM_FIELDS, f"augment {self.augment}")
        if self.measure_on != "validation" and self.search is None and self.patience is None:
            fields["validation"] = f"measure_on {self.measure_on}"
        return fields

    @field_serializer("side_weights")
    def _name_only(self, path: Path | None) -> str | None:
        return None if path is None else path.name


def read_recipe(path: Path) -> dict[str, Any]:
    """The values of a TOML file; whether they are right is checked by `make_recipe`."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise TrainingError(
            f"recipe: expected a file, found none at {path} ({error.strerror})"
        ) from error
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
