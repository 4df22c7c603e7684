"""The recipe of a training: every choice that decides its result.

It is read from flags, a TOML file and the defaults of the method, in this order.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_serializer

from facet_vision.common.flags import first_fault
from facet_vision.common.loading import ImageSize, Pool
from facet_vision.prompts_store.instant.facts import MAX_NEIGHBOURS, NEIGHBOURS

from .errors import TrainingError

Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]

DATA: dict[str, JsonValue] = {"panel": "Data"}
METHOD: dict[str, JsonValue] = {"panel": "Method"}
FITTING: dict[str, JsonValue] = {"panel": "Fitting"}
AUGMENTATION: dict[str, JsonValue] = {"panel": "Augmentation"}
"""Where the help of a command shows a field; `shown` is said in place of a default."""

PLACES = frozenset({"data", "task", "backbone", "checkpoint", "pool", "image_size", "description"})
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
        "head_init",
        "standardise",
        "prompt_init",
        "prompt_dropout",
        "drop_path",
        "neighbours",
    }
)
"""Fields that only some methods read; `Method.uses` says which."""

FITTING_FIELDS = frozenset(
    {
        *("epochs", "batch_size", "precision", "optimizer", "lr", "head_lr", "weight_decay"),
        *("head_weight_decay", "ema", "search", "patience", "warmup"),
    }
)
"""Fields that methods with a gradient read."""


TIMM_FIELDS = frozenset({"crop_scale", "color_jitter", "auto_augment", "random_erase"})
"""Fields that only timm's augmentation reads."""


class Recipe(BaseModel):
    """How one task is trained; each field is an option of `facet train` and a key of a recipe file.

    Learning rates are for batches of 256 and scale with the batch size (Jia et al. 2022).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str = Field(
        description="A folder of class folders, a table (.csv, .tsv, .parquet), "
        "torchvision:NAME:FOLDER, hf:NAME, hf:FOLDER, digits, or a demo set."
    )
    image_column: str | None = Field(
        None,
        description="Of a table: column of images.",
        json_schema_extra=DATA | {"shown": "image"},
    )
    label_column: str | None = Field(
        None,
        description="Of a table: column of labels.",
        json_schema_extra=DATA | {"shown": "label"},
    )
    split_column: str | None = Field(
        None,
        description="Of a table: column that names the part of each row.",
        json_schema_extra=DATA | {"shown": "split, where there is one"},
    )
    label_separator: Annotated[str, Field(min_length=1)] | None = Field(
        None,
        description="Of a table: text between the labels in a cell; makes the task multi-label.",
        json_schema_extra=DATA,
    )
    task: str = Field(description="Name of the task.")
    method: str = Field(
        "vpt-deep",
        description="vpt-deep, vpt-shallow, prefix, bias, ssf, adapter, adaptformer, lora, or some "
        "of them joined by +, linear, mlp-3, or without a gradient ncm, knn or lda, which can be "
        "served; partial-1, bias-all, sidetune or full, which write a checkpoint. Other numbers "
        "are layers.",
    )
    backbone: str = Field(
        "facet-tiny",
        description="facet-tiny, or a name that `facet backbones` lists; also hf-hub:, local-dir:.",
    )
    checkpoint: Path | None = Field(None, description="Local weight file for the backbone.")
    pool: Pool = None
    image_size: ImageSize = None
    tokens: Annotated[int, Field(ge=0, le=10_000)] = Field(
        0,
        description="vpt, prefix: tokens per layer.",
        json_schema_extra=METHOD | {"shown": "10"},
    )
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        None,
        description="mlp-k, full: share of activations dropped in training, of the head or of the "
        "backbone's MLPs.",
        json_schema_extra=METHOD | {"shown": "by method"},
    )
    reduction: Annotated[int, Field(ge=1)] = Field(
        8,
        description="adapter, adaptformer: factor by which it is narrower than its layer.",
        json_schema_extra=METHOD,
    )
    adapter_init: Literal["random", "zero"] = Field(
        "random",
        description="adapter, adaptformer: initial values; zero is what the paper's released code "
        "has.",
        json_schema_extra=METHOD,
    )
    rank: Annotated[int, Field(ge=1)] = Field(
        8, description="lora: rank of what is added.", json_schema_extra=METHOD
    )
    alpha: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        16.0, description="lora: what is added is scaled by alpha / rank.", json_schema_extra=METHOD
    )
    lora_targets: Annotated[str, Field(pattern=r"^(qkv|proj|fc1|fc2)(\+(qkv|proj|fc1|fc2))*$")] = (
        Field(
            "qkv",
            description="lora: the layers that it adapts, of qkv, proj, fc1 and fc2, joined by +.",
            json_schema_extra=METHOD,
        )
    )
    prompt_init: Literal["uniform", "patches", "vipamin", "whitened"] = Field(
        "uniform",
        description="vpt: first prompts. uniform random; patches: tokens that enter the layer for "
        "training images (SPT); vipamin: means of such tokens and a direction of their own; "
        "whitened: uniform, learned in whitened coordinates of such tokens (after BPT).",
        json_schema_extra=METHOD,
    )
    prompt_dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0,
        description="vpt: share of the prompts' numbers that are dropped in training.",
        json_schema_extra=METHOD,
    )
    drop_path: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0,
        description="vpt, prefix, bias, ssf, adapter, adaptformer, lora: stochastic depth of the "
        "last layer in training; that of earlier layers is proportional to their depth.",
        json_schema_extra=METHOD,
    )
    standardise: bool = Field(
        False,
        description="All but linear and mlp-k, which always do: standardise the features in front "
        "of the head, as measured on the training images before the first step.",
        json_schema_extra=METHOD,
    )
    head_init: Literal["paper", "zero", "small", "probe"] = Field(
        "paper",
        description="All but mlp-k: first weights of the head. paper: normal, deviation "
        "sqrt(2 / classes); small: 0.01; zero; probe: a logistic regression on the features.",
        json_schema_extra=METHOD,
    )
    side_weights: Path | None = Field(
        None,
        description="sidetune: local file of AlexNet weights; random without.",
        json_schema_extra=METHOD,
    )
    neighbours: Annotated[int, Field(ge=1, le=MAX_NEIGHBOURS)] = Field(
        NEIGHBOURS,
        description="knn: how many of the most similar training images vote.",
        json_schema_extra=METHOD,
    )
    epochs: Annotated[int, Field(ge=1)] = Field(
        100, description="Passes over the training images.", json_schema_extra=FITTING
    )
    batch_size: Annotated[int, Field(ge=1)] = Field(
        64, description="Images per step.", json_schema_extra=FITTING
    )
    precision: Literal["float32", "bfloat16", "auto"] = Field(
        "float32",
        description="Of the forward and backward pass through the backbone, in training only; auto "
        "is bfloat16 where the device multiplies in it.",
        json_schema_extra=FITTING,
    )
    optimizer: Literal["adamw", "sgd"] = Field(
        "adamw", description="Optimizer.", json_schema_extra=FITTING | {"shown": "by method"}
    )
    lr: Rate = Field(
        description="Learning rate, for batches of 256, of what the method adds; of the head too "
        "unless head_lr is given.",
        json_schema_extra=FITTING | {"shown": "by method"},
    )
    head_lr: Rate | None = Field(
        None,
        description="The head's learning rate, where it differs.",
        json_schema_extra=FITTING | {"shown": "by method"},
    )
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        0.01,
        description="Weight decay of what is trained.",
        json_schema_extra=FITTING | {"shown": "by method"},
    )
    head_weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        None,
        description="The head's weight decay, where it differs.",
        json_schema_extra=FITTING | {"shown": "weight_decay"},
    )
    ema: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0,
        description="Keep an exponential average of what is learned, with this decay in each step; "
        "0 for the last weights.",
        json_schema_extra=FITTING,
    )
    search: str | None = Field(
        None,
        description="Choose hyperparameters on the validation part first: paper (its grid of rates "
        'and decays), or values by field such as "lr=0.1,0.05 weight_decay=0.01,0".',
        json_schema_extra=FITTING,
    )
    patience: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="Stop after so many epochs without a gain on the validation part, which is "
        "then not learned from, and keep the weights of the best epoch.",
        json_schema_extra=FITTING,
    )
    warmup: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.1,
        description="Share of the steps in which the learning rate rises.",
        json_schema_extra=FITTING,
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(
        0, description="Fixes initial values, order and split.", json_schema_extra=DATA
    )
    holdout: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.2,
        description="Share of each class to hold out where the data has no test part.",
        json_schema_extra=DATA,
    )
    shots: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Learn from so many images of each class.", json_schema_extra=DATA
    )
    fraction: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None, description="Learn from this share of each class.", json_schema_extra=DATA
    )
    measure_on: Literal["test", "validation"] = Field(
        "test",
        description="The part that metrics are computed on. For test, the validation part is "
        "learned from as well; on validation, hyperparameters are chosen.",
        json_schema_extra=DATA,
    )
    validation: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        0.2,
        description="Validation part where the data has none: a share of the training images or, "
        "from 1 on, their number.",
        json_schema_extra=DATA,
    )
    augment: Literal["none", "vtab", "fgvc", "timm"] = Field(
        "none",
        description="Training images: none (as served), vtab (plain resize), fgvc (random crop and "
        "flip) or timm. Held-out images are always preprocessed as served.",
        json_schema_extra=AUGMENTATION,
    )
    crop_scale: Annotated[float, Field(gt=0, le=1)] = Field(
        0.08,
        description="timm: least share of the area that a random crop keeps.",
        json_schema_extra=AUGMENTATION,
    )
    color_jitter: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        0.4,
        description="timm: strength of random changes of colour; an auto_augment replaces it.",
        json_schema_extra=AUGMENTATION,
    )
    auto_augment: str | None = Field(
        None,
        description="timm: a policy, such as rand-m9-mstd0.5.",
        json_schema_extra=AUGMENTATION,
    )
    random_erase: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0,
        description="timm: probability that a random rectangle is erased.",
        json_schema_extra=AUGMENTATION,
    )
    description: str = Field("", description="Free text for the task file.")

    @property
    def rates(self) -> tuple[float, float]:
        """Peak learning rates for this batch size: of what the method adds, of the head."""
        scale = self.batch_size / 256
        return self.lr * scale, (self.lr if self.head_lr is None else self.head_lr) * scale

    @property
    def method_number(self) -> int:
        """The k of a method that has one, such as 2 for "partial-2"."""
        return int(self.method.rpartition("-")[2])

    def hyperparameters(self, reads: frozenset[str]) -> dict[str, Any]:
        """Return what the manifest records: given values that have no field of their own there.

        Args:
            reads: as `Method.reads` returns them; other fields that not every method reads are left
                out.
        """
        return self.model_dump(
            mode="json", exclude=set(PLACES | self.unread(reads).keys()), exclude_none=True
        )

    def without_unread(self, reads: frozenset[str]) -> Recipe:
        """Return the recipe without a search and an early stop, where its method has neither."""
        unread = {name: None for name in ("search", "patience") if name not in reads}
        return self.model_copy(update=unread) if unread else self

    def unread(self, reads: frozenset[str]) -> dict[str, str]:
        """Return the fields that this recipe does not read, each with what makes it unread."""
        fields = dict.fromkeys((METHOD_FIELDS | FITTING_FIELDS) - reads, self.method)
        if self.augment != "timm":
            fields |= dict.fromkeys(TIMM_FIELDS, f"augment {self.augment}")
        if self.measure_on != "validation" and self.search is None and self.patience is None:
            fields["validation"] = f"measure_on {self.measure_on}"
        return fields

    @field_serializer("side_weights")
    def _name_only(self, path: Path | None) -> str | None:
        return None if path is None else path.name


def read_recipe(path: Path) -> dict[str, Any]:
    """Read the values of a TOML file; `make_recipe` checks them."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise TrainingError(
            f"recipe: expected a file, found none at {path} ({error.strerror})"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrainingError(f"recipe {path.name}: expected TOML, found a fault: {error}") from error


def make_recipe(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> Recipe:
    """Complete a recipe: given values first, then the method's defaults.

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
    return first_fault(error)
