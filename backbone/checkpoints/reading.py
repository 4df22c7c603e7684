"""Tensors of a checkpoint file, nested as its writer saved them."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from facet_vision.backbone.errors import BackboneError

HARMLESS: list[Any] = [argparse.Namespace]
"""Plain holders of options, which training scripts save beside the weights."""


def read(path: Path) -> Mapping[str, Any]:
    """Read a .safetensors file, or a pickle as torch saves it; a pickle's code is never run.

    Raises:
        BackboneError: there is no such file, it is damaged, or it is a pickle of more than tensors.
    """
    if path.is_dir():
        raise BackboneError(f"checkpoint: expected a file, found a folder at {path}")
    if not path.is_file():
        raise BackboneError(f"checkpoint: expected a file, found nothing at {path}")
    try:
        content = load_file(path) if path.suffix == ".safetensors" else _unpickled(path)
    except Exception as error:  # damaged files raise whatever their format's reader raises
        raise BackboneError(
            f"checkpoint {path.name}: expected weights that can be read, found: {_reason(error)}"
        ) from error
    if not isinstance(content, Mapping):
        kind = type(content).__name__
        raise BackboneError(f"checkpoint {path.name}: expected tensors by name, found a {kind}")
    return content


def _unpickled(path: Path) -> Any:
    with torch.serialization.safe_globals(HARMLESS):
        return torch.load(path, map_location="cpu", weights_only=True)


def _reason(error: Exception) -> str:
    """Return the sentence of an error that says why; torch's advice around it is left out."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if line.startswith("WeightsUnpickler error:")]
    first = (told or lines or [type(error).__name__])[0]
    # what follows is how to load the file all the same, by code
    return first.removeprefix("WeightsUnpickler error: ").partition(" was not an allowed")[0][:200]
