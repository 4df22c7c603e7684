"""Locations of prompts, each against a derivation of its own."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from facet_vision import backbone
from facet_vision.backbone import Backbone
from facet_vision.training.errors import TrainingError
from facet_vision.training.fitting.optimizer import make_optimizer
from facet_vision.training.variants.locations import Add, AddOnSwin, Below, Pad, PrependPixel
from facet_vision.training.variants.tokens import position_embedding
from tests.training.support.methods import images, network
from tests.training.support.variants import TOKENS, at, by_hand, close, made

LOCATIONS = ["prepend", "add", "add-1", "prepend-pixel", "pad", "below"]


@pytest.fixture(scope="module")
def net() -> Backbone:
    return network("plain")


@pytest.mark.parametrize("method", ["vpt-shallow", "vpt-deep"])
@pytest.mark.parametrize("location", ["add", "add-1"])
def test_adding_nothing_is_the_plain_network(location: str, method: str, net: Backbone) -> None:
    variant = made(net, method, location=location, init="zero")
    close(variant.features(images()), net.features(images()))


def test_add_puts_a_vector_on_every_token_in_front_of_every_layer(net: Backbone) -> None:
    variant, batch = made(net, location="add"), images()
    assert isinstance(variant.location, Add)
    added = list(variant.location.added)
    assert [tuple(vectors.shape) for vectors in added] == [(17, 32)] * 3

    def adding(vectors: Tensor) -> Any:
        return lambda tokens: [
            token + vector for token, vector in zip(tokens, vectors, strict=True)
        ]

    expected = by_hand(net, batch, [adding(vectors) for vectors in added])
    close(variant.features(batch), expected[:, 0])


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
    """34 pixels hold four patches of 8, as 32 do: the remainder is cut off."""
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
    """Resize as the official code does, (16, dim) to (1, side x side, dim)."""
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
    convolution = (
        variant.location.patch_embed.layers[0] if tiny else variant.location.patch_embed.proj
    )
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
    assert all(
        parameter.grad is not None and parameter.grad.any()
        for parameter in variant.trained().values()
    )
    make_optimizer(variant, variant.recipe).step()
    assert all(torch.equal(value, before[key]) for key, value in net.model.state_dict().items())
    assert not any(parameter.requires_grad for parameter in net.model.parameters())


# Swin


@pytest.mark.parametrize(("location", "numbers"), [("add", 8 * 8 * 12), ("add-1", 12)])
def test_vectors_added_to_the_tokens_of_a_swin(location: str, numbers: int) -> None:
    net = network("swin")
    variant, batch = at(location, net), images()
    model, location_part = net.model, variant.location
    assert isinstance(location_part, AddOnSwin)
    assert location_part.added.numel() == numbers
    tokens = model.patch_embed(batch)
    grid = location_part.added.expand(tokens.shape[1:])
    x = torch.stack([image + grid for image in tokens])
    for stage in model.layers:
        x = stage(x)
    close(variant.features(batch), model.norm(x).mean(dim=(1, 2)))
    close(at(location, net, init="zero").features(batch), net.features(batch))


@pytest.mark.parametrize(
    ("method", "location"),
    [("vpt-deep", "add-1"), ("vpt-shallow", "pad"), ("vpt-shallow", "prepend-pixel")],
)
def test_other_locations_on_a_swin_are_refused(method: str, location: str) -> None:
    with pytest.raises(TrainingError) as raised:
        made(network("swin"), method, location=location)
    assert str(raised.value) == (
        "backbone: expected a plain ViT for prompt variants, found swin (SwinTransformer); "
        "a Swin has only the locations add and add-1 of vpt-shallow"
    )
