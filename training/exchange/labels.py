"""The names of an imported head's outputs."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facet_vision.prompts_store.errors import shown
from facet_vision.training.errors import ExchangeError

FILE = "config.json"


@dataclass(frozen=True)
class Labels:
    """Names of outputs in their order, and whether an image may have several of them."""

    names: Sequence[str]
    several: bool = False


def given_labels(text: str) -> Labels:
    """Read names with commas between, or a file with a name in each line.

    Raises:
        ExchangeError: the file is no text.
    """
    if os.path.isfile(text):  # Path's asks the system, which refuses names as long as many labels
        try:
            lines = Path(text).read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            raise ExchangeError(
                f"labels: expected text in UTF-8, found other bytes in {text}"
            ) from None
        return Labels([line.strip() for line in lines if line.strip()])
    return Labels([name.strip() for name in text.split(",")])


def labels_beside(folder: Path) -> Labels:
    """Read the names from the `config.json` of `transformers` in a folder.

    Raises:
        ExchangeError: there is none, or it has no names.
    """
    try:
        config = json.loads((folder / FILE).read_bytes())
        found = {int(index): name for index, name in config["id2label"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise ExchangeError(
            "labels: expected names with commas between or a file with one in each line, or a "
            f"{FILE} with id2label in {folder}, found neither"
        ) from None
    if sorted(found) != list(range(len(found))):
        raise ExchangeError(
            f"{FILE}, id2label: expected the numbers from 0 to {len(found) - 1}, "
            f"found {shown(sorted(found))}"
        )
    several = config.get("problem_type") == "multi_label_classification"
    return Labels([_name(found[index]) for index in range(len(found))], several)


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise ExchangeError(f"{FILE}, id2label: expected names, found {shown(value)}")
    return value
