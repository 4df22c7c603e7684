"""The engine: mixed batches equal one-by-one answers, and what cannot answer is refused."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from facet_vision.backbone import Adaptation, Pixels
from facet_vision.prompts_store import Head, TaskFile
from facet_vision.service.engine.batch import answer
from facet_vision.service.engine.engine import Engine
from facet_vision.service.engine.resident import Resident
from facet_vision.service.engine.rows import Row, Ticket
from facet_vision.service.errors import ForwardFailed, UnfitTask
from tests.service.support.app import DEPTH, SIDE, png, small_backbone, sure, task_file
from tests.service.support.queue import IdleQueue

SMALL = small_backbone()
ENGINE = Engine(SMALL)


@st.composite
def residents(draw: st.DrawFn) -> Resident:
    """A random task: deep, shallow or without prompts; any tokens, classes and activation."""
    seed = draw(st.integers(0, 1000))
    classes = draw(st.integers(1, 12))
    file = task_file(
        SMALL,
        f"task{seed}",
        layers=draw(st.sampled_from([0, 1, DEPTH])),
        tokens=draw(st.integers(1, 9)),
        labels=[f"c{index}" for index in range(classes)],
        activation=draw(st.sampled_from(["softmax", "sigmoid", "none"])),
        seed=seed,
    )
    return ENGINE.place_tested(file, version=seed + 1)


def noise(count: int, seed: int) -> list[Pixels]:
    return list(
        np.random.default_rng(seed).integers(0, 256, (count, 3, SIDE, SIDE), dtype=np.uint8)
    )


@settings(max_examples=40)
@given(
    st.lists(st.tuples(residents(), st.integers(1, 4)), min_size=1, max_size=6),
    st.integers(0, 1000),
)
def test_a_mixed_batch_answers_as_each_image_alone(
    tasks: list[tuple[Resident, int]], seed: int
) -> None:
    groups = [
        (resident, noise(count, seed + index)) for index, (resident, count) in enumerate(tasks)
    ]
    mixed = ENGINE.run(groups)
    for (resident, images), scores in zip(groups, mixed, strict=True):
        assert scores.shape == (len(images), len(resident.manifest.labels))
        alone = torch.cat([ENGINE.run([(resident, [image])])[0] for image in images])
        torch.testing.assert_close(scores, alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("layers", [0, 1, DEPTH])
def test_scores_are_those_of_the_plain_formulation(layers: int) -> None:
    file = task_file(SMALL, "birds", layers=layers, activation="none", labels=["a", "b", "c"])
    images = noise(3, 7)
    scores = ENGINE.run([(ENGINE.place_tested(file, 1), images)])[0]
    normalised = SMALL.preprocess.normalise(torch.from_numpy(np.stack(images)))
    features = SMALL.features(normalised, file.prompts, form="tokens")
    torch.testing.assert_close(scores, file.head(features), atol=1e-5, rtol=1e-5)


def test_activations() -> None:
    images, logits = noise(2, 3), [0.5, -1.0, 2.0]
    expected = {
        "softmax": torch.tensor(logits).softmax(0),
        "sigmoid": torch.tensor(logits).sigmoid(),
        "none": torch.tensor(logits),
    }
    for activation, row in expected.items():
        file = task_file(
            SMALL, activation, labels=["a", "b", "c"], bias=logits, activation=activation
        )
        scores = ENGINE.run([(ENGINE.place_tested(file, 1), images)])[0]
        torch.testing.assert_close(scores, row.expand(2, 3))


def test_a_half_precision_task_answers_in_float32() -> None:
    file = task_file(SMALL, "birds", layers=DEPTH, labels=["a", "b"])
    small = type(file).from_bytes(file.to_bytes(torch.float16))
    images = noise(2, 5)
    half, full = (ENGINE.run([(ENGINE.place_tested(each, 1), images)])[0] for each in (small, file))
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, full, atol=5e-3, rtol=5e-3)


def wild() -> TaskFile:
    """A task whose scores overflow."""
    file = task_file(SMALL, "wild", labels=["a", "b"], bias=[3e38, -3e38], activation="none")
    weight = torch.full_like(file.head.layers[0][0], 3e38)
    return TaskFile(file.manifest, file.prompts, Head(((weight, file.head.layers[0][1]),)))


def test_scores_that_overflow_are_refused() -> None:
    with pytest.raises(UnfitTask, match="task 'wild': expected finite scores"):
        ENGINE.place_tested(wild(), 1)


def test_distances_that_overflow_are_refused() -> None:
    sound = sure(SMALL, task_file(SMALL, "far", layers=DEPTH), [png(1), png(2)], most=1.0)
    ENGINE.place_tested(sound, 1)
    assert sound.distance is not None
    far = replace(sound, distance=replace(sound.distance, scale=torch.tensor([3e38])))
    with pytest.raises(UnfitTask, match="task 'far': expected finite scores"):
        ENGINE.place_tested(far, 1)


def test_rows_with_scores_that_are_not_finite_fail_alone() -> None:
    good = ENGINE.place_tested(task_file(SMALL, "birds"), 1)
    images = noise(2, 0)
    ticket = Ticket(IdleQueue(), ["a"], 2)
    residents = [good, ENGINE.place(wild(), 1)]
    rows = [Row(ticket, n, each, images[n], 0.0) for n, each in enumerate(residents)]
    found = answer(ENGINE.run, [[row] for row in rows])
    assert isinstance(found[0], Tensor)
    assert isinstance(found[1], ForwardFailed)
    assert "task 'wild': expected a finished forward" in str(found[1])
    torch.testing.assert_close(found[0], ENGINE.run([(good, images[:1])])[0][0])


@settings(max_examples=40)
@given(st.lists(residents(), min_size=1, max_size=5), st.integers(1, 3), st.integers(0, 1000))
def test_shared_images_are_answered_like_separate_ones(
    tasks: list[Resident], count: int, seed: int
) -> None:
    images = noise(count, seed)
    shared = ENGINE.run([(resident, images) for resident in tasks])
    for resident, scores in zip(tasks, shared, strict=True):
        alone = ENGINE.run([(resident, [image.copy() for image in images])])[0]
        torch.testing.assert_close(scores, alone, atol=1e-5, rtol=1e-5)


def test_tasks_without_prompts_share_one_pass_of_an_image() -> None:
    watched = small_backbone()
    engine, computed = Engine(watched), []
    whole = watched.features_mixed

    def features_mixed(images: Tensor, groups: Sequence[tuple[Adaptation, int]]) -> Tensor:
        computed.append((len(images), [count for _, count in groups]))
        return whole(images, groups)

    bare = [
        engine.place_tested(task_file(watched, name, seed=seed), 1)
        for seed, name in enumerate("abc")
        for seed, name in enumerate("abc")
    ]
    deep = [
        engine.place_tested(task_file(watched, name, layers=DEPTH, seed=seed), 1)
        for seed, name in enumerate("de")
    ]
    watched.features_mixed = features_mixed  # type: ignore[method-assign]
    first, second = noise(2, 1)
    engine.run(
        [
            (bare[0], [first, second]),
            (deep[0], [first]),
            (bare[1], [second]),
            (bare[2], [first.copy()]),
        ]
    )
    # Two images and the copy of one, which is another array; and the row with prompts.
    assert computed == [(4, [3, 1])]
    engine.run([(deep[0], [first]), (deep[1], [first])])
    assert computed[-1] == (2, [1, 1])


@pytest.mark.parametrize("layers", [(DEPTH, DEPTH), (1, 1), (0, 0), (0, DEPTH), (DEPTH, 1)])
def test_two_versions_of_a_task_in_one_batch_answer_with_their_own_prompts(
    layers: tuple[int, int],
) -> None:
    files = [
        task_file(SMALL, "birds", layers=count, activation="none", seed=seed)
        for seed, count in enumerate(layers)
    ]
    old, new = (ENGINE.place_tested(file, seed + 1) for seed, file in enumerate(files))
    images = noise(3, 4)
    mixed = ENGINE.run([(old, images), (new, images[:2]), (old, images[1:])])
    alone = [ENGINE.run([(resident, images)])[0] for resident in (old, new)]
    assert not torch.allclose(alone[0], alone[1], atol=0.1)
    for found, expected in zip(mixed, (alone[0], alone[1][:2], alone[0][1:]), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("seconds", "expected"), [(60.0, [1, 2, 5]), (0.0, [1])])
def test_warming_up_runs_every_size_or_until_its_time_is_up(
    seconds: float, expected: list[int]
) -> None:
    ran: list[int] = []
    net = small_backbone()
    net.model.patch_embed.register_forward_hook(lambda _, inputs, __: ran.append(len(inputs[0])))
    assert Engine(net).warm_up([1, 2, 5], seconds) == len(expected)
    assert ran == expected
