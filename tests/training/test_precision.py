"""Precision of training: "auto", plain attention, and the error of bfloat16."""

import pytest
import torch
import torch.nn.functional as F

from facet_vision.backbone import Backbone, has_bfloat16
from facet_vision.training.data.datasets import TaskData
from facet_vision.training.methods import find
from facet_vision.training.precision import PlainAttention, computing_in, resolve_precision
from facet_vision.training.recipe import Recipe, make_recipe
from facet_vision.training.train import train_task
from tests.training.support.methods import SERVED, images, logits, method, network, nudged

ATTENTION = F.scaled_dot_product_attention
CPU = torch.device("cpu")


def _qkv(dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(2, 3, tokens, 8, generator=generator).to(dtype).requires_grad_()
        for tokens in (5, 7, 7)
    ]


@pytest.mark.parametrize(
    "options", [{}, {"scale": 0.5}, {"attn_mask": torch.linspace(-3, 3, 35).view(5, 7)}]
)
def test_plain_attention_equals_fused_attention(options: dict) -> None:
    expected, found = _qkv(), _qkv()
    fused = ATTENTION(*expected, **options)
    with PlainAttention():
        plain = F.scaled_dot_product_attention(*found, **options)
    torch.testing.assert_close(plain, fused)
    for out in (fused, plain):
        out.square().sum().backward()
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_plain_attention_drops_weights() -> None:
    q, k, _ = _qkv()
    torch.manual_seed(0)
    identity = torch.eye(7).expand(2, 3, 7, 7)
    with PlainAttention():
        weights = F.scaled_dot_product_attention(q, k, identity, dropout_p=0.5)
    assert 0.2 < (weights == 0).float().mean() < 0.8


def test_plain_attention_is_not_causal() -> None:
    with PlainAttention(), pytest.raises(NotImplementedError, match="found a causal one"):
        F.scaled_dot_product_attention(*_qkv(), is_causal=True)


def test_float32_changes_nothing() -> None:
    with computing_in("float32", CPU):
        assert torch.equal(F.scaled_dot_product_attention(*_qkv()), ATTENTION(*_qkv()))
        assert not torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("name", ["vpt-deep", "vpt-shallow", "full"])
@pytest.mark.parametrize("variant", ["plain", "query-key-norm", "siglip", "swin"])
def test_features_in_bfloat16_are_close(variant: str, name: str) -> None:
    exact, fast = (
        method(name, network(variant), precision=precision).eval()
        for precision in ("float32", "bfloat16")
    )
    expected, found = (made(images()) for made in (exact, fast))
    assert not torch.equal(found, expected)
    assert (found - expected).norm() < 0.05 * expected.norm()


def _recipe(precision: str) -> Recipe:
    given = {"data": "x", "task": "x", "lr": 0.4, "tokens": 2, "epochs": 2, "precision": precision}
    return make_recipe(given, {})


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_a_named_precision_is_used(name: str, tiny: Backbone) -> None:
    assert resolve_precision(_recipe(name), tiny).precision == name


def test_defaults_do_not_resolve_auto() -> None:
    assert _recipe("auto").precision == "auto"
    assert make_recipe({"data": "x", "task": "x", "lr": 0.4}, {}).precision == "float32"


def test_auto_is_trained_and_recorded_as_what_it_stands_for(
    tiny: Backbone, shades: TaskData
) -> None:
    expected = "bfloat16" if has_bfloat16(CPU) else "float32"
    differing = "float32" if expected == "bfloat16" else "bfloat16"
    auto, named, other = (
        train_task(tiny, shades, _recipe(name)) for name in ("auto", expected, differing)
    )
    assert auto.manifest.recipe["precision"] == expected
    assert torch.equal(auto.prompts[0], named.prompts[0])
    assert not torch.equal(auto.prompts[0], other.prompts[0])
    made = find("vpt-deep")(tiny, 3, _recipe("auto"), torch.Generator())
    assert made.recipe.precision == expected


@pytest.mark.parametrize("name", SERVED)
def test_predictions_in_bfloat16_are_those_of_training(name: str) -> None:
    """Without gradients the forward takes other ways, on which autocast must work too."""
    made = nudged(method(name, network("plain"), precision="bfloat16")).eval()
    with torch.inference_mode():
        found = logits(made, images())
    torch.testing.assert_close(found, logits(made, images()).detach(), atol=0.05, rtol=0.05)
