"""Loading of backbones: by name, from a checkpoint file, or from a timm model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models import is_model
from timm.models.eva import Eva
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from facet_vision.backbone.execution.native import has_bfloat16

from . import sources, tiny
from .backbone import Backbone
from .checkpoints import check_finite, fill, load_checkpoint
from .errors import BackboneError, UnsupportedBackbone
from .families import (
    EvaFamily,
    Family,
    FeaturesFamily,
    SwinTransformerFamily,
    VisionTransformerFamily,
)
from .supported import is_supported
from .variation import resampled_positions, set_pool, set_size, size_argument

FAMILIES: dict[type[nn.Module], Callable[[Any], Family]] = {
    VisionTransformer: VisionTransformerFamily,
    Eva: EvaFamily,
    SwinTransformer: SwinTransformerFamily,
}
EMBEDDED = "facet-tiny"
EXECUTIONS = ("auto", "plain", "packed")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def load(
    name: str,
    *,
    checkpoint: str | Path | None = None,
    pretrained: bool = True,
    pool: str | None = None,
    image_size: int | tuple[int, int] | None = None,
    device: str = "auto",
    dtype: str = "float32",
    execution: str = "plain",
) -> Backbone:
    """Load a backbone by name.

    Args:
        name: "facet-tiny" (embedded, needs no network), its siblings "facet-nano" and "facet-small"
            (which need a checkpoint) or a timm model name, with or without a pretrained tag; also
            `timm/NAME`, `hf-hub:OWNER/NAME` and `local-dir:FOLDER`.
        checkpoint: a local weight file (.safetensors, .pth, .bin or a ViT's .npz) instead of
            downloaded weights.
        pretrained: False for random weights.
        pool: "token", "avg" or "map", where the network can; None for its own.
        image_size: height and width in pixels, or one number for both; None for the network's own.
            Positions are resampled to it as timm does.
        device: "auto" (a CUDA device where there is one), or a torch device.
        dtype: "float32", "bfloat16", "float16", or "auto": bfloat16 where the device multiplies in
            it, else float32.
        execution: "plain", "packed" (see `Backbone.pack`), or "auto": packed where that is possible
            and measured to be faster.

    Raises:
        UnsupportedBackbone: unknown to timm, or with parts that have no verified forward here.
        BackboneError: the weights cannot be found or do not fit, the network cannot pool so or take
            images of that size, or the device lacks the precision or the execution.
    """
    if execution not in EXECUTIONS:
        raise BackboneError(f"execution: expected {', '.join(EXECUTIONS)}, found {execution!r}")
    source = sources.find(tiny.NAMES.get(name, name))
    _check_name(name, source.architecture)
    if name in tiny.NAMES and pretrained and checkpoint is None:
        checkpoint = _shipped(name)
    wanted = pretrained and checkpoint is None
    # timm loads its registry's releases; what a foreign file lacks it would leave random.
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    download = wanted and not source.is_foreign
    model = _create(source.timm_name, name, download, **size_argument(source.architecture, size))
    set_size(model, size)
    resampled = resampled_positions(model) if download and size is not None else ""
    if checkpoint is not None:
        resampled = load_checkpoint(model, Path(checkpoint))
    elif wanted and source.is_foreign:
        resampled = _fill_from(source, model, name)
    check_finite(model, f"backbone {name!r}" if checkpoint is None else f"checkpoint {checkpoint}")
    set_pool(model, pool)
    backbone = wrap(model, name=name, device=device, dtype=dtype)
    backbone.resampled = resampled
    if execution == "packed":
        backbone.pack()
    elif execution == "auto":
        backbone.pack_if_faster()
    return backbone


def wrap(
    timm_model: nn.Module, *, name: str | None = None, device: str = "auto", dtype: str = "float32"
) -> Backbone:
    """Make a backbone of a timm model that the caller built; the model is frozen in place.

    Raises:
        UnsupportedBackbone: a part of the model has no verified forward here, or it is no image
            network of timm.
    """
    family = family_of(timm_model)
    config: Any = getattr(timm_model, "pretrained_cfg", None) or {}
    name = name or config.get("architecture") or type(timm_model).__name__
    place = _device(device)
    return Backbone(name, timm_model, family, place, _dtype(dtype, place))


def family_of(timm_model: nn.Module) -> Family:
    """Return the prompted forward of a model, else the one for its features alone.

    Raises:
        UnsupportedBackbone: it has neither.
    """
    channels = getattr(timm_model, "in_chans", 3)
    if channels != 3:
        raise UnsupportedBackbone(f"backbone channels: expected 3, found {channels}")
    for kind, family in FAMILIES.items():
        if isinstance(timm_model, kind):
            return family(timm_model)
    return FeaturesFamily(timm_model)


def _shipped(name: str) -> Path:
    if name != EMBEDDED:
        raise BackboneError(
            f"checkpoint: expected a file of weights for {name}, which do not ship, found none; "
            f"facet pretrain --model {name} makes one"
        )
    return tiny.WEIGHTS


def _check_name(name: str, architecture: str) -> None:
    if not is_model(architecture):
        hint = f" (a repository of the hub is {sources.HUB}{name})" if "/" in name else ""
        raise UnsupportedBackbone(
            f"backbone: expected one of facet-tiny and timm's names, found {name!r}, "
            f"which timm does not know{hint}"
        )
    if not is_supported(architecture):
        raise UnsupportedBackbone(
            f"backbone: expected one of the names that `facet backbones` lists, found {name!r}"
        )


def _create(model_name: str, name: str, download: bool, **size: Any) -> nn.Module:
    """Create timm's model without a classifier; `name` is the one that an error reports."""
    try:
        return timm.create_model(model_name, pretrained=download, num_classes=0, **size)
    except Exception as error:  # timm and the hub raise many kinds, most for want of weights
        if size and not download:
            raise BackboneError(
                f"image_size: expected one that {name!r} takes, found {size['img_size']} ({error})"
            ) from error
        raise _no_weights(name, error) from error


def _fill_from(source: sources.Source, model: nn.Module, name: str) -> str:
    try:
        weights = source.weights()
    except BackboneError:
        raise
    except Exception as error:  # as above
        raise _no_weights(name, error) from error
    return fill(model, weights, f"of {name}")


def _no_weights(name: str, error: Exception) -> BackboneError:
    return BackboneError(
        f"backbone {name!r}: its pretrained weights cannot be loaded here ({error}); "
        "name a local file as its checkpoint"
    )


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.ones(1).to(device).cpu()  # torch finds out whether there is such a device only now
    except Exception as error:  # each kind of device is missing in its own way
        why = str(error).partition("\n")[0].partition(". ")[0][:80]
        raise BackboneError(
            f"device: expected auto, cpu or a device of this machine, found {name!r} ({why})"
        ) from error
    return device


def _dtype(name: str, device: torch.device) -> torch.dtype:
    if name == "auto":
        return torch.bfloat16 if has_bfloat16(device) else torch.float32
    if name not in DTYPES:
        raise BackboneError(f"dtype: expected auto, {', '.join(DTYPES)}, found {name!r}")
    return DTYPES[name]
