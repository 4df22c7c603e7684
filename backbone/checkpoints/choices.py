"""The parts of a checkpoint that might be the network: nested tables, and prefixes of names."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

MAX_DEPTH = 3
"""Tables within tables that are looked into; `{"teacher": {"backbone": {...}}}` has two."""

ANCHORS = (
    "patch_embed.",
    "embeddings.patch_embeddings.",
    "visual.",
    "vision_encoder.",
    "beit3.",
    "preprocessor.patchifier.",
    "radio_model.",
)
"""How the names of a network start in one of the layouts that are understood."""

AVERAGES = ("ema",)
"""A word in the place of weights that are the running average of others in the file."""


@dataclass(frozen=True)
class Choice:
    """One part of a checkpoint.

    Attributes:
        place: where it stands in the file, such as `teacher/backbone.`; "" for the whole file.
        state: its tensors, by what is left of their names.
    """

    place: str
    state: dict[str, Tensor]

    @property
    def is_average(self) -> bool:
        """Whether its place says that it is a running average, which its writers evaluate."""
        parts = self.place.replace("/", "_").replace(".", "_").split("_")
        return any(word in parts for word in AVERAGES)


def choices(content: Mapping[str, Any]) -> list[Choice]:
    """List what might be the network: every table as it is, and behind every likely prefix."""
    return [
        Choice(f"{place}{prefix}", _behind(prefix, table))
        for place, table in _tables(content, "", MAX_DEPTH)
        for prefix in ["", *sorted(_prefixes(table))]
    ]


def _tables(
    content: Mapping[Any, Any], place: str, depth: int
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Yield the tensors of a table, then those of the tables in it."""
    tensors = {
        name: value
        for name, value in content.items()
        if isinstance(name, str) and isinstance(value, Tensor)
    }
    if tensors:
        yield place, tensors
    for name, value in content.items():
        if isinstance(value, Mapping) and depth:
            yield from _tables(value, f"{place}{name}/", depth - 1)


def _prefixes(table: Mapping[str, Tensor]) -> set[str]:
    found = set()
    for name in table:
        for anchor in ANCHORS:
            prefix, hit, _ = f".{name}".partition(f".{anchor}")
            if hit and prefix:
                found.add(f"{prefix[1:]}.")
    return found


def _behind(prefix: str, table: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value for name, value in table.items() if name.startswith(prefix)
    }
