"""Names of parts: what the backbone accepts is what a task file may hold, and the rest is named."""

import pytest
import torch
from torch import zeros

from facet_vision import backbone
from facet_vision.backbone import BackboneError
from facet_vision.backbone.adaptation import parts
from facet_vision.prompts_store import layout
from tests.backbone.adaptation.reference import draw_parts
from tests.backbone.families import build


def test_a_task_file_may_hold_what_the_backbone_can_apply() -> None:
    assert list(parts.KINDS) == list(layout.KINDS)
    for kind, (sites, shapes) in parts.KINDS.items():
        stored_sites, stored_shapes = layout.KINDS[kind]
        assert tuple(sites) == tuple(stored_sites)
        assert shapes.keys() == stored_shapes.keys()
        for part, symbols in shapes.items():
            assert len(symbols) == len(stored_shapes[part])


@pytest.mark.parametrize(
    ("variant", "given", "words"),
    [
        ("plain", {"magic.0.qkv.a": zeros(1, 32)}, "of the kinds lora, bias, .* 'magic.0.qkv.a'"),
        ("plain", {"lora.0.qkv": zeros(1, 32)}, "expected names such as 'lora.0.qkv.a'"),
        ("plain", {"lora.0.norm1.a": zeros(1, 32)}, "lora: expected the sites qkv, proj, fc1, fc2"),
        ("plain", {"lora.0.qkv.a": zeros(1, 32)}, "lora.0.qkv: expected the part 'b', found a"),
        (
            "plain",
            {"lora.0.qkv.a": zeros(2, 31), "lora.0.qkv.b": zeros(96, 2)},
            r"lora.0.qkv.a: expected shape \(2, 32\), found \(2, 31\)",
        ),
        (
            "plain",
            {"lora.0.qkv.a": zeros(2, 32), "lora.0.qkv.b": zeros(96, 3)},
            r"lora.0.qkv.b: expected shape \(96, 2\), found \(96, 3\)",
        ),
        ("plain", {"bias.3.qkv.bias": zeros(96)}, "bias.3.qkv: expected a layer and a site"),
        ("plain", {"bias.1.embed.bias": zeros(32)}, "bias.1.embed: expected a layer and a site"),
        ("plain", {"bias.0.norm.bias": zeros(32)}, "bias.0.norm: expected a layer and a site"),
        ("dinov2-giant", {"bias.0.fc1.bias": zeros(128)}, "bias.0.fc1: expected a layer and a s"),
        ("swin", {"bias.2.norm1.bias": zeros(12)}, r"expected shape \(24,\), found \(12,\)"),
    ],
)
def test_a_part_that_does_not_fit_is_named(
    variant: str, given: dict[str, torch.Tensor], words: str
) -> None:
    with pytest.raises(BackboneError, match=words):
        backbone.wrap(build(variant), device="cpu").encode((), given)


def test_parts_have_no_form_as_tokens() -> None:
    net = backbone.wrap(build("plain"), device="cpu")
    parts = draw_parts(net, ["lora"], 2, 0)
    with pytest.raises(BackboneError, match=r"expected 'prefix' for 'lora\.0\.qkv"):
        net.features(zeros(1, 3, 32, 32), (), parts, form="tokens")


def test_an_adaptation_knows_its_size() -> None:
    net = backbone.wrap(build("plain"), device="cpu")
    parts = draw_parts(net, ["lora", "bias", "ssf", "adapter", "prefix"], 2, 0)
    adaptation = net.encode((), parts)
    # the biases are folded into the shifts
    bare = sum(part.nbytes for name, part in parts.items() if not name.startswith("bias."))
    assert adaptation.nbytes == bare == sum(each.nbytes for each in adaptation.tensors())
    assert not adaptation.is_empty
    assert net.encode().is_empty
