"""When an image is of none of a task's labels: what the manifest states, and names of tensors."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

PREFIX = "distance."
PARTS = ("directions", "means", "scale")
"""Tensors of the distance that the threshold is for; their names in a file begin with `PREFIX`."""


class Threshold(BaseModel):
    """The largest distance from a task's classes at which an image is given a label.

    `score` says what is compared: the file's `Distance`. A `share` of images like the task's own is
    within `value`, by the distances of so many `images` that were not learned from: the held-out
    ones, and where these were few also training images, each under a distance of the others; or the
    examples of an instant task, each left out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    score: Literal["distance"]
    value: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    share: Annotated[float, Field(gt=0, lt=1)]
    images: Annotated[int, Field(ge=1)]
    source: Literal["held-out", "cross-validation", "leave-one-out"]
