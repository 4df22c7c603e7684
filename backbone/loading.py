"""Loading of backbones: by name, from a checkpoint file, or from a timm model."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models import is_model, is_model_in_modules, load_state_dict
from timm.models.swin_transformer import SwinTransformer
from timm.models.swin_transformer import checkpoint_filter_fn as filter_swin
from timm.models.vision_transformer import VisionTransformer
from timm.models.vision_transformer import checkpoint_filter_fn as filter_vit
from torch import Tensor, nn

from facet_vision.backbone.execution.native import has_bfloat16

from . import tiny
from .backbone import Backbone, Family
from .errors import BackboneError, UnsupportedBackbone
from .identity import CLASSIFIER_PREFIXES
from .swin import SwinTransformerFamily
from .vit import VisionTransformerFamily

FAMILIES: dict[type[nn.Module], Callable[[Any], Family]] = {
    VisionTransformer: VisionTransformerFamily,
    SwinTransformer: SwinTransformerFamily,
}
MODULES = {"vision_transformer", "deit", "swin_transformer", "tiny"}
"""Modules of timm's registry whose models may be loaded."""

SUPPORTED = (
    "facet-tiny, ViT, DeiT, DeiT-3, CLIP, DINO, DINOv2, MAE and SigLIP as timm's "
    "VisionTransformer, and Swin"
)
EMBEDDED = "facet-tiny"
EXECUTIONS = ("auto", "plain", "packed")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def load(
    name: str,
    *,
    checkpoint: str | Path | None = None,
    pretrained: bool = True,
    device: str = "auto",
    dtype: str = "float32",
    execution: str = "plain",
) -> Backbone:
    """Load a backbone by name.

    Args:
        name: "facet-tiny" (embedded, needs no network) or a timm model name, with or without a
            pretrained tag.
        checkpoint: a local weight file (.safetensors, .pth, .bin or a ViT's .npz) instead of
            downloaded weights.
        pretrained: False for random weights.
        device: "auto" (a CUDA device where there is one), or a torch device.
        dtype: "float32", "bfloat16", "float16", or "auto": bfloat16 where the device multiplies in
            it, else float32.
        execution: "plain", "packed" (see `Backbone.pack`), or "auto": packed where that is possible
            and measured to be faster.

    Raises:
        UnsupportedBackbone: unknown to timm, or without a prompted forward here.
        BackboneError: the weights cannot be found or do not fit, or the device lacks the precision
            or the execution.
    """
    if execution not in EXECUTIONS:
        raise BackboneError(f"execution: expected {', '.join(EXECUTIONS)}, found {execution!r}")
    model_name = "facet_tiny" if name == EMBEDDED else name
    _check_name(model_name)
    if name == EMBEDDED and pretrained and checkpoint is None:
        checkpoint = tiny.WEIGHTS
    model = _create(model_name, name, download=pretrained and checkpoint is None)
    if checkpoint is not None:
        _load_checkpoint(model, Path(checkpoint))
    backbone = wrap(model, name=name, device=device, dtype=dtype)
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
        UnsupportedBackbone: the model's family has no prompted forward here.
    """
    for kind, family in FAMILIES.items():
        if isinstance(timm_model, kind):
            config = getattr(timm_model, "pretrained_cfg", {})
            name = name or config.get("architecture") or kind.__name__
            place = _device(device)
            return Backbone(name, timm_model, family(timm_model), place, _dtype(dtype, place))
    raise UnsupportedBackbone(
        f"backbone: expected one of {SUPPORTED}, found {type(timm_model).__name__}"
    )


def _check_name(name: str) -> None:
    if not is_model(name.partition(".")[0]):
        raise UnsupportedBackbone(
            f"backbone: expected one of {SUPPORTED}, found {name!r}, which timm does not know"
        )
    if not is_model_in_modules(name.partition(".")[0], MODULES):
        raise UnsupportedBackbone(f"backbone: expected one of {SUPPORTED}, found {name!r}")


def _create(model_name: str, name: str, *, download: bool) -> nn.Module:
    """Create timm's model without a classifier; `name` is the one that an error reports."""
    try:
        return timm.create_model(model_name, pretrained=download, num_classes=0)
    except Exception as error:  # timm and the hub raise many kinds, all for want of weights
        raise BackboneError(
            f"backbone {name!r}: its pretrained weights cannot be loaded here ({error}); "
            "name a local file as its checkpoint"
        ) from error


def _load_checkpoint(model: Any, path: Path) -> None:
    if not path.is_file():
        raise BackboneError(f"checkpoint: expected a file, found nothing at {path}")
    try:
        if path.suffix == ".npz":
            model.load_pretrained(str(path))  # Google's names and layouts; timm fills the model
            return
        state = load_state_dict(str(path), device="cpu", weights_only=True)
    except Exception as error:  # damaged files raise whatever their format's reader raises
        raise BackboneError(
            f"checkpoint {path.name}: expected weights that can be read, found: {error}"
        ) from error
    convert = filter_swin if isinstance(model, SwinTransformer) else filter_vit
    _fill(model, convert(state, model), path.name)


def _fill(model: nn.Module, state: Mapping[str, Any], source: str) -> None:
    """Copy a checkpoint's weights into the model; raise BackboneError unless they are all its own.

    torch's own strict loading cannot be used: it would insist on classifiers and batch counters.
    """
    expected = _backbone_weights(model.state_dict())
    found = _backbone_weights(state)
    missing = _missing(expected, found)
    unknown = _unknown(expected, found)
    if missing or unknown:
        what = f"{len(missing)} tensors missing, {len(unknown)} unknown or of another shape"
        first = (missing + unknown)[0]
        raise BackboneError(
            f"checkpoint {source}: expected the weights of this architecture, found {what}: {first}"
        )
    model.load_state_dict(found, strict=False)


def _backbone_weights(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Select the tensors of a state that belong to the backbone, not to a classifier on top."""
    return {
        name: value
        for name, value in state.items()
        if isinstance(value, Tensor) and not name.startswith(CLASSIFIER_PREFIXES)
    }


def _missing(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[str]:
    """List the names that a checkpoint lacks.

    BatchNorm's batch counter does not enter the forward, so files may leave it out.
    """
    absent = [name for name in expected if name not in found]
    return [name for name in absent if not name.endswith("num_batches_tracked")]


def _unknown(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[str]:
    """List the names whose tensor the model does not have, or has in another shape."""
    shapes = {name: value.shape for name, value in expected.items()}
    return [name for name, value in found.items() if value.shape != shapes.get(name)]


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
