"""Pooled features beside labels in one batch, and floats beside bytes."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from facet_vision.backbone import Adaptation, Pixels
from facet_vision.service.engine.batch import answer
from facet_vision.service.engine.engine import Engine
from facet_vision.service.engine.resident import Answerer, Pooled, Reactivated, Resident
from facet_vision.service.engine.rows import Row, Ticket
from facet_vision.service.errors import BadRequest
from tests.service.support.app import DEPTH, SIDE, small_backbone, task_file
from tests.service.support.queue import IdleQueue

SMALL = small_backbone()
ENGINE = Engine(SMALL)
LAYERS = (0, 1, DEPTH)
FILES = [
    task_file(SMALL, f"task-{layers}", layers=layers, activation="none", seed=layers)
    for layers in LAYERS
]
RESIDENTS = [ENGINE.place_tested(file, 1) for file in FILES]


def plain(images: Tensor, prompts: Sequence[Tensor]) -> Tensor:
    """timm's own forward with prompt tokens behind the class token, as Jia et al. write it."""
    model = SMALL.model
    if not prompts:
        return model.forward_head(model.forward_features(images), pre_logits=True)
    x = model._pos_embed(model.patch_embed(images))
    for layer, block in enumerate(model.blocks):
        if layer < len(prompts):
            image_tokens = x[:, -((images.shape[-1] // 16) ** 2) :]
            x = torch.cat((x[:, :1], prompts[layer].expand(len(x), -1, -1), image_tokens), dim=1)
        x = block(x)
    return model.forward_head(model.norm(x), pre_logits=True)


def floats(count: int, seed: int) -> list[Pixels]:
    random = np.random.default_rng(seed)
    return list(random.standard_normal((count, 3, SIDE, SIDE), dtype=np.float32))


def noise(count: int, seed: int) -> list[Pixels]:
    random = np.random.default_rng(seed)
    return list(random.integers(0, 256, (count, 3, SIDE, SIDE), dtype=np.uint8))


def normalised(images: Sequence[Pixels]) -> Tensor:
    """Normalise by the formula, one image after another."""
    mean, std = (torch.tensor(values)[:, None, None] for values in (SMALL.mean, SMALL.std))
    tensors = [torch.from_numpy(np.array(image)) for image in images]
    return torch.stack(
        [each if each.is_floating_point() else (each / 255 - mean) / std for each in tensors]
    )


@pytest.mark.parametrize("index", range(len(LAYERS)))
@pytest.mark.parametrize("seed", range(5))
def test_a_feature_is_that_of_timm_with_prompts_as_tokens(index: int, seed: int) -> None:
    images = floats(3, seed)
    found = ENGINE.run([(Pooled(RESIDENTS[index]), images)])[0]
    with torch.inference_mode():
        expected = plain(normalised(images), FILES[index].prompts)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_the_bare_backbone_needs_no_task() -> None:
    images = noise(3, 0)
    found = ENGINE.run([(Pooled(), images)])[0]
    with torch.inference_mode():
        expected = plain(normalised(images), ())
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@st.composite
def answerers(draw: st.DrawFn) -> Answerer:
    resident = draw(st.sampled_from(RESIDENTS))
    return draw(
        st.sampled_from([resident, Pooled(resident), Pooled(), Reactivated(resident, "softmax")])
    )


@settings(max_examples=60)
@given(
    st.lists(st.tuples(answerers(), st.booleans(), st.integers(1, 3)), min_size=1, max_size=6),
    st.integers(0, 1000),
)
def test_labels_and_features_and_bytes_and_floats_mix_in_one_batch(
    wanted: list[tuple[Answerer, bool, int]], seed: int
) -> None:
    groups = [
        (answerer, (floats if as_floats else noise)(count, seed + index))
        for index, (answerer, as_floats, count) in enumerate(wanted)
    ]
    for (answerer, images), found in zip(groups, ENGINE.run(groups), strict=True):
        alone = torch.cat([ENGINE.run([(answerer, [image])])[0] for image in images])
        torch.testing.assert_close(found, alone, atol=1e-5, rtol=1e-5)
        width = len(answerer.labels) or SMALL.feature_dim
        assert found.shape == (len(images), width)


def test_one_pass_gives_the_labels_and_the_feature_of_an_image() -> None:
    watched = small_backbone()
    engine, computed = Engine(watched), []
    resident = engine.place_tested(FILES[2], 1)
    bare = engine.place_tested(FILES[0], 1)
    watched.model.patch_embed.register_forward_hook(
        lambda _, inputs, __: computed.append(len(inputs[0]))
    )
    image = noise(1, 3)
    asked = [resident, Pooled(resident), Reactivated(resident, "sigmoid"), Pooled(), bare]
    scores, feature, probabilities, _, _ = engine.run([(each, image) for each in asked])
    assert computed == [2]  # with the prompts, and without
    assert resident.head is not None
    torch.testing.assert_close(resident.head(feature), scores)
    torch.testing.assert_close(scores.sigmoid(), probabilities)


def test_only_bytes_are_normalised(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a batch without floats takes one copy and one normalisation, as if there were none."""
    ran: list[int] = []
    preprocess = SMALL.preprocess
    normalise = type(preprocess).normalise

    def counted(_: object, pixels: Tensor) -> Tensor:
        ran.append(len(pixels))
        return normalise(preprocess, pixels)

    monkeypatch.setattr(type(preprocess), "normalise", counted)
    for images in (noise(3, 1), floats(3, 1), [*floats(1, 2), *noise(2, 2), *floats(1, 3)]):
        torch.testing.assert_close(preprocess.batch(images), normalised(images))
    assert ran == [3, 2]


def rows(*pairs: tuple[Answerer, Pixels]) -> list[list[Row]]:
    ticket = Ticket(IdleQueue(), ["a"], len(pairs))
    return [[Row(ticket, n, answerer, image, 0.0)] for n, (answerer, image) in enumerate(pairs)]


@pytest.mark.parametrize("bad", [np.nan, np.inf, 3e38])
def test_floats_that_give_no_finite_answer_fail_alone(bad: float) -> None:
    wild = np.full((3, SIDE, SIDE), bad, np.float32)
    good = noise(1, 4)[0]
    resident = RESIDENTS[2]
    groups = rows((resident, good), (resident, wild), (Pooled(resident), wild))
    together = [groups[0] + groups[1], groups[2]]
    found = answer(ENGINE.run, together)
    assert isinstance(found[0], Tensor)
    torch.testing.assert_close(found[0], ENGINE.run([(resident, [good])])[0][0])
    for failed in found[1:]:
        assert isinstance(failed, BadRequest)
        assert "normalised" in str(failed)


def test_an_answer_keeps_its_resident_on_the_device() -> None:
    resident = RESIDENTS[1]
    assert Pooled(resident).resident is resident
    assert Reactivated(resident, "none").resident is resident
    assert (Pooled(resident), hash(Pooled(resident))) == (Pooled(resident), hash(Pooled(resident)))
    assert Pooled(resident) != Pooled(Resident(resident.manifest, 1, Adaptation(), resident.head))
    assert Pooled().task == "backbone"
