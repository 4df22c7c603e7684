"""The one choice in a checkpoint that fits every parameter of a model, copied into it."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from timm.models.eva import Eva
from timm.models.eva import checkpoint_filter_fn as filter_eva
from timm.models.swin_transformer import SwinTransformer
from timm.models.swin_transformer import checkpoint_filter_fn as filter_swin
from timm.models.vision_transformer import checkpoint_filter_fn as filter_vit
from torch import Tensor, nn

from facet_vision.backbone.errors import BackboneError
from facet_vision.backbone.identity import WITH_PROMPTS, classifier_prefixes

from . import causes, huggingface
from .choices import Choice, choices
from .reading import read
from .resampling import npz_shapes, resampled

LEFT_OUT = ("fc.", "classifier.", "pre_logits.")
"""Heads on top that files for networks with prompts may have, beside the networks' own."""

ONLY_IN_PRETRAINING = ("decoder_", "mask_token")
"""What does not enter the features."""

Filter = Callable[[dict[str, Tensor], Any], dict[str, Tensor]]


@dataclass
class Fit:
    """A choice by the model's names, at its sizes, and how far it fits.

    Attributes:
        choice: what was looked at.
        source: the choice by timm's names, at the sizes of the file.
        found: what belongs to the backbone, at the model's sizes.
        missing, unknown: names of the model that are not there, and names that it does not have
            or has in another shape.
    """

    choice: Choice
    source: dict[str, Tensor]
    found: dict[str, Tensor]
    missing: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    @property
    def faults(self) -> int:
        """How many tensors do not fit."""
        return len(self.missing) + len(self.unknown)


def load_checkpoint(model: Any, path: Path) -> str:
    """Copy the weights of a file into a model.

    Returns:
        What was resampled, in words; "" where nothing was.

    Raises:
        BackboneError: there is no such file, or it does not hold this model's weights, once.
    """
    if path.suffix == ".npz" and path.is_file():
        return _load_npz(model, path)
    return fill(model, read(path), path.name)


def fill(model: Any, content: Mapping[str, Any], source: str) -> str:
    """Copy the one choice of a checkpoint's content that fits into a model; as `load_checkpoint`.

    Args:
        content: tensors by name, perhaps in tables within tables.
        source: the name of the file that an error reports.
    """
    found = choices(content)
    if not found:
        raise BackboneError(f"checkpoint {source}: expected tensors by name, found none")
    fits = [_fit(choice, model) for choice in found]
    fitting = _distinct([fit for fit in fits if not fit.faults])
    fitting = [fit for fit in fitting if fit.choice.is_average] or fitting
    if not fitting:
        raise BackboneError(f"checkpoint {source}: {_refusal(fits, model)}")
    if len(fitting) > 1:
        places = " and ".join(fit.choice.place or "the top" for fit in fitting)
        raise BackboneError(
            f"checkpoint {source}: expected the weights of one network, found different ones at "
            f"{places}; save those you mean in a file of their own"
        )
    # torch's own strict loading would insist on classifiers and batch counters
    model.load_state_dict(fitting[0].found, strict=False)
    shapes = {name: tuple(value.shape) for name, value in fitting[0].source.items()}
    return resampled(shapes, model)


def check_finite(model: nn.Module, source: str) -> None:
    """Raise BackboneError if a weight of the backbone is infinite or not a number."""
    for name, value in _backbone_weights(model.state_dict(), model).items():
        # the sum tells for all, without a mask as large as the tensor; it may overflow
        if value.is_floating_point() and not value.sum().isfinite() and not _all_finite(value):
            raise BackboneError(f"{source}: expected finite weights, found others in {name}")


def _all_finite(value: Tensor) -> bool:
    return bool(value.isfinite().all())


def _load_npz(model: Any, path: Path) -> str:
    """Fill a ViT from Google's names and layouts; timm knows them."""
    try:
        model.load_pretrained(str(path))
        return resampled(npz_shapes(path), model)
    except Exception as error:  # damaged files raise whatever numpy raises
        raise BackboneError(
            f"checkpoint {path.name}: expected weights that can be read, found: {error}"
        ) from error


def _fit(choice: Choice, model: Any) -> Fit:
    state = choice.state
    source = huggingface.timm_names(state) if huggingface.is_huggingface(state) else dict(state)
    try:
        with warnings.catch_warnings():
            # torch's, about how timm interpolates the biases of windows
            warnings.simplefilter("ignore", UserWarning)
            converted = _filter(model)(dict(source), model)
    except Exception:  # timm's filters expect another layout than this, each in its own way
        converted = source
    expected, found = (
        _backbone_weights(model.state_dict(), model),
        _backbone_weights(converted, model),
    )
    return Fit(choice, source, found, _missing(expected, found), _unknown(expected, found))


def _filter(model: Any) -> Filter:
    """Return timm's converter of other layouts and sizes, for this model as timm chooses it."""
    if isinstance(model, SwinTransformer):
        return filter_swin
    if isinstance(model, Eva):
        return filter_eva
    if type(model) not in WITH_PROMPTS:
        own = import_module(type(model).__module__)
        return getattr(own, "checkpoint_filter_fn", lambda state, _: state)
    name = str((getattr(model, "pretrained_cfg", None) or {}).get("architecture", ""))
    if "flexi" in name or "radio" in name:
        return partial(
            filter_vit, adapt_layer_scale=True, interpolation="bilinear", antialias=False
        )
    return partial(filter_vit, adapt_layer_scale=True)


def _distinct(fits: list[Fit]) -> list[Fit]:
    """Keep one of several choices of the same weights."""
    kept: list[Fit] = []
    for fit in fits:
        if not any(_same(fit.found, other.found) for other in kept):
            kept.append(fit)
    return kept


def _same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def _refusal(fits: list[Fit], model: nn.Module) -> str:
    """Say what the best choice lacks, and what most likely is the cause."""
    nearest = min(fits, key=lambda fit: fit.faults)
    first = (nearest.missing + nearest.unknown)[0]
    what = (
        f"{len(nearest.missing)} tensors missing, "
        f"{len(nearest.unknown)} unknown or of another shape: {first}"
    )
    everything = {name: value for fit in fits for name, value in fit.choice.state.items()}
    why = causes.of_the_file(everything) or causes.of_the_architecture(
        _backbone_weights(model.state_dict(), model), nearest.found
    )
    return f"expected the weights of this architecture, found {what}{f' ({why})' if why else ''}"


def _backbone_weights(state: Mapping[str, Any], model: nn.Module) -> dict[str, Tensor]:
    """Select the tensors of a state that belong to the backbone, not to a classifier on top."""
    left_out = (*classifier_prefixes(model), *ONLY_IN_PRETRAINING)
    if type(model) in WITH_PROMPTS:
        left_out = (*left_out, *LEFT_OUT)
    return {
        name: value
        for name, value in state.items()
        if isinstance(value, Tensor) and not name.startswith(left_out)
    }


def _missing(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[str]:
    """List the names that a checkpoint lacks.

    BatchNorm's batch counter does not enter the forward, so files may leave it out.
    """
    absent = [name for name in expected if name not in found]
    return [name for name in absent if not name.endswith("num_batches_tracked")]


def _unknown(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[str]:
    """List the names whose tensor the model does not have, or has of another shape or kind."""
    return [
        name
        for name, value in found.items()
        if name not in expected
        or value.shape != expected[name].shape
        or (expected[name].is_floating_point() and not causes.holds_numbers(value))
    ]
