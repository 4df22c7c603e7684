"""Which names of timm are supported, and which of them with prompts."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from timm.models import (
    get_pretrained_cfg,
    is_model_in_modules,
    list_models,
    model_entrypoint,
)

from . import tiny

PROMPTED = {
    *("vision_transformer", "vision_transformer_hybrid", "vitamin", "deit"),
    *("eva", "swin_transformer", "tiny"),
}
"""Modules of timm's registry whose models take prompts; those of all others give features alone."""

UNSERVED = {"efficientvit_msra", "shvit"}
"""Modules whose models do not tell their classifier from their features in timm's way."""

REFUSED = frozenset(
    {
        "vit_base_patch16_18x2_224",
        "vit_base_patch16_rpn_224",
        "vit_base_patch16_xp_224",
        "vit_dlittle_patch16_reg1_gap_256",
        "vit_dpwee_patch16_reg1_gap_256",
        "vit_dwee_patch16_reg1_gap_256",
        "vit_huge_patch14_xp_224",
        "vit_large_patch14_xp_224",
        "vit_pwee_patch16_reg1_gap_256",
        "vit_small_patch16_18x2_224",
    }
)
"""Models of the first with parallel, differential or post-normed blocks; a test builds all."""

FAMILIES = (
    ("dinov3", "DINOv3"),
    ("dinov2", "DINOv2"),
    (".dino", "DINO"),
    ("vit_pe_", "PE"),
    ("eva02", "EVA-02"),
    ("eva_", "EVA"),
    ("_rope_", "RoPE-ViT"),
    ("lingbot", "LingBot"),
    ("sapiens2", "Sapiens2"),
    ("vitamin", "ViTamin"),
    ("siglip", "SigLIP"),
    ("tipsv2", "TIPS v2"),
    ("clip", "CLIP"),
    ("aimv2", "AIMv2"),
    ("beit3", "BEiT-3"),
    ("radio", "RADIO"),
    ("ijepa", "I-JEPA"),
    ("intern300m", "InternViT"),
    (".mae", "MAE"),
    ("flexivit", "FlexiViT"),
    ("deit3", "DeiT-3"),
    ("deit", "DeiT"),
    ("swin", "Swin"),
)
"""A part of a name that takes prompts, and what it is called; the first that fits, else ViT."""


@dataclass(frozen=True)
class Supported:
    """One name that `load` takes.

    Attributes:
        image_size: height and width in pixels.
        pretrained: whether the name has weights; one without needs a checkpoint.
        prompts: whether its tasks may have prompts and adaptations; else they are heads alone.
    """

    name: str
    family: str
    image_size: tuple[int, int]
    pretrained: bool
    prompts: bool


def supported(pattern: str = "*") -> list[Supported]:
    """List the names that match a shell pattern; one without wildcards matches as a part."""
    if not set(pattern) & set("*?["):
        pattern = f"*{pattern}*"
    return [each for each in [*_own(), *_of_timm()] if fnmatchcase(each.name, pattern)]


def _own() -> list[Supported]:
    found = []
    for name, timm_name in tiny.NAMES.items():
        height, width = tiny.default_cfgs[timm_name].default.input_size[1:]
        found.append(Supported(name, "Facet", (height, width), name == "facet-tiny", True))
    return found


def _of_timm() -> list[Supported]:
    released = list_models(pretrained=True)
    with_weights = {name.partition(".")[0] for name in released}
    names = [*released, *(name for name in list_models() if name not in with_weights)]
    own = tiny.NAMES.values()
    chosen = [name for name in names if is_supported(name) and name not in own]
    return sorted((_described(name) for name in chosen), key=_by_name)


def is_supported(name: str) -> bool:
    """Whether a name that timm knows, with or without a tag, may be loaded."""
    architecture = name.partition(".")[0]
    return architecture not in REFUSED and not is_model_in_modules(architecture, UNSERVED)


def _described(name: str) -> Supported:
    architecture = name.partition(".")[0]
    prompts = is_model_in_modules(architecture, PROMPTED)
    if prompts:
        family = next((family for part, family in FAMILIES if part in name), "ViT")
    else:
        family = model_entrypoint(architecture).__module__.rpartition(".")[2]
    config = get_pretrained_cfg(name)
    height, width = config.input_size[1:]
    return Supported(name, family, (height, width), bool(config.has_weights), prompts)


def _by_name(one: Supported) -> tuple[bool, str, str]:
    return not one.prompts, one.family, one.name
