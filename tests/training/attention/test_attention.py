"""Maps of the class token's attention, and their figure."""

import numpy as np
import pytest
import torch
from PIL import Image

from facet_vision import backbone
from facet_vision.backbone import class_token_attention
from facet_vision.training.attention.figure import draw, picture
from facet_vision.training.attention.maps import AttentionMap, attention_maps
from facet_vision.training.errors import TrainingError
from tests.backbone import families


def test_maps_are_relative_to_even_attention() -> None:
    net = backbone.wrap(families.build("dinov2-registers"), name="x", device="cpu")
    images, prompts = torch.randn(2, 3, 32, 32), families.prompts(net, "deep", 5)
    weights = class_token_attention(net, images, prompts, layer=1).mean(dim=1)
    for row, found in zip(weights, attention_maps(net, images, prompts, 2), strict=True):
        assert found.patches.shape == (4, 4)
        torch.testing.assert_close(found.patches.flatten(), row[10:] / row[10:].mean())
        assert found.on_prompts == pytest.approx(row[5:10].sum().item())
    assert attention_maps(net, images, (), 1)[0].on_prompts == 0
    with pytest.raises(TrainingError, match=r"^layer: expected a number from 1 to 3, found 0$"):
        attention_maps(net, images, (), 0)


def test_picture_is_what_the_network_sees() -> None:
    net = backbone.wrap(families.build("plain"), name="x", device="cpu")
    original = Image.fromarray(
        np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    )
    exact = picture(net.preprocess(original.resize((36, 36))), net.preprocess)
    assert exact.shape == (32, 32, 3)
    assert 0 <= exact.min() < exact.max() <= 1


def test_figure_of_maps_shares_a_scale_in_each_row() -> None:
    maps = [
        AttentionMap(torch.full((4, 4), value), share) for value, share in ((1.0, 0.0), (3.0, 0.25))
    ]
    pictures = [np.zeros((32, 32, 3))]
    figure = draw(pictures, ["a.png"], [("no prompts", maps[:1]), ("vpt-deep", maps[1:])], 3)
    image, bare, prompted, *_ = figure.axes
    assert [axes.get_title() for axes in (image, bare, prompted)] == [
        "a.png",
        "no prompts",
        "vpt-deep\n25 % on prompts",
    ]
    assert bare.images[1].get_clim() == prompted.images[1].get_clim() == (0, 3)
    assert figure.get_suptitle() == "Attention of the class token in layer 3, mean over heads"
