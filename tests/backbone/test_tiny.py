"""The embedded model as timm sees it."""

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from timm.data import resolve_model_data_config
from torch.utils.flop_counter import FlopCounterMode

from facet_vision.backbone import BackboneError, load, tiny


@pytest.fixture(scope="module")
def model():
    return timm.create_model("facet_tiny", pretrained=False, num_classes=0).eval()


def test_builds_with_class_token_pooling(model):
    assert model.global_pool == "token"
    assert model.patch_embed.num_patches == 36
    features = model(torch.zeros(2, 3, 48, 48))
    assert features.shape == (2, model.num_features)


def test_data_config(model):
    config = resolve_model_data_config(model)
    assert config["input_size"] == (3, 48, 48)
    assert config["crop_pct"] == 1.0
    assert config["mean"] == (0.5, 0.5, 0.5)
    assert config["std"] == (0.25, 0.25, 0.25)


def test_is_listed_by_timm():
    assert timm.is_model("facet_tiny")


def test_other_sizes_are_refused():
    with pytest.raises(ValueError, match="divisible by 8, found 50"):
        timm.create_model("facet_tiny", img_size=50)


def test_shipped_weights_load_strictly_and_are_small(model):
    model.load_state_dict(load_file(tiny.WEIGHTS), strict=True)
    assert tiny.WEIGHTS.stat().st_size < 12 * 2**20
    assert all(value.isfinite().all() for value in model.state_dict().values())


@pytest.mark.parametrize(("name", "low", "high"), [("nano", 0.25, 0.35), ("small", 2.2, 2.8)])
def test_siblings_differ_in_compute_alone(model, name, low, high):
    sibling = timm.create_model(f"facet_{name}", num_classes=0).eval()
    assert low < _products(sibling) / _products(model) < high
    assert sibling(torch.zeros(2, 3, 48, 48)).shape == (2, sibling.num_features)
    assert {block.attn.head_dim for block in sibling.blocks} == {32}
    assert resolve_model_data_config(sibling) == resolve_model_data_config(model)


def _products(model):
    """Multiplications of a forward in torch's own count."""
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, 48, 48))
    return counter.get_total_flops()


@pytest.mark.parametrize("name", ["facet-nano", "facet-small"])
def test_siblings_are_loaded_from_a_checkpoint(name, tmp_path):
    net = load(name, pretrained=False, device="cpu")
    save_file(net.model.state_dict(), tmp_path / "weights.safetensors")
    again = load(name, checkpoint=tmp_path / "weights.safetensors", device="cpu")
    assert (again.name, again.fingerprint) == (name, net.fingerprint)
    with pytest.raises(BackboneError) as raised:
        load(name, device="cpu")
    assert str(raised.value) == (
        f"checkpoint: expected a file of weights for {name}, which do not ship, found none; "
        f"facet pretrain --model {name} makes one"
    )
