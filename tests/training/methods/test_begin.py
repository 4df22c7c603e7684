"""What a method takes from the training images before the first step."""

from typing import Any

import pytest
import torch
from sklearn.linear_model import LogisticRegression

from facet_vision.backbone import entering_patches
from facet_vision.training.data.images import InMemory
from facet_vision.training.methods.dropout import stochastic_depth
from facet_vision.training.methods.head import Standardise, linear_head, set_to_probe
from facet_vision.training.methods.method import Method
from facet_vision.training.methods.prompt_start import STARTS, sampled_tokens, whitening
from tests.training.support.methods import images, logits, method, network

on_every_backbone = pytest.mark.parametrize("variant", ["plain", "swin"])
TARGETS = torch.arange(30) % 3


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def begun(name: str, variant: str, **given: Any) -> Method:
    made = method(name, network(variant), **given)
    made.begin(made.prepare(InMemory(images(30))), TARGETS, generator())
    return made.eval()


@pytest.mark.parametrize("name", ["vpt-deep", "lora", "full", "partial-1"])
def test_standardised_features_are_folded_into_the_head(name: str) -> None:
    made = begun(name, "plain", standardise=True)
    features = made.features(made.prepare(InMemory(images(30))).rows).float()
    read = made.standardise(features)
    torch.testing.assert_close(read.mean(0), torch.zeros(32), atol=1e-4, rtol=0)
    torch.testing.assert_close(read.std(0), torch.ones(32), atol=1e-3, rtol=0)
    expected = made.head(read)
    torch.testing.assert_close(made.written_head()(features), expected, atol=2e-3, rtol=1e-4)


def test_the_head_begins_as_the_recipe_says() -> None:
    for start, deviation in (("paper", (2 / 64) ** 0.5), ("small", 0.01), ("zero", 0)):
        weight = linear_head(200, 64, generator(), start).weight
        assert weight.std().item() == pytest.approx(deviation, rel=0.05)
    first = logits(begun("vpt-deep", "plain", head_init="zero", standardise=True), images())
    assert not first.any()


@pytest.mark.parametrize("classes", [2, 3])
def test_a_head_that_begins_as_a_probe_is_the_logistic_regression(classes: int) -> None:
    features, targets = torch.randn(40, 6, generator=generator()), torch.arange(40) % classes
    features[:, 0] += targets
    head = linear_head(6, classes, generator(), "probe")
    set_to_probe(head, features, targets)
    probe = LogisticRegression(C=0.1, max_iter=500).fit(features.numpy(), targets.numpy())
    found = head(features).softmax(1).detach().double()
    torch.testing.assert_close(
        found, torch.from_numpy(probe.predict_proba(features.numpy())).double(), atol=1e-4, rtol=0
    )


def test_a_probe_leaves_labels_alone_that_no_image_has() -> None:
    features = torch.randn(40, 6, generator=generator())
    head = linear_head(6, 5, generator(), "probe")
    set_to_probe(head, features, torch.arange(40) % 3 + 1)
    assert head.weight.any(dim=1).tolist() == [False, True, True, True, False]
    several = torch.stack([torch.ones(40), (features[:, 0] > 0).float(), torch.zeros(40)], dim=1)
    head = linear_head(6, 3, generator(), "probe")
    set_to_probe(head, features, several)
    assert head.weight.any(dim=1).tolist() == [False, True, False]
    assert ((head(features)[:, 1] > 0) == several[:, 1].bool()).float().mean() > 0.9


@on_every_backbone
def test_entering_patches_are_the_blocks_inputs(variant: str) -> None:
    net = network(variant)
    found = entering_patches(net, images(2))
    assert [tokens.shape[2] for tokens in found] == list(net.layer_dims)
    if variant == "plain":
        model = net.model
        x = model.norm_pre(model._pos_embed(model.patch_embed(images(2))))
        torch.testing.assert_close(found[0], x[:, 1:])
        torch.testing.assert_close(found[2], model.blocks[1](model.blocks[0](x))[:, 1:])


@on_every_backbone
@pytest.mark.parametrize("name", ["vpt-deep", "vpt-shallow", "vpt-deep+lora"])
@pytest.mark.parametrize("kind", list(STARTS))
def test_prompts_begin_with_tokens_of_the_images(kind: str, name: str, variant: str) -> None:
    made = begun(name, variant, prompt_init=kind, tokens=4)
    tokens = sampled_tokens(network(variant), InMemory(images(30)), 4, generator())
    for prompt, of_layer in zip(made.prompts, tokens, strict=False):
        distance = torch.cdist(prompt, of_layer).min(dim=1).values
        size = of_layer.norm(dim=1).mean()
        if kind == "patches":
            assert distance.max() < 1e-3 * size  # of what float32 leaves
        else:
            assert distance.max() < 2 * size
        assert len(prompt.unique(dim=0)) == 4


def test_whitened_prompts_are_folded_when_they_are_written() -> None:
    made = begun("vpt-deep", "plain", prompt_init="whitened", tokens=4)
    written = made.written_prompts()
    tokens = sampled_tokens(network("plain"), InMemory(images(30)), 3, generator())
    for prompt, found, of_layer in zip(made.prompts, written, tokens, strict=True):
        torch.testing.assert_close(found, (prompt @ whitening(of_layer)).detach())
    features = network("plain").features(images(), list(written))
    torch.testing.assert_close(made.features(images()), features)


def test_a_whitening_gives_equal_variance_in_all_directions() -> None:
    tokens = torch.randn(5000, 3, generator=generator()) * torch.tensor([1.0, 2.0, 3.0])
    white = tokens @ whitening(tokens)
    deviation = white.std(dim=0)
    torch.testing.assert_close(deviation / deviation[0], torch.ones(3), atol=1e-3, rtol=0)
    assert whitening(tokens).square().sum(0).mean().item() == pytest.approx(1, rel=1e-4)


@on_every_backbone
def test_stochastic_depth_acts_in_training_alone(variant: str) -> None:
    made, calm = (method("lora", network(variant), drop_path=rate) for rate in (0.5, 0.0))
    batch = images()
    assert not torch.equal(made.train().features(batch), calm.features(batch))
    assert torch.equal(made.eval().features(batch), calm.features(batch))


def test_stochastic_depth_keeps_whole_rows_and_the_mean() -> None:
    net = network("plain")
    torch.manual_seed(0)
    last: Any = net.model.blocks[-1].drop_path1
    with stochastic_depth(net.model, 0.5, 1000):
        found = last(torch.ones(3000, 2)).view(1000, 3, 2)
    assert all(row.unique().numel() == 1 for row in found)
    assert set(found.unique().tolist()) == {0.0, 2.0}
    assert found.mean().item() == pytest.approx(1, abs=0.1)
    assert torch.equal(last(torch.ones(3, 2)), torch.ones(3, 2))


def test_prompt_dropout_acts_in_training_alone() -> None:
    made = method("vpt-deep", network("plain"), prompt_dropout=0.5)
    assert not torch.equal(made.train().features(images()), made.eval().features(images()))
    assert torch.equal(made.features(images()), made.features(images()))


def test_standardising_spares_features_that_do_not_vary() -> None:
    module = Standardise(3)
    features = torch.tensor([[1.0, 5.0, 0.0], [3.0, 5.0, 0.0]])
    module.measure(features)
    assert module(features).isfinite().all()
    assert not module(features)[:, 1:].any()
