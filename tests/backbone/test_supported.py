"""The list of supported names is what the code supports, for every architecture of the registry."""

import pytest
import timm
import torch
from timm.models import is_model_in_modules, list_models, list_modules

from facet_vision import backbone
from facet_vision.backbone.families import FeaturesFamily
from facet_vision.backbone.identity import classifier_prefixes
from facet_vision.backbone.loading import FAMILIES
from facet_vision.backbone.supported import PROMPTED, UNSERVED, supported
from facet_vision.backbone.tiny import NAMES


def is_accepted(architecture: str) -> bool:
    """Whether a family takes the network; one block of each stage tells, without memory."""
    depth = {"depths": (1, 1, 1, 1)} if architecture.startswith("swin") else {"depth": 1}
    if "sapiens2" in architecture:  # has a setting for each of its layers
        depth = {}
    with torch.device("meta"):
        model = timm.create_model(architecture, num_classes=0, **depth)
    try:
        next(family for kind, family in FAMILIES.items() if isinstance(model, kind))(model)
    except (backbone.UnsupportedBackbone, StopIteration):
        return False
    return True


def test_every_architecture_is_listed_that_a_family_takes() -> None:
    names = [name for name in list_models() if is_model_in_modules(name, PROMPTED)]
    accepted = {name for name in names if is_accepted(name)}
    listed = {each.name.partition(".")[0] for each in supported() if each.prompts}
    assert listed == accepted - set(NAMES.values()) | NAMES.keys()
    assert {"vit_base_patch16_224", "swin_tiny_patch4_window7_224"} < listed
    assert len(accepted) < len(names)


def test_all_other_names_are_listed_for_heads_alone() -> None:
    of_prompts = {name for name in list_models() if is_model_in_modules(name, PROMPTED)}
    refused = {name for name in list_models() if is_model_in_modules(name, UNSERVED)}
    listed = {each.name.partition(".")[0] for each in supported() if not each.prompts}
    assert listed == {*list_models()} - of_prompts - refused
    assert {"resnet50", "convnext_tiny", "efficientnet_b0", "hiera_tiny_224"} < listed


@pytest.mark.slow
def test_a_network_of_every_module_gives_features() -> None:
    for module in list_modules():
        names = list_models(module=module)
        if not names or module in PROMPTED | UNSERVED:
            continue
        with torch.device("meta"):
            model = timm.create_model(min(names, key=len), num_classes=0).eval()
            assert not isinstance(model, tuple(FAMILIES)), module
            family = FeaturesFamily(model)
            size = timm.data.resolve_data_config(model=model)["input_size"]
            found = family.features_tokens(torch.zeros(1, *size), ())
        assert found.shape == (1, family.feature_dim), module
        assert classifier_prefixes(model) is not None


def test_a_pattern_chooses_and_a_word_is_a_part() -> None:
    assert {each.name for each in supported("swin_tiny*in1k")} == {
        "swin_tiny_patch4_window7_224.ms_in1k",
        "swin_tiny_patch4_window7_224.ms_in22k_ft_in1k",
    }
    assert supported("dinov2") == supported("*dinov2*")
    assert supported("facet-tiny") == supported("facet-?iny")
    assert supported("shvit") == []


@pytest.mark.parametrize(
    ("name", "family", "size", "pretrained", "prompts"),
    [
        ("facet-tiny", "Facet", (48, 48), True, True),
        ("facet-nano", "Facet", (48, 48), False, True),
        ("vit_base_patch14_dinov2.lvd142m", "DINOv2", (518, 518), True, True),
        ("vit_base_patch16_224.dino", "DINO", (224, 224), True, True),
        ("vit_base_patch16_dinov3.lvd1689m", "DINOv3", (256, 256), True, True),
        ("vit_pe_core_base_patch16_224.fb", "PE", (224, 224), True, True),
        ("eva02_base_patch14_448.mim_in22k_ft_in1k", "EVA-02", (448, 448), True, True),
        ("vit_small_patch16_rope_mixed_224.naver_in1k", "RoPE-ViT", (224, 224), True, True),
        ("vit_base_patch16_siglip_384.webli", "SigLIP", (384, 384), True, True),
        ("deit3_small_patch16_384.fb_in1k", "DeiT-3", (384, 384), True, True),
        ("resnet50.a1_in1k", "resnet", (224, 224), True, False),
        ("vit_base_patch16_plus_240", "ViT", (240, 240), False, True),
    ],
)
def test_a_name_is_described(
    name: str, family: str, size: tuple[int, int], pretrained: bool, prompts: bool
) -> None:
    (found,) = [each for each in supported(name) if each.name == name]
    assert (found.family, found.image_size, found.pretrained) == (family, size, pretrained)
    assert found.prompts is prompts
