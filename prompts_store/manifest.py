"""The manifest: a task file's description of itself, JSON in its metadata."""

import json
import math
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from .confidence.threshold import Threshold
from .errors import InvalidManifest, shown
from .instant.facts import INSTANT_KINDS, MAX_EXAMPLES, ExampleFacts
from .names import check_task_name
from .samples.facts import MAX_SAMPLES, SampleFacts

MAX_LABELS = 100_000
MAX_LABEL_LENGTH = 200

Text = Annotated[str, Field(min_length=1, max_length=500)]
Size = Annotated[int, Field(ge=1, le=8192)]
Scalar = str | int | float | bool | None
Mean = Annotated[float, Field(allow_inf_nan=False)]
Std = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Options = Annotated[dict[str, Scalar | list[Scalar]], Field(min_length=1, max_length=5000)]


_MAY_LACK = ("identity", "examples", "temperature", "threshold", "class_thresholds", "samples")
"""Fields that not every file has; their absence is not written, as it was before they existed."""


class Identity(BaseModel):
    """What the features of a backbone depend on; a fingerprint of version 2 is a hash of it.

    `weights` is the sha256 of the weights. `architecture` holds, by their paths in the network, the
    options that change its function and have no weights; `preprocessing` those of the input.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    architecture: Options
    preprocessing: Options

    @field_validator("architecture", "preprocessing", mode="before")
    @classmethod
    def _options(cls, options: object) -> object:
        for key, value in options.items() if isinstance(options, dict) else ():
            for each in value if isinstance(value, list) else (value,):
                _check_scalar(key, each)
        return options


class Manifest(BaseModel):
    """What a task is, what it was learned on and how well it does.

    `layers` counts the prompt tensors: 0 for none, 1 for shallow prompts, the backbone's number of
    layers for deep ones. `tokens` is the number of prompt tokens per layer. `input_size` is
    (channels, height, width) in pixels; `mean` and `std` are per channel, for pixel values in 0..1.
    `metrics` were measured on held-out data. `identity` is absent from files whose fingerprint is
    of version 1, a hash of the weights alone. `examples` is there where the head is made of them.

    Logits divided by `temperature` give probabilities that can be believed; `threshold` says when
    an image is of none of the labels; where an image may have several, `class_thresholds` are the
    probabilities from which on each is given. `samples` are a few images in the file to look at.
    Not every file states them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    task: str
    method: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+-]{0,63}$")]
    backbone: Text
    fingerprint: Annotated[str, Field(pattern=r"^(v2:)?[0-9a-f]{64}$")]
    identity: Identity | None = None
    layers: Annotated[int, Field(ge=0, le=1000)]
    tokens: Annotated[int, Field(ge=0, le=10_000)]
    pooling: Text
    head: Literal["linear", "mlp", "ncm", "knn", "lda"]
    examples: ExampleFacts | None = None
    labels: Annotated[tuple[str, ...], Field(min_length=1, max_length=MAX_LABELS)]
    activation: Literal["softmax", "sigmoid", "none"]
    input_size: tuple[Literal[3], Size, Size]
    mean: tuple[Mean, Mean, Mean]
    std: tuple[Std, Std, Std]
    data: Text
    recipe: Annotated[dict[str, Scalar], Field(max_length=200)]
    metrics: Annotated[
        dict[str, Annotated[float, Field(allow_inf_nan=False)]], Field(max_length=200)
    ]
    created: AwareDatetime
    description: Annotated[str, Field(max_length=10_000)] = ""
    temperature: Annotated[float, Field(ge=0.001, le=1000)] | None = None
    threshold: Threshold | None = None
    class_thresholds: Annotated[tuple[Share, ...], Field(max_length=MAX_LABELS)] | None = None
    samples: (
        Annotated[tuple[SampleFacts, ...], Field(min_length=1, max_length=MAX_SAMPLES)] | None
    ) = None

    @field_validator("task")
    @classmethod
    def _task_name(cls, task: str) -> str:
        return check_task_name(task)

    @field_validator("labels")
    @classmethod
    def _labels(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        seen: set[str] = set()
        for index, label in enumerate(labels):
            if (fault := label_fault(label)) is not None:
                raise ValueError(f"{fault} for label {index}")
            if label in seen:
                raise ValueError(f"expected every label once, found {label[:60]!r} twice")
            seen.add(label)
        return labels

    @field_validator("recipe", mode="before")
    @classmethod
    def _recipe(cls, recipe: object) -> object:
        for key, value in recipe.items() if isinstance(recipe, dict) else ():
            _check_scalar(key, value)
        return recipe

    @field_validator("created")
    @classmethod
    def _utc(cls, created: datetime) -> datetime:
        return created.astimezone(UTC)

    @model_validator(mode="after")
    def _prompts_agree(self) -> Self:
        if (self.layers == 0) != (self.tokens == 0):
            raise ValueError(
                f"layers and tokens: expected both zero or both positive, "
                f"found {self.layers} and {self.tokens}"
            )
        return self

    @model_validator(mode="after")
    def _identity_is_stated(self) -> Self:
        if (self.identity is None) == self.fingerprint.startswith("v2:"):
            raise ValueError(
                "identity: expected with a fingerprint that begins with 'v2:' and only then, "
                f"found {'none' if self.identity is None else 'one'} with {self.fingerprint!r}"
            )
        return self

    @model_validator(mode="after")
    def _examples_agree(self) -> Self:
        is_instant = self.head in INSTANT_KINDS
        if (self.examples is not None) != is_instant:
            raise ValueError(
                f"examples: expected with a head of kind {', '.join(INSTANT_KINDS)} and only then, "
                f"found {'none' if is_instant else 'some'} with {self.head!r}"
            )
        if self.examples is not None:
            self._check_examples(self.examples)
        return self

    def _check_examples(self, examples: ExampleFacts) -> None:
        """Raise ValueError for examples that contradict the other fields."""
        if len(examples.counts) != len(self.labels):
            raise ValueError(
                f"examples.counts: expected {len(self.labels)}, one for each label, "
                f"found {len(examples.counts)}"
            )
        if (count := sum(examples.counts)) > MAX_EXAMPLES:
            raise ValueError(f"examples: expected at most {MAX_EXAMPLES}, found {count}")
        if (examples.neighbours is not None) != (self.head == "knn"):
            raise ValueError(
                "examples.neighbours: expected a number with the head 'knn' and only then, "
                f"found {examples.neighbours} with {self.head!r}"
            )

    @model_validator(mode="after")
    def _confidence_fits(self) -> Self:
        if self.temperature is not None and self.examples is not None:
            raise ValueError(
                f"temperature: expected none with the head {self.head!r}, whose logits have the "
                f"scale of examples.scale, found {self.temperature:g}"
            )
        needed = {"temperature": ("softmax", "sigmoid"), "threshold": ("softmax",)}
        for name, activations in (needed | {"class_thresholds": ("sigmoid",)}).items():
            if getattr(self, name) is not None and self.activation not in activations:
                raise ValueError(
                    f"{name}: expected only with activation {' or '.join(activations)}, "
                    f"found one with {self.activation}"
                )
        if self.class_thresholds is not None and len(self.class_thresholds) != len(self.labels):
            raise ValueError(
                f"class_thresholds: expected one for each of {len(self.labels)} labels, "
                f"found {len(self.class_thresholds)}"
            )
        return self

    def document(self) -> dict[str, Any]:
        """Return the fields as JSON values, without those that this file does not state."""
        unstated = {name for name in _MAY_LACK if getattr(self, name) is None}
        return self.model_dump(mode="json", exclude=unstated)

    def to_json(self) -> str:
        """Return canonical JSON: the same manifest always gives the same text."""
        return json.dumps(
            self.document(), sort_keys=True, separators=(",", ":"), ensure_ascii=False
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Parse and validate; raise InvalidManifest with the first fault in one sentence."""
        try:
            return cls.model_validate_json(text, strict=True)
        except ValidationError as error:
            raise InvalidManifest(_first_fault(error)) from None


def label_fault(label: str) -> str | None:
    """Say what is wrong with a label; None if nothing is."""
    if 0 < len(label) <= MAX_LABEL_LENGTH and label.isprintable():
        return None
    return f"expected 1 to {MAX_LABEL_LENGTH} printable characters, found {label[:60]!r}"


def _check_scalar(key: str, value: object) -> None:
    """Raise ValueError for what no option may be; pydantic would name only one type of a union."""
    if not isinstance(value, str | int | float | None):
        raise ValueError(
            f"expected text, numbers, true, false or null, found {shown(value)} for {key[:80]!r}"
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"expected finite numbers, found {value} for {key[:80]!r}")


def _first_fault(error: ValidationError) -> str:
    """Describe the first of pydantic's errors in one sentence of our own form."""
    fault = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in fault["loc"])
    where = f"manifest field '{field[:80]}'" if field else "manifest"
    match fault["type"]:
        case "missing":
            return f"{where}: expected a value, found none"
        case "extra_forbidden":
            return f"{where}: expected no field of this name, found {shown(fault['input'])}"
        case "value_error":  # from a validator above, whose message is complete
            return f"{where}: {fault['ctx']['error']}"
        case "json_invalid":
            return f"{where}: expected valid JSON, found a fault: {fault['ctx']['error']}"
    # pydantic's "Input should be greater than 0" and "List should have at least 1 item"
    rule = re.sub(r"^\w+ should (?=\w)", "to ", fault["msg"]).removeprefix("to be ")
    return f"{where}: expected {rule}, found {shown(fault['input'])}"
