"""The contract of the prompted forward, over every supported variant."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from timm.models.vision_transformer import ParallelScalingBlock, ResPostBlock

from facet_vision import backbone
from facet_vision.backbone.segments import arrange
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


@pytest.mark.parametrize("variant", ["plain", "average-fc-norm", "swin"])
@settings(max_examples=12, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**31))
def test_tasks_may_differ_in_the_tokens_of_any_layer(
    variant: str, data: st.DataObject, seed: int
) -> None:
    net = backbone.wrap(build(variant), device="cpu")
    lengths = st.tuples(*[st.integers(0, 2)] * len(net.layer_dims))
    generator = torch.Generator().manual_seed(seed)
    tasks = [
        [
            torch.randn(*shape, generator=generator)
            for shape in zip(task, net.layer_dims, strict=True)
        ]
        for task in data.draw(st.lists(lengths, min_size=2, max_size=5))
    ]
    batch = images(len(tasks), seed)

    with torch.inference_mode():
        mixed = net.features_mixed(batch, [(net.encode(learned), 1) for learned in tasks])
        alone = [
            net.features(batch[i : i + 1], learned, form="tokens")
            for i, learned in enumerate(tasks)
        ]

    torch.testing.assert_close(mixed, torch.cat(alone), **TOLERANCE)


@pytest.mark.parametrize("lengths", [(2, 3, 1), (2, 1, 3), (2, 2, 1), (0, 2, 2), (2, 2, 2)])
def test_only_tasks_alike_in_every_layer_share_attention(lengths: tuple[int, int, int]) -> None:
    net = backbone.wrap(build("plain"), device="cpu")
    one, other = (
        net.encode([torch.zeros(tokens, 32) for tokens in task]) for task in ((2, 2, 2), lengths)
    )
    segments, _ = arrange([(one, 1), (other, 1)])
    assert len(segments) == (1 if lengths == (2, 2, 2) else 2)


@pytest.mark.parametrize(
    ("widths", "layer"),
    [
        ((24,), 0),  # of the second stage
        ((12, 12, 12, 12), 2),
        ((24, 24, 24, 24), 0),
        ((24, 24, 12, 12), 0),
        ((12, 24, 24, 24), 1),
        ((12, 12, 24, 12), 3),
    ],
)
def test_prompts_of_the_width_of_another_stage_are_refused(
    widths: tuple[int, ...], layer: int
) -> None:
    net = backbone.wrap(build("swin"), device="cpu")
    assert net.layer_dims == (12, 12, 24, 24)
    words = rf"prompts of layer {layer}: expected shape \(tokens, {net.layer_dims[layer]}\), "
    with pytest.raises(backbone.BackboneError, match=rf"{words}found \(3, {widths[layer]}\)"):
        net.encode([torch.zeros(3, width) for width in widths])


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
        ({"variant": "dinov3", "global_pool": "max"}, "expected token, avg, map, found 'max'"),
    ],
)
def test_unverified_parts_are_refused_by_name(changes: dict, words: str) -> None:
    with pytest.raises(backbone.UnsupportedBackbone, match=words):
        backbone.wrap(build(**{"variant": "plain", **changes}))


def test_a_block_or_attention_that_eva_does_not_have_is_refused_by_name() -> None:
    model = build("eva")
    model.blocks[1].attn = build("plain").blocks[1].attn
    with pytest.raises(backbone.UnsupportedBackbone, match=r"found Attention$"):
        backbone.wrap(model)
    model.blocks[1] = build("plain").blocks[1]
    with pytest.raises(backbone.UnsupportedBackbone, match=r"expected EvaBlock, found Block$"):
        backbone.wrap(model)


def test_an_encoded_task_knows_its_size() -> None:
    net = backbone.wrap(build("plain"), device="cpu")
    assert net.encode([]).nbytes == 0
    assert net.encode([torch.zeros(5, 32)]).nbytes == 5 * 32 * 4
    assert net.encode([torch.zeros(5, 32)] * 3).nbytes == 3 * 2 * 5 * 32 * 4
