"""Every prompt variant against a derivation of its own."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from method_examples import images, network
from scipy import ndimage
from torch import Tensor

import backbone
from backbone import Backbone
from training.ablation.depth import schedule
from training.ablation.locations import Add, Below, Pad, Prepend, PrependPixel
from training.ablation.method import PromptVariant
from training.ablation.tokens import position_embedding
from training.ablation.variant import make_variant
from training.errors import TrainingError
from training.fit import make_optimizer
from training.recipe import make_recipe

LOCATIONS = ["prepend", "add", "add-1", "prepend-pixel", "pad", "below"]
TOKENS = 3


@pytest.fixture(scope="module")
def net() -> Backbone:
    return network("plain")


def made(net: Backbone, method: str = "vpt-deep", tokens: int = TOKENS, **switches: Any) -> PromptVariant:
    recipe = make_recipe({"data": "x", "task": "x", "method": method, "tokens": tokens, "lr": 0.1}, {})
    generator = torch.Generator().manual_seed(0)
    return PromptVariant(net, 3, recipe, generator, make_variant(**switches)).eval()


def at(location: str, net: Backbone, **switches: Any) -> PromptVariant:
    return made(net, "vpt-shallow", location=location, **switches)


def prompts(variant: PromptVariant) -> list[Tensor]:
    location = variant.location
    assert isinstance(location, Prepend)
    return list(location.prompts.prompts)


def by_hand(net: Backbone, batch: Tensor, before: Sequence[Any]) -> Tensor:
    """All tokens behind the last norm; `before` changes the list of tokens in front of each layer."""
    model: Any = net.model
    tokens = list(model._pos_embed(model.patch_embed(batch)).unbind(1))
    for change, block in zip(before, model.blocks, strict=True):
        tokens = list(block(torch.stack(change(tokens), dim=1)).unbind(1))
    return model.norm(torch.stack(tokens, dim=1))


def rows(prompt: Tensor, batch: Tensor) -> list[Tensor]:
    return [row.expand(len(batch), -1) for row in prompt]


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def keep(tokens: list[Tensor]) -> list[Tensor]:
    return tokens


# depth


@pytest.mark.parametrize("switches", [{}, {"depth": 3}, {"depth": 3, "beyond": "drop"}, {"direction": "top-down"}])
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
        keep,
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
        keep,
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
def test_prefix_form_is_not_used_where_outputs_of_prompts_are_read(switches: dict, net: Backbone) -> None:
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


# pooling


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


# shared, projected, dropout


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
    assert max(prompt.abs().max().item() for prompt in prompts(variant)) == pytest.approx(bound, rel=0.01)
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
    kept = dropped != 0
    close(dropped[kept], (2 * prompts(variant)[0]).expand_as(dropped)[kept])


# locations


@pytest.mark.parametrize("method", ["vpt-shallow", "vpt-deep"])
@pytest.mark.parametrize("location", ["add", "add-1"])
def test_adding_nothing_is_the_plain_network(location: str, method: str, net: Backbone) -> None:
    close(made(net, method, location=location, init="zero").features(images()), net.features(images()))


def test_add_puts_a_vector_on_every_token_in_front_of_every_layer(net: Backbone) -> None:
    variant, batch = made(net, location="add"), images()
    assert isinstance(variant.location, Add)
    added = list(variant.location.added)
    assert [tuple(vectors.shape) for vectors in added] == [(17, 32)] * 3

    def adding(vectors: Tensor) -> Any:
        return lambda tokens: [token + vector for token, vector in zip(tokens, vectors, strict=True)]

    close(variant.features(batch), by_hand(net, batch, [adding(vectors) for vectors in added])[:, 0])


def test_add_1_is_add_with_equal_vectors(net: Backbone) -> None:
    one, each = (made(net, location=location) for location in ("add-1", "add"))
    with torch.no_grad():
        for single, vectors in zip(one.location.added, each.location.added, strict=True):
            assert single.shape == (1, 32)
            vectors.copy_(single.expand_as(vectors))
    close(one.features(images()), each.features(images()))


def test_shallow_add_acts_at_the_input_alone(net: Backbone) -> None:
    assert len(at("add", net).location.added) == 1


def test_pixels_of_a_strip_become_prompt_tokens(net: Backbone) -> None:
    variant, model = made(net, "vpt-shallow", tokens=4, location="prepend-pixel"), net.model
    assert isinstance(variant.location, PrependPixel)
    strip = variant.location.strip
    assert strip.shape == (3, 8, 32)
    picture = torch.zeros(1, 3, 32, 32)
    picture[0, :, :8] = strip  # the first row of patches of an image
    tokens = model.patch_embed(picture)[0, :4]
    close(variant.features(images()), net.features(images(), [tokens]))


def test_strip_on_a_convolutional_stem() -> None:
    net = backbone.load("facet-tiny", pretrained=False, device="cpu")
    variant = made(net, "vpt-shallow", tokens=4, location="prepend-pixel")
    assert variant.features(torch.randn(2, 3, 48, 48)).shape == (2, net.feature_dim)


def test_frame_surrounds_the_image_with_normalised_pixels(net: Backbone) -> None:
    variant, batch = at("pad", net), images()
    assert isinstance(variant.location, Pad)
    rows, columns = variant.location.rows, variant.location.columns
    assert (tuple(rows.shape), tuple(columns.shape)) == ((3, 6, 38), (3, 32, 6))
    assert min(rows.min(), columns.min()) >= 0
    assert 0.9 < max(rows.max(), columns.max()) <= 1
    framed = variant.location.framed(batch)
    assert framed.shape == (4, 3, 38, 38)
    assert torch.equal(framed[:, :, 3:35, 3:35], batch)
    mean, std = net.mean[1], net.std[1]
    close(framed[2, 1, :3], (rows[1, :3] - mean) / std)
    close(framed[2, 1, 35:], (rows[1, 3:] - mean) / std)
    close(framed[0, 1, 3:35, :3], (columns[1, :, :3] - mean) / std)
    close(framed[0, 1, 3:35, 35:], (columns[1, :, 3:] - mean) / std)


def test_frame_within_the_same_grid(net: Backbone) -> None:
    """34 pixels hold four patches of 8, as 32 do: what is left over is cut off."""
    variant = made(net, "vpt-shallow", tokens=1, location="pad")
    framed = variant.location.framed(images())
    close(variant.features(images()), net.features(framed[..., :32, :32]))


def test_frame_that_adds_patches(net: Backbone) -> None:
    variant, model = made(net, "vpt-shallow", tokens=4, location="pad"), net.model
    framed = variant.location.framed(images())
    patches = F.conv2d(framed, model.patch_embed.proj.weight, model.patch_embed.proj.bias, stride=8)
    position = torch.cat((model.pos_embed[:, :1], _zoomed(model.pos_embed[0, 1:], 5)), dim=1)
    x = torch.cat((model.cls_token.expand(4, -1, -1), patches.flatten(2).mT), dim=1) + position
    close(variant.features(images()), model.norm(model.blocks(x))[:, 0])


def _zoomed(position: Tensor, side: int) -> Tensor:
    """As the official code resizes: (16, dim) to (1, side x side, dim)."""
    grid = position.unflatten(0, (4, 4)).numpy()
    zoomed = torch.from_numpy(ndimage.zoom(grid, (side / 4, side / 4, 1), order=1))
    return zoomed.flatten(0, 1)[None]


@pytest.mark.parametrize("variant", ["plain", "deit3"])
def test_position_embedding_is_resized_as_officially(variant: str) -> None:
    model: Any = network(variant).model
    patches = model.pos_embed[0, -16:]
    close(position_embedding(model, (6, 6))[:, -36:], _zoomed(patches, 6))
    assert position_embedding(model, (4, 4)) is model.pos_embed


@pytest.mark.parametrize("name", ["plain", "facet-tiny"])
def test_channels_without_weight_change_nothing(name: str) -> None:
    tiny = name == "facet-tiny"
    net = backbone.load("facet-tiny", pretrained=False, device="cpu") if tiny else network(name)
    variant, batch = at("below", net), torch.randn(2, *net.input_size)
    convolution = variant.location.patch_embed.layers[0] if tiny else variant.location.patch_embed.proj
    assert convolution.weight.shape[1] == 3 + TOKENS
    variant.train()
    assert (variant.features(batch) - net.features(batch)).abs().max() > 1e-4
    with torch.no_grad():
        convolution.weight[:, 3:] = 0
    close(variant.features(batch), net.features(batch))


def test_channels_are_read_beside_the_image(net: Backbone) -> None:
    variant, model = at("below", net), net.model
    assert isinstance(variant.location, Below)
    assert variant.trained().keys() == {
        *("head.weight", "head.bias", "location.channels"),
        *("location.patch_embed.proj.weight", "location.patch_embed.proj.bias"),
    }
    weight = variant.location.patch_embed.proj.weight
    assert torch.equal(weight[:, :3], model.patch_embed.proj.weight)
    bound = (6 / (3 * 8 * 8 + 32)) ** 0.5
    assert weight[:, 3:].abs().max().item() == pytest.approx(bound, rel=0.01)
    more = F.conv2d(variant.location.channels[None], weight[:, 3:], stride=8).flatten(2).mT
    x = model._pos_embed(model.patch_embed(images()) + more)
    close(variant.features(images()), model.norm(model.blocks(x))[:, 0])


@pytest.mark.parametrize("location", LOCATIONS)
def test_gradients_reach_what_is_trained_and_nothing_else(location: str, net: Backbone) -> None:
    before = {key: value.clone() for key, value in net.model.state_dict().items()}
    variant = at(location, net).train()
    F.cross_entropy(variant(images()), torch.tensor([0, 1, 2, 0])).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in variant.trained().values())
    make_optimizer(variant, variant.recipe).step()
    assert all(torch.equal(value, before[key]) for key, value in net.model.state_dict().items())
    assert not any(parameter.requires_grad for parameter in net.model.parameters())


@pytest.mark.parametrize(
    ("method", "switches", "sentence"),
    [
        ("linear", {}, "method: expected one of vpt-shallow, vpt-deep for a prompt variant, found 'linear'"),
        ("vpt-deep", {"depth": 4}, "depth: expected at most 3, the layers of the backbone, found 4"),
        ("vpt-shallow", {"depth": 2}, "depth: expected no value for vpt-shallow, found 2"),
        ("vpt-shallow", {"shared": True}, "shared: expected no value for vpt-shallow, found True"),
        ("vpt-deep", {"location": "pad"}, "method: expected vpt-shallow for location pad, found 'vpt-deep'"),
        ("vpt-deep", {"location": "add", "depth": 2}, "location: expected prepend where depth is given, found add"),
        (
            *("vpt-deep", {"init": "final-cls", "projection": 4}),
            "init: expected final-cls with prepended prompts of the layers' width, found location prepend, width 4",
        ),
        ("vpt-deep", {"init": "final-cls"}, "init: expected prototypes for 3 sets of prompts, found 0"),
        (
            *("vpt-deep", {"depth": 1, "beyond": "drop", "pooling": "prompt"}),
            "pooling: expected prompts behind the last layer for prompt, found that they are dropped",
        ),
    ],
)
def test_contradictions_are_refused(method: str, switches: dict, sentence: str, net: Backbone) -> None:
    with pytest.raises(TrainingError) as raised:
        made(net, method, **switches)
    assert str(raised.value) == sentence


def test_tokens_are_needed_but_where_their_number_is_fixed(net: Backbone) -> None:
    with pytest.raises(TrainingError, match=r"^tokens: expected at least 1 for location pad, found 0$"):
        made(net, "vpt-shallow", tokens=0, location="pad")
    made(net, tokens=0, location="add")


def test_values_of_switches_are_checked() -> None:
    with pytest.raises(TrainingError, match=r"^location: expected 'prepend', .* or 'below', found 'nowhere'$"):
        make_variant(location="nowhere")


def test_no_class_token_to_pool() -> None:
    with pytest.raises(TrainingError, match="pooling: expected another than cls for a backbone without class token"):
        made(network("average-no-class"), pooling="cls")


@pytest.mark.parametrize("name", ["swin", "deit-distilled"])
def test_other_families_are_refused(name: str) -> None:
    with pytest.raises(TrainingError, match=rf"^backbone: expected a plain ViT for prompt variants, found {name} \("):
        made(network(name))
