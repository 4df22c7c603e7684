"""Every kind of change in a mixed batch equals the plain formulation, one task at a time."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from facet_vision import backbone
from tests.backbone.adaptation.reference import SIZES, draw_parts, features
from tests.backbone.families import VARIANTS, build, prompts

TOLERANCE = {"atol": 1e-5, "rtol": 1e-5}
SUMS = ("lora+bias", "ssf+bias+lora", "adapter+parallel", "lora+ssf+adapter+parallel+bias")


def images(count: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, 32, 32, generator=generator, dtype=dtype)


def calm(parts: dict[str, Tensor]) -> dict[str, Tensor]:
    """Shrink the changes so that float32 does not lose what the tolerance asks for."""
    return {name: part if name.endswith(".scale") else 0.3 * part for name, part in parts.items()}


@pytest.mark.parametrize("kinds", [*SIZES, *SUMS])
@pytest.mark.parametrize("variant", VARIANTS)
@torch.inference_mode()
def test_one_task_equals_the_plain_formulation(variant: str, kinds: str) -> None:
    net = backbone.wrap(build(variant), device="cpu")
    parts = calm(draw_parts(net, kinds.split("+"), 3, 1))
    found = net.features(images(3), (), parts)
    torch.testing.assert_close(found, features(net, images(3), (), parts), **TOLERANCE)
    assert not torch.allclose(found, net.features(images(3)), atol=1e-2)


@pytest.mark.parametrize("kinds", [kind for kind in (*SIZES, *SUMS) if kind != "prefix"])
@pytest.mark.parametrize("prompted", ["shallow", "deep"])
@pytest.mark.parametrize(
    "variant",
    [
        *("plain", "query-key-norm", "siglip", "swin", "swin-padded-windows"),
        *("dinov3-bias", "eva-post-norm", "rope-mixed"),
    ],
)
@torch.inference_mode()
def test_prompts_see_the_changes_as_image_tokens_do(
    variant: str, prompted: str, kinds: str
) -> None:
    net = backbone.wrap(build(variant), device="cpu")
    parts = calm(draw_parts(net, kinds.split("+"), 2, 2))
    learned = prompts(net, prompted, 4)
    found = net.features(images(3), learned, parts)
    torch.testing.assert_close(found, features(net, images(3), learned, parts), **TOLERANCE)


@pytest.mark.parametrize("variant", ["plain", "query-key-norm", "swin", "dinov3"])
@torch.inference_mode()
def test_learned_keys_and_values_stand_in_front_of_those_of_prompts(variant: str) -> None:
    net = backbone.wrap(build(variant), device="cpu")
    learned = prompts(net, "deep", 5)
    encoded = net.encode(learned)
    first = [prompt[:2] for prompt in learned]
    if variant == "swin":
        first[-1] = learned[-1]  # in the last block prompts are tokens
    parts = {}
    for layer, pair in enumerate(encoded.keys_values):
        for part, values in zip(("key", "value"), pair, strict=True):
            # attention does not mind the order: the last three as learned keys, two as prompts
            parts[f"prefix.{layer}.block.{part}"] = values[:, 2:].transpose(0, 1).flatten(1)
    found = net.features(images(3), first, parts)
    torch.testing.assert_close(found, net.features(images(3), learned), **TOLERANCE)


TASK = st.tuples(
    st.sampled_from(["none", "shallow", "deep"]),
    st.lists(st.sampled_from(["lora:qkv", "lora:qkv+fc1", *SIZES]), max_size=3, unique=True),
    st.integers(1, 3),
    st.integers(1, 3),
)


@pytest.mark.parametrize(
    "variant",
    [
        *("plain", "dinov2-registers", "average-fc-norm", "deit-distilled", "swin"),
        *("dinov3", "eva02-clip"),
    ],
)
@pytest.mark.parametrize("learning", [False, True])
@settings(max_examples=10, deadline=None)
@given(tasks=st.lists(TASK, min_size=1, max_size=5), seed=st.integers(0, 2**31))
def test_a_mixed_batch_equals_one_by_one(
    variant: str, learning: bool, tasks: list[tuple[str, list[str], int, int]], seed: int
) -> None:
    net = backbone.wrap(build(variant), device="cpu")
    batch = images(sum(rows for *_, rows in tasks), seed)
    drawn = []
    for index, (prompted, wanted, rank, _) in enumerate(tasks):
        # one kind twice would be one kind
        kinds = list({kind.partition(":")[0]: kind for kind in wanted}.values())
        parts = calm(draw_parts(net, kinds, rank, seed + index))
        drawn.append((prompts(net, prompted, rank, seed + index), parts))

    with torch.set_grad_enabled(learning):
        groups = [(net.encode(*task), rows) for task, (*_, rows) in zip(drawn, tasks, strict=True)]
        mixed = net.features_mixed(batch, groups)
    parts_of_batch = batch.split([rows for *_, rows in tasks])
    with torch.no_grad():
        alone = [
            net.features(rows, *task) for task, rows in zip(drawn, parts_of_batch, strict=True)
        ]
        plain = [
            features(net, rows, *task)
            for task, rows in zip(drawn, parts_of_batch, strict=True)
            if not any(name.startswith("prefix") for name in task[1])
        ]
    torch.testing.assert_close(mixed, torch.cat(alone), **TOLERANCE)
    unprefixed = [
        rows
        for task, rows in zip(drawn, mixed.split([rows for *_, rows in tasks]), strict=True)
        if not any(name.startswith("prefix") for name in task[1])
    ]
    if plain:
        torch.testing.assert_close(torch.cat(unprefixed), torch.cat(plain), **TOLERANCE)


@pytest.mark.parametrize("kinds", [*SIZES, *SUMS])
@pytest.mark.parametrize("variant", ["plain", "average-fc-norm", "swin", "dinov3-bias"])
def test_gradients_are_those_of_the_plain_formulation(variant: str, kinds: str) -> None:
    net = backbone.wrap(build(variant).double(), device="cpu")
    net.model.double()
    net.dtype = torch.float64
    batch = images(2, dtype=torch.float64)
    weights = torch.randn(2, net.feature_dim, dtype=torch.float64)
    drawn = draw_parts(net, kinds.split("+"), 2, 3, torch.float64)
    gradients = []
    for forward in (net.features, lambda *task: features(net, *task)):
        parts = {name: part.clone().requires_grad_() for name, part in drawn.items()}
        (forward(batch, (), parts) * weights).sum().backward()
        gradients.append([part.grad for part in parts.values()])
    for ours, plain in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, plain, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize(
    "variant",
    ["plain", "siglip", "dinov2-giant", "no-bias", "swin", "dinov3-bias", "eva02-base", "sapiens2"],
)
@torch.inference_mode()
def test_packed_weights_change_nothing(variant: str) -> None:
    net = backbone.wrap(build(variant), device="cpu")
    tasks = [
        calm(draw_parts(net, kinds.split("+"), 2, seed))
        for seed, kinds in enumerate(["lora", "lora:qkv", "bias", "ssf", *SUMS])
    ]
    batch = images(len(tasks))
    expected = torch.cat(
        [net.features(batch[row : row + 1], (), parts) for row, parts in enumerate(tasks)]
    )
    if not net.can_pack:
        pytest.skip("this PyTorch lacks oneDNN's linear layer")
    net.pack()
    found = net.features_mixed(batch, [(net.encode((), parts), 1) for parts in tasks])
    torch.testing.assert_close(found, expected, **TOLERANCE)
