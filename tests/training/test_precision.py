"""Training in bfloat16: attention as it is written, and what it costs in digits."""

import pytest
import torch
import torch.nn.functional as F

from facet_vision.training.precision import PlainAttention, computing_in
from tests.training.support.methods import images, method, network

ATTENTION = F.scaled_dot_product_attention


def _qkv(dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(2, 3, tokens, 8, generator=generator).to(dtype).requires_grad_()
        for tokens in (5, 7, 7)
    ]


@pytest.mark.parametrize(
    "options", [{}, {"scale": 0.5}, {"attn_mask": torch.linspace(-3, 3, 35).view(5, 7)}]
)
def test_plain_attention_is_attention(options: dict) -> None:
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
    with PlainAttention():
        weights = F.scaled_dot_product_attention(
            q, k, torch.eye(7).expand(2, 3, 7, 7), dropout_p=0.5
        )
    assert 0.2 < (weights == 0).float().mean() < 0.8


def test_plain_attention_is_not_causal() -> None:
    with PlainAttention(), pytest.raises(NotImplementedError, match="found a causal one"):
        F.scaled_dot_product_attention(*_qkv(), is_causal=True)


def test_float32_changes_nothing() -> None:
    with computing_in("float32", torch.device("cpu")):
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
