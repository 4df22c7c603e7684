"""The adaptation under which examples become features, borrowed from a task that has learned it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import safetensors.torch
from torch import Tensor

ORIGIN = "adaptation_"
"""How fields of a recipe begin that say where an adaptation is from."""


@dataclass(frozen=True, eq=False)
class Borrowed:
    """Prompts and parts of a task file, with where they are from.

    Attributes:
        prompts, parts: as in `TaskFile`; none for the bare backbone.
        origin: fields of the recipe; their names begin with `ORIGIN`.
    """

    prompts: tuple[Tensor, ...] = ()
    parts: Mapping[str, Tensor] = field(default_factory=dict)
    origin: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """A hash of all names and numbers, the same for the same adaptation."""
        named = {f"prompts.{layer}": prompt for layer, prompt in enumerate(self.prompts)}
        tensors = {name: each.contiguous() for name, each in (named | dict(self.parts)).items()}
        return hashlib.sha256(safetensors.torch.save(tensors)).hexdigest()


NOTHING = Borrowed()
"""Of examples under the bare backbone."""
