"""The contract of the prompted forward, over every supported variant."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from timm.models.vision_transformer import ParallelScalingBlock, ResPostBlock

from facet_vision import backbone
from tests.backbone.families import VARIANTS, build, prompts

KINDS = ("none", "shallow", "deep")
TOLERANCE = {"atol": 1e-5, "rtol": 1e-5}


def images(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("form", ["tokens", "prefix"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_without_prompts_it_is_timms_own_forward(variant: str, form: str) -> None:
    model = build(variant)
    with torch.no_grad():
        expected = model.forward_head(model.forward_features(images(3)), pre_logits=True)
    found = backbone.wrap(model, device="cpu").features(images(3), form=form)
    torch.testing.assert_close(found, expected, **TOLERANCE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_prefix_form_equals_token_form(variant: str, kind: str) -> None:
    net = backbone.wrap(build(variant), device="cpu")
    learned = prompts(net, kind, 5)
    torch.testing.assert_close(
        net.features(images(3), learned),
        net.features(images(3), learned, form="tokens"),
        **TOLERANCE,
    )


@pytest.mark.parametrize("variant", VARIANTS)
def test_prompts_change_the_features(variant: str) -> None:
    net = backbone.wrap(build(variant), device="cpu")
    for kind in ("shallow", "deep"):
        assert not torch.allclose(
            net.features(images(2)), net.features(images(2), prompts(net, kind, 5)), atol=1e-2
        )


@pytest.mark.parametrize("kind", ["shallow", "deep"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients_are_those_of_the_token_form(variant: str, kind: str) -> None:
    net = backbone.wrap(build(variant), device="cpu")
    weights = torch.randn(2, net.feature_dim)
    grads = []
    for form in ("prefix", "tokens"):
        learned = [prompt.requires_grad_() for prompt in prompts(net, kind, 4)]
        (net.features(images(2), learned, form=form) * weights).sum().backward()
        grads.append([prompt.grad for prompt in learned])
    for prefix, tokens in zip(*grads, strict=True):
        torch.testing.assert_close(prefix, tokens, atol=1e-4, rtol=1e-4)


GROUP = st.tuples(st.sampled_from(KINDS), st.integers(1, 6), st.integers(1, 3))


@pytest.mark.parametrize("variant", VARIANTS)
@settings(max_examples=12, deadline=None)
@given(groups=st.lists(GROUP, min_size=1, max_size=5), seed=st.integers(0, 2**31))
def test_a_mixed_batch_equals_one_by_one(
    variant: str, groups: list[tuple[str, int, int]], seed: int
) -> None:
    net = backbone.wrap(build(variant), device="cpu")
    batch = images(sum(rows for _, _, rows in groups), seed)
    tasks = [
        (prompts(net, kind, tokens, seed + i), rows)
        for i, (kind, tokens, rows) in enumerate(groups)
    ]

    with torch.inference_mode():
        mixed = net.features_mixed(batch, [(net.encode(learned), rows) for learned, rows in tasks])
        owners = [learned for learned, rows in tasks for _ in range(rows)]
        alone = [
            net.features(batch[i : i + 1], learned, form="tokens")
            for i, learned in enumerate(owners)
        ]

    torch.testing.assert_close(mixed, torch.cat(alone), **TOLERANCE)


def test_layers_may_differ_in_their_number_of_tokens() -> None:
    model = build("plain")
    net = backbone.wrap(model, device="cpu")
    learned = [torch.randn(tokens, 32) for tokens in (0, 3, 7)]
    mixed = net.features_mixed(images(3), [(net.encode(learned), 2), (net.encode([]), 1)])
    torch.testing.assert_close(
        mixed[:2], net.features(images(3)[:2], learned, form="tokens"), **TOLERANCE
    )


@pytest.mark.parametrize(
    ("learned", "words"),
    [
        ([torch.zeros(2, 32)] * 2, "expected 0, 1 or 3 layers, found 2"),
        (
            [torch.zeros(2, 31)],
            r"prompts of layer 0: expected shape \(tokens, 32\), found \(2, 31\)",
        ),
        ([torch.zeros(32)], r"found \(32,\)"),
    ],
)
def test_prompts_that_do_not_fit_are_named(learned: list[torch.Tensor], words: str) -> None:
    with pytest.raises(backbone.BackboneError, match=words):
        backbone.wrap(build("plain"), device="cpu").encode(learned)


def test_groups_must_add_up_to_the_batch() -> None:
    net = backbone.wrap(build("plain"), device="cpu")
    with pytest.raises(backbone.BackboneError, match="expected 3 rows in all, found 2"):
        net.features_mixed(images(3), [(net.encode([]), 2)])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"block_fn": ResPostBlock}, "found ResPostBlock"),
        ({"block_fn": ParallelScalingBlock}, "found ParallelScalingBlock"),
        ({"global_pool": "max"}, "expected token, avg, map, found 'max'"),
        ({"attn_layer": "diff"}, "found DiffAttention"),
        ({"variant": "swin", "global_pool": "max"}, "expected avg, found 'max'"),
    ],
)
def test_unverified_parts_are_refused_by_name(changes: dict, words: str) -> None:
    with pytest.raises(backbone.UnsupportedBackbone, match=words):
        backbone.wrap(build(**{"variant": "plain", **changes}))


def test_an_encoded_task_knows_its_size() -> None:
    net = backbone.wrap(build("plain"), device="cpu")
    assert net.encode([]).nbytes == 0
    assert net.encode([torch.zeros(5, 32)]).nbytes == 5 * 32 * 4
    assert net.encode([torch.zeros(5, 32)] * 3).nbytes == 3 * 2 * 5 * 32 * 4
