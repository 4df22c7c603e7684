"""Switches of prompt variants, each against a derivation of its own.

Depth, pooling, shared and projected prompts, dropout.
"""

import pytest
import torch

from facet_vision.backbone import Backbone
from facet_vision.training.errors import TrainingError
from facet_vision.training.variants.depth import schedule
from facet_vision.training.variants.locations import Prepend
from facet_vision.training.variants.variant import make_variant
from tests.training.support.methods import images, network
from tests.training.support.variants import (
    TOKENS,
    at,
    by_hand,
    close,
    made,
    prompts,
    rows,
    unchanged,
)


@pytest.fixture(scope="module")
def net() -> Backbone:
    return network("plain")


# Depth


@pytest.mark.parametrize(
    "switches", [{}, {"depth": 3}, {"depth": 3, "beyond": "drop"}, {"direction": "top-down"}]
)
def test_prompts_in_all_layers_are_vpt_deep(switches: dict, net: Backbone) -> None:
    variant = made(net, **switches)
    assert len(prompts(variant)) == 3
    close(variant.features(images()), net.features(images(), prompts(variant), form="tokens"))


@pytest.mark.parametrize(("method", "switches"), [("vpt-deep", {"depth": 1}), ("vpt-shallow", {})])
def test_prompts_that_propagate_from_the_first_layer_are_vpt_shallow(
    method: str, switches: dict, net: Backbone
) -> None:
    variant = made(net, method, **switches)
    assert len(prompts(variant)) == 1
    close(variant.features(images()), net.features(images(), prompts(variant)))


def test_prompts_of_two_layers_propagate_through_the_third(net: Backbone) -> None:
    variant, batch = made(net, depth=2), images()
    first, second = prompts(variant)
    changes = [
        lambda tokens: tokens[:1] + rows(first, batch) + tokens[1:],
        lambda tokens: tokens[:1] + rows(second, batch) + tokens[1 + TOKENS :],
        unchanged,
    ]
    close(variant.features(batch), by_hand(net, batch, changes)[:, 0])


def test_prompts_of_two_layers_are_dropped_before_the_third(net: Backbone) -> None:
    variant, batch = made(net, depth=2, beyond="drop"), images()
    first, second = prompts(variant)
    changes = [
        lambda tokens: tokens[:1] + rows(first, batch) + tokens[1:],
        lambda tokens: tokens[:1] + rows(second, batch) + tokens[1 + TOKENS :],
        lambda tokens: tokens[:1] + tokens[1 + TOKENS :],
    ]
    close(variant.features(batch), by_hand(net, batch, changes)[:, 0])


def test_prompts_of_the_last_two_layers_are_inserted_and_no_patch_is_lost(net: Backbone) -> None:
    variant, batch = made(net, depth=2, direction="top-down"), images()
    first, second = prompts(variant)
    changes = [
        unchanged,
        lambda tokens: tokens[:1] + rows(first, batch) + tokens[1:],
        lambda tokens: tokens[:1] + rows(second, batch) + tokens[1 + TOKENS :],
    ]
    expected = by_hand(net, batch, changes)
    assert expected.shape[1] == 1 + TOKENS + 16
    close(variant.features(batch), expected[:, 0])


@pytest.mark.parametrize(
    "switches",
    [
        {"depth": 2, "beyond": "drop"},
        {"depth": 1, "direction": "top-down"},
        {"shared": True},
        {"projection": 5},
        {"pooling": "cls"},
    ],
)
def test_prefix_form_is_used_where_it_is_exact(switches: dict, net: Backbone) -> None:
    location = made(net, **switches).location
    assert isinstance(location, Prepend)
    assert location.is_prefix
    close(location.in_prefix_form(images()), location.in_tokens(images()))


@pytest.mark.parametrize("switches", [{"depth": 2}, {"pooling": "image"}, {"pooling": "all"}])
def test_prefix_form_is_not_used_where_outputs_of_prompts_are_read(
    switches: dict, net: Backbone
) -> None:
    location = made(net, **switches).location
    assert isinstance(location, Prepend)
    assert not location.is_prefix


@pytest.mark.parametrize("variant", ["dinov2-registers", "clip", "average-fc-norm", "siglip"])
def test_other_vision_transformers(variant: str) -> None:
    """Register tokens, a norm in front of the layers, other poolings."""
    net = network(variant)
    method = made(net, depth=1)
    close(method.features(images()), net.features(images(), prompts(method)))
    zero = at("add", net, init="zero")
    close(zero.features(images()), net.features(images()))


def test_schedule_of_a_shared_set() -> None:
    assert schedule(4, 2, "bottom-up", "drop", shared=True) == (0, 0, "drop", "drop")


# Pooling


@pytest.mark.parametrize("pooling", ["cls", "image", "prompt", "all"])
def test_pooling_of_a_single_layer(pooling: str) -> None:
    net, batch = network("one-layer"), images()
    variant = made(net, pooling=pooling)
    (prompt,) = prompts(variant)
    x = by_hand(net, batch, [lambda tokens: tokens[:1] + rows(prompt, batch) + tokens[1:]])
    cls, prompted, patches = x.split((1, TOKENS, 16), dim=1)
    expected = {
        "cls": cls[:, 0],
        "image": sum(patches.unbind(1)) / 16,
        "prompt": sum(prompted.unbind(1)) / TOKENS,
        "all": (sum(prompted.unbind(1)) + sum(patches.unbind(1))) / (TOKENS + 16),
    }
    close(variant.features(batch), expected[pooling])


# Shared and projected prompts, dropout


def test_shared_prompts_are_the_same_in_every_layer(net: Backbone) -> None:
    variant = made(net, shared=True)
    (prompt,) = prompts(variant)
    close(variant.features(images()), net.features(images(), [prompt] * 3, form="tokens"))


def test_projection_by_the_identity_is_vpt_deep(net: Backbone) -> None:
    variant = made(net, projection=32)
    projection = variant.location.prompts.projection
    with torch.no_grad():
        projection.weight.copy_(torch.eye(32))
        projection.bias.zero_()
    close(variant.features(images()), net.features(images(), prompts(variant), form="tokens"))


def test_projection_begins_as_in_the_paper(net: Backbone) -> None:
    variant = made(net, projection=1000, tokens=50)
    bound = (6 / (3 * 8 * 8 + 1000)) ** 0.5
    assert all(prompt.shape == (50, 1000) for prompt in prompts(variant))
    assert max(prompt.abs().max().item() for prompt in prompts(variant)) == pytest.approx(
        bound, rel=0.01
    )
    weight = variant.location.prompts.projection.weight
    assert weight.std().item() == pytest.approx((2 / 32) ** 0.5, rel=0.03)
    assert "location.prompts.projection.bias" in variant.trained()


def test_dropout_is_drawn_for_each_image_and_only_in_training(net: Backbone) -> None:
    variant, same = made(net, dropout=0.5), images(1).expand(2, -1, -1, -1)
    close(variant.features(same)[0], variant.features(same)[1])
    close(variant.features(same), net.features(same, prompts(variant)))
    torch.manual_seed(0)
    variant.train()
    first, second = variant.features(same)
    assert (first - second).abs().max() > 1e-3
    dropped = variant.location.prompts(400)[0]
    assert (dropped == 0).float().mean().item() == pytest.approx(0.5, abs=0.05)
    remaining = dropped != 0
    doubled = (2 * prompts(variant)[0]).expand_as(dropped)
    close(dropped[remaining], doubled[remaining])


# Mistakes


@pytest.mark.parametrize(
    ("method", "switches", "sentence"),
    [
        (
            "linear",
            {},
            "method: expected one of vpt-shallow, vpt-deep for a prompt variant, found 'linear'",
        ),
        (
            "vpt-deep",
            {"depth": 4},
            "depth: expected at most 3, the layers of the backbone, found 4",
        ),
        ("vpt-shallow", {"depth": 2}, "depth: expected no value for vpt-shallow, found 2"),
        ("vpt-shallow", {"shared": True}, "shared: expected no value for vpt-shallow, found True"),
        (
            "vpt-deep",
            {"location": "pad"},
            "method: expected vpt-shallow for location pad, found 'vpt-deep'",
        ),
        (
            "vpt-deep",
            {"location": "add", "depth": 2},
            "location: expected prepend where depth is given, found add",
        ),
        (
            *("vpt-deep", {"init": "final-cls", "projection": 4}),
            "init: expected final-cls with prepended prompts of the layers' width, "
            "found location prepend, width 4",
        ),
        (
            "vpt-deep",
            {"init": "final-cls"},
            "init: expected prototypes for 3 sets of prompts, found 0",
        ),
        (
            *("vpt-deep", {"depth": 1, "beyond": "drop", "pooling": "prompt"}),
            "pooling: expected prompts behind the last layer for prompt, "
            "found that they are dropped",
        ),
    ],
)
def test_contradictions_are_refused(
    method: str, switches: dict, sentence: str, net: Backbone
) -> None:
    with pytest.raises(TrainingError) as raised:
        made(net, method, **switches)
    assert str(raised.value) == sentence


def test_tokens_are_needed_unless_their_number_is_fixed(net: Backbone) -> None:
    with pytest.raises(
        TrainingError, match=r"^tokens: expected at least 1 for location pad, found 0$"
    ):
        made(net, "vpt-shallow", tokens=0, location="pad")
    made(net, tokens=0, location="add")


def test_values_of_switches_are_checked() -> None:
    with pytest.raises(
        TrainingError, match=r"^location: expected 'prepend', .* or 'below', found 'nowhere'$"
    ):
        make_variant(location="nowhere")


def test_no_class_token_to_pool() -> None:
    with pytest.raises(
        TrainingError, match="pooling: expected another than cls for a backbone without class token"
    ):
        made(network("average-no-class"), pooling="cls")


@pytest.mark.parametrize("name", ["swin", "deit-distilled"])
def test_other_families_are_refused(name: str) -> None:
    with pytest.raises(
        TrainingError,
        match=rf"^backbone: expected a plain ViT for prompt variants, found {name} \(",
    ):
        made(network(name))
