"""Networks without a prompted form: timm's features, their identity, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from facet_vision import backbone
from facet_vision.backbone import Backbone, BackboneError, UnsupportedBackbone
from facet_vision.backbone.identity import fingerprint, identity
from facet_vision.backbone.supported import UNSERVED

NAMES = [
    *("test_resnet", "test_convnext", "test_efficientnet", "test_mambaout", "test_nfnet"),
    *("mobilenetv3_small_050", "test_vit_relpos"),
]


def network(name: str, classes: int = 0) -> Any:
    """Build a network with random weights, its norms away from their initial values."""
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=0).eval()
    for key, value in model.state_dict().items():
        if value.is_floating_point() and value.ndim == 1:
            value.add_(0.3 * torch.rand(value.shape))
        assert value.isfinite().all(), key
    if classes:
        model.reset_classifier(classes)
    return model


def images(net: Backbone, count: int = 3) -> torch.Tensor:
    return torch.randn(count, *net.input_size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("form", ["prefix", "tokens"])
@pytest.mark.parametrize("name", NAMES)
@torch.inference_mode()
def test_features_are_timms_own(name: str, form: Any) -> None:
    model = network(name)
    net = backbone.wrap(model, name=name, device="cpu")
    found = net.features(images(net), form=form)
    assert found.shape == (3, net.feature_dim)
    assert (net.layer_dims, net.takes_prompts, net.pooling) == ((), False, "own")
    torch.testing.assert_close(found, model(images(net)))
    assert found.std(dim=0).max() > 1e-4  # they tell images apart


@pytest.mark.parametrize("name", NAMES)
@torch.inference_mode()
def test_a_classifier_is_no_part_of_it(name: str) -> None:
    bare, with_classes = (backbone.wrap(network(name, classes), device="cpu") for classes in (0, 7))
    assert bare.identity == with_classes.identity
    torch.testing.assert_close(bare.features(images(bare)), with_classes.features(images(bare)))


@torch.inference_mode()
def test_a_mixed_batch_is_one_forward() -> None:
    net = backbone.wrap(network("test_resnet"), device="cpu")
    empty = net.encode()
    found = net.features_mixed(images(net), [(empty, 1), (empty, 2)])
    torch.testing.assert_close(found, net.features(images(net)))
    assert empty.is_empty


@pytest.mark.parametrize(
    ("task", "found"),
    [
        (((torch.zeros(2, 96),), {}), "prompts"),
        (((), {"lora.0.qkv.a": torch.zeros(1, 96)}), "'lora.0.qkv.a'"),
    ],
)
def test_prompts_and_adaptations_are_refused_by_a_sentence(task: Any, found: str) -> None:
    net = backbone.wrap(network("test_resnet"), name="some-net", device="cpu")
    sentence = (
        "^backbone 'some-net': expected a task of a head alone, since it is served for its "
        f"features without prompts and adaptations, found {found}$"
    )
    with pytest.raises(BackboneError, match=sentence):
        net.encode(*task)
    with pytest.raises(BackboneError, match=sentence):
        net.features(images(net), *task)
    assert net.widths(0, "qkv") is None
    assert net.sites() == {}


def test_it_cannot_be_packed() -> None:
    net = backbone.wrap(network("test_resnet"), device="cpu")
    assert net.pack_if_faster() is None
    with pytest.raises(BackboneError, match="whose layers are not known here, cannot be packed"):
        net.pack()


def act(model: Any) -> None:
    model.stages[0].blocks[0].mlp.act = nn.ReLU()


def eps(model: Any) -> None:
    model.head.norm.eps = 0.5


def stride(model: Any) -> None:
    model.stem[0].stride = (2, 2)


def norm(model: Any) -> None:
    model.head.norm.weight.data[0] += 0.1


def pool(model: Any) -> None:
    model.head.global_pool.pool_type = "max"
    model.head.global_pool.pool = nn.AdaptiveMaxPool2d(1)


@pytest.mark.parametrize("change", [act, eps, stride, norm, pool])
@torch.inference_mode()
def test_what_changes_features_changes_the_identity(change: Callable[[Any], None]) -> None:
    one, other = network("test_convnext"), network("test_convnext")
    change(other)
    marks = [fingerprint(identity(each, backbone.Preprocess.of(each))) for each in (one, other)]
    assert marks[0] != marks[1]
    x = torch.randn(2, 3, 160, 160)
    assert not torch.allclose(one(x), other(x), atol=1e-5)


@pytest.mark.parametrize("name", ["test_resnet", "test_convnext"])
def test_a_checkpoint_needs_all_but_the_classifier(name: str, tmp_path: Path) -> None:
    expected = network(name, classes=5)
    path = tmp_path / "weights.safetensors"
    save_file(expected.state_dict(), path)
    net = backbone.load(name, checkpoint=path, device="cpu")
    assert net.fingerprint == backbone.wrap(expected, device="cpu").fingerprint
    if name == "test_convnext":  # whose head has a norm in front of the classifier
        weights = expected.state_dict()
        del weights["head.norm.weight"]
        save_file(weights, path)
        with pytest.raises(BackboneError, match=r"tensors missing, .*head\.norm\.weight"):
            backbone.load(name, checkpoint=path, device="cpu")


def test_what_gives_no_features_is_refused_by_name() -> None:
    assert {"efficientvit_msra", "shvit"} == UNSERVED
    with pytest.raises(UnsupportedBackbone, match="`facet backbones` lists, found 'shvit_s1'"):
        backbone.load("shvit_s1", pretrained=False)


def test_other_numbers_of_channels_are_refused() -> None:
    model = timm.create_model("test_vit", num_classes=0, in_chans=1)
    with pytest.raises(UnsupportedBackbone, match="backbone channels: expected 3, found 1"):
        backbone.wrap(model)
