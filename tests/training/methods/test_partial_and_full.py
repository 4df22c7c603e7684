"""Methods that train weights of the backbone on a copy of it."""

import pytest
import torch
from torch import nn

from facet_vision import backbone
from facet_vision.training.data.images import InMemory
from facet_vision.training.errors import TrainingError
from facet_vision.training.fitting.optimizer import make_optimizer
from facet_vision.training.methods.own_backbone import blocks
from tests.backbone import families
from tests.training.support.methods import features, images, logits, method, network, nudged


@pytest.mark.parametrize(("variant", "layers"), [("plain", 3), ("swin", 4)])
def test_partial_counts_layers_of_the_backbone(variant: str, layers: int) -> None:
    names = method(f"partial-{layers}", network(variant)).trained()
    assert not any("patch_embed" in name or "pos_embed" in name for name in names)
    sentence = rf"^method: expected partial-1 to partial-{layers}, found 'partial-{layers + 1}'$"
    with pytest.raises(TrainingError, match=sentence):
        method(f"partial-{layers + 1}", network(variant))


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("variant", families.VARIANTS)
def test_partial_runs_the_frozen_layers_once_for_each_image(variant: str, layers: int) -> None:
    net = network(variant)
    if layers > len(net.layer_dims):
        pytest.skip("a network of fewer layers")
    made, calls = nudged(method(f"partial-{layers}", net)), []
    for name, block in blocks(made.model).items():
        block.register_forward_hook(lambda *_, name=name: calls.append(name))
    inputs, rows = made.prepare(InMemory(images())), [torch.tensor([2, 0])]
    assert calls == list(blocks(made.model))[:-layers]
    calls.clear()
    found = [made.features(next(inputs.batches(rows))) for _ in range(2)]
    assert calls == 2 * list(blocks(made.model))[-layers:]
    whole = made.model.forward_head(made.model.forward_features(images()), pre_logits=True)
    torch.testing.assert_close(found, [whole[[2, 0]]] * 2)


@pytest.mark.parametrize(
    ("variant", "given", "rate"),
    [("plain", {}, 0.1), ("swin", {}, 0), ("swin", {"dropout": 0.4}, 0.4)],
)
def test_dropout_of_full(variant: str, given: dict, rate: float) -> None:
    made = method("full", network(variant), **given)
    rates = {
        name: module.p for name, module in made.named_modules() if isinstance(module, nn.Dropout)
    }
    dropped = [name for name in rates if "pos_drop" in name or "mlp" in name]
    assert len(dropped) == 2 * len(network(variant).layer_dims) + (variant == "plain")
    assert {rates[name] for name in dropped} == {rate}
    assert {rates[name] for name in rates.keys() - set(dropped)} == {0}


def test_full_on_swin_trains_with_stochastic_depth() -> None:
    made, batch = method("full", network("swin")), images(16)
    torch.manual_seed(0)
    assert not torch.allclose(made.train().features(batch), made.features(batch))
    torch.testing.assert_close(made.eval().features(batch), network("swin").features(batch))


@pytest.mark.parametrize(
    ("name", "variant", "spared"),
    [
        ("full", "plain", {"cls_token", "pos_embed"}),
        ("bias-all", "swin", {"relative_position_bias_table"}),
    ],
)
def test_no_decay_for_positions_and_biases(name: str, variant: str, spared: set[str]) -> None:
    made = method(name, network(variant), weight_decay=0.3)
    groups = zip(made.trained(), make_optimizer(made, made.recipe).param_groups, strict=True)
    decays = {key: group["weight_decay"] for key, group in groups}
    found = {key.rpartition(".")[2] for key, decay in decays.items() if not decay}
    assert found - {"weight", "bias"} == spared
    assert not any(decay for key, decay in decays.items() if "bias" in key or "norm" in key)
    assert decays["head.weight"] == 0.3


def test_own_weights_are_float32_whatever_the_backbone_is() -> None:
    net = backbone.wrap(families.build("plain"), device="cpu", dtype="bfloat16")
    made = method("full", net)
    assert {parameter.dtype for parameter in made.parameters()} == {torch.float32}
    assert made(images()).dtype == torch.float32


@pytest.mark.parametrize("variant", families.VARIANTS)
def test_every_supported_network_can_be_trained_whole(variant: str) -> None:
    net, made = network(variant), method("full", network(variant)).eval()
    torch.testing.assert_close(
        made.features(images()), net.features(images()), atol=1e-5, rtol=1e-5
    )
    made(images()).square().sum().backward()
    assert all(
        parameter.grad is not None and parameter.grad.any() for parameter in made.trained().values()
    )


@pytest.mark.parametrize("name", ["partial-1", "bias", "adapter", "lora"])
@pytest.mark.parametrize("variant", families.VARIANTS)
def test_every_supported_network_can_be_trained_in_part(variant: str, name: str) -> None:
    net, made = network(variant), nudged(method(name, network(variant)).train())
    logits(made, images()).square().sum().backward()
    assert all(
        parameter.grad is not None and parameter.grad.any() for parameter in made.trained().values()
    )
    assert not torch.allclose(features(made, images()), net.features(images()), atol=1e-4)
