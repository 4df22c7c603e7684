"""Which names of timm are supported: the installed registry, less what has no prompted forward."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from timm.models import get_pretrained_cfg, is_model_in_modules, list_models

from .tiny import default_cfgs as tiny_cfgs

MODULES = {"vision_transformer", "deit", "eva", "swin_transformer", "tiny"}
"""Modules of timm's registry whose models may be loaded."""

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
"""Those of them whose blocks are parallel, differential or normed behind; a test builds all."""

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
"""A part of the name, and what it is called; the first that fits, else ViT."""


@dataclass(frozen=True)
class Supported:
    """One name that `load` takes.

    Attributes:
        image_size: height and width in pixels.
        pretrained: whether the name has weights; one without needs a checkpoint.
    """

    name: str
    family: str
    image_size: tuple[int, int]
    pretrained: bool


def supported(pattern: str = "*") -> list[Supported]:
    """List the names that match a shell pattern; one without wildcards matches as a part."""
    if not set(pattern) & set("*?["):
        pattern = f"*{pattern}*"
    height, width = tiny_cfgs["facet_tiny"].default.input_size[1:]
    tiny = Supported("facet-tiny", "Facet", (height, width), True)
    return [each for each in [tiny, *_of_timm()] if fnmatchcase(each.name, pattern)]


def _of_timm() -> list[Supported]:
    released = list_models(pretrained=True)
    with_weights = {name.partition(".")[0] for name in released}
    names = [*released, *(name for name in list_models() if name not in with_weights)]
    return sorted((_described(name) for name in names if _is_supported(name)), key=_by_name)


def _is_supported(name: str) -> bool:
    architecture = name.partition(".")[0]
    own = architecture == "facet_tiny"
    return not own and architecture not in REFUSED and is_model_in_modules(architecture, MODULES)


def _described(name: str) -> Supported:
    family = next((family for part, family in FAMILIES if part in name), "ViT")
    config = get_pretrained_cfg(name)
    height, width = config.input_size[1:]
    return Supported(name, family, (height, width), bool(config.has_weights))


def _by_name(one: Supported) -> tuple[str, str]:
    return one.family, one.name
