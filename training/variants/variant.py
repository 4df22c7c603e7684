"""Prompt variants: the switches of the paper's ablations.

`Variant.check` says which of them can be combined.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facet_vision.training.errors import TrainingError

PROMPTED = ("vpt-shallow", "vpt-deep")
"""The methods that a variant can start from."""

INPUT_ONLY = frozenset({"prepend-pixel", "pad", "below"})
"""Locations in pixel space: there is no deep form of them."""

PROTOTYPES = frozenset({"final-cls", "cls-nolastl", "cls-nofirstl"})
"""Initial values that come from the class tokens of the training images."""


class Variant(BaseModel):
    """What a variant changes about vpt-shallow or vpt-deep.

    See section 4.4 and the appendix of Jia et al. 2022.

    Attributes:
        location: where the prompts enter: as tokens ("prepend"), added to each token ("add") or all
            tokens alike ("add-1"), as pixels turned into tokens ("prepend-pixel"), as a frame of
            pixels ("pad"), or as more channels of the image ("below").
        depth: number of layers that get prompts of their own; None for those of the method.
        direction: whether these layers are the first or the last ones.
        beyond: what happens to the prompts behind the last prompted layer: they "propagate" as
            ordinary tokens, or are dropped.
        pooling: which tokens of the last layer make the feature; "backbone" for those that the
            backbone itself pools.
        init: initial values; "final-cls", "cls-nolastl" and "cls-nofirstl" are described in
            `prototypes`.
        shared: one set of prompts for all layers.
        projection: width of the prompts, in front of one linear layer to the layers' width; None
            for prompts of the layers' width.
        dropout: share of the prompts' numbers that are dropped in training, for each image anew.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    location: Literal["prepend", "add", "add-1", "prepend-pixel", "pad", "below"] = "prepend"
    depth: Annotated[int, Field(ge=1)] | None = None
    direction: Literal["bottom-up", "top-down"] = "bottom-up"
    beyond: Literal["propagate", "drop"] = "propagate"
    pooling: Literal["backbone", "cls", "image", "prompt", "all"] = "backbone"
    init: Literal["uniform", "normal", "zero", "final-cls", "cls-nolastl", "cls-nofirstl"] = (
        "uniform"
    )
    shared: bool = False
    projection: Annotated[int, Field(ge=1)] | None = None
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @property
    def needs_prototypes(self) -> bool:
        """Whether the initial values come from the training images."""
        return self.init in PROTOTYPES

    def changes(self) -> dict[str, Any]:
        """Return the switches that differ from their defaults."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def check(self, method: str, layers: int) -> None:
        """Check the switches.

        Raises:
            TrainingError: they contradict each other, the method, or the number of layers.
        """
        if method not in PROMPTED:
            expected = f"one of {', '.join(PROMPTED)} for a prompt variant"
            raise TrainingError(f"method: expected {expected}, found {method!r}")
        if self.depth is not None and self.depth > layers:
            raise TrainingError(
                f"depth: expected at most {layers}, the layers of the backbone, found {self.depth}"
            )
        self._check_shallow(method)
        self._check_location(method)
        self._check_init()

    def _check_shallow(self, method: str) -> None:
        """Check the switches that are about several prompted layers."""
        changes = self.changes()
        several = {"depth", "direction", "beyond", "shared"} & changes.keys()
        if method == "vpt-shallow" and several:
            name = min(several)
            raise TrainingError(
                f"{name}: expected no value for vpt-shallow, found {changes[name]!r}"
            )

    def _check_location(self, method: str) -> None:
        if self.location in INPUT_ONLY and method != "vpt-shallow":
            raise TrainingError(
                f"method: expected vpt-shallow for location {self.location}, found {method!r}"
            )
        others = self.changes().keys() - {"location", "init"}
        if self.location != "prepend" and others:
            name = min(others)
            raise TrainingError(
                f"location: expected prepend where {name} is given, found {self.location}"
            )

    def _check_init(self) -> None:
        if self.needs_prototypes and (self.location != "prepend" or self.projection):
            where = f"location {self.location}, width {self.projection}"
            raise TrainingError(
                f"init: expected {self.init} with prepended prompts of the layers' width, "
                f"found {where}"
            )


def make_variant(**switches: Any) -> Variant:
    """Make a variant.

    Raises:
        TrainingError: a value is not one of its switch.
    """
    try:
        return Variant.model_validate(switches)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        message = fault["msg"].replace("Input should be", "expected")
        raise TrainingError(f"{fault['loc'][0]}: {message}, found {fault['input']!r}") from error
