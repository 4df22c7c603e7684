"""What the manifest of an instant task says of its examples."""

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

InstantKind = Literal["ncm", "knn", "lda"]
"""Nearest class mean, nearest neighbours, linear discriminant analysis."""

INSTANT_KINDS: tuple[InstantKind, ...] = get_args(InstantKind)

MAX_EXAMPLES = 10_000
"""Most examples of a task: each version of it holds the features of all of them."""

NEIGHBOURS = 20
"""How many vote unless a task says otherwise, as in Caron et al. 2021; see `neighbours`."""

MAX_NEIGHBOURS = 1000

ID_BYTES = 8
"""Bytes of an example's id: the first ones of the sha256 of its image's file."""


class ExampleFacts(BaseModel):
    """What belongs to the features of an instant task's examples.

    `counts` says how many examples each label has, in the order of the labels, in which the
    features stand as well. Logits are multiplied by `scale`, or for nearest neighbours the
    similarities are. `neighbours` is how many of the nearest vote, and null of other kinds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    counts: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    neighbours: Annotated[int, Field(ge=1, le=MAX_NEIGHBOURS)] | None = None
