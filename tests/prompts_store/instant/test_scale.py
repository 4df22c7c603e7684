"""The scale that left-out examples choose, and the probabilities that follow."""

import pytest
import torch

from facet_vision.prompts_store import InstantHead
from facet_vision.prompts_store.instant import scale
from facet_vision.prompts_store.instant.facts import INSTANT_KINDS, ExampleFacts, InstantKind
from facet_vision.prompts_store.instant.scale import fit_scale
from tests.prompts_store.instant.examples import clusters, ids, targets

every_kind = pytest.mark.parametrize("kind", INSTANT_KINDS)
NEIGHBOURS = 20


def _probabilities(
    kind: InstantKind, counts: list[int], features: torch.Tensor, images: torch.Tensor
) -> torch.Tensor:
    neighbours = NEIGHBOURS if kind == "knn" else None
    fit = fit_scale(kind, features, counts, neighbours)
    about = ExampleFacts(counts=tuple(counts), scale=fit.scale, neighbours=neighbours)
    head = InstantHead(kind, about, features, ids(len(features))).to(dtype=torch.float32)
    return head(images).softmax(1)


@every_kind
def test_confidence_is_near_the_accuracy(kind: InstantKind) -> None:
    """On images that are hard to tell apart; a scale of 1 would be far too sure."""
    counts = [25] * 5
    everything = clusters([325] * 5, 40, spread=9)
    parts = everything.split(325)
    features = torch.cat([part[:25] for part in parts])
    images = torch.cat([part[25:] for part in parts])
    found = _probabilities(kind, counts, features, images)
    accuracy = (found.argmax(1) == targets([300] * 5)).double().mean()
    assert 0.25 < accuracy < 0.97
    assert abs(found.amax(1).double().mean() - accuracy) < 0.1


@every_kind
@pytest.mark.parametrize("each", [1, 2, 20])
def test_few_examples_make_no_certainty(kind: InstantKind, each: int) -> None:
    """Labels that are far apart: n examples are evidence for (n + 1) / (n + 2) at most."""
    counts = [each] * 3
    features = clusters(counts, 6, spread=0.01)
    found = float(_probabilities(kind, counts, features, features).amax(1).mean())
    most = (3 * each + 1) / (3 * each + 2)
    assert most - 0.2 < found < most + 0.03


@every_kind
def test_accuracy_is_that_of_examples_left_out(kind: InstantKind) -> None:
    far = clusters([6] * 3, 6, spread=0.01)
    assert fit_scale(kind, far, [6] * 3, 3).accuracy == 1.0
    mixed = torch.randn(60, 6, generator=torch.Generator().manual_seed(0))
    found = fit_scale(kind, mixed, [20] * 3, 3).accuracy
    assert found is not None
    assert 0.1 < found < 0.6
    assert fit_scale(kind, far[::6], [1] * 3, 3).accuracy is None


@every_kind
@pytest.mark.parametrize("counts", [[1], [3], [1, 1], [2, 1], [1, 5, 1]])
def test_the_fewest_examples_have_a_scale(kind: InstantKind, counts: list[int]) -> None:
    fit = fit_scale(kind, clusters(counts, 4), counts, NEIGHBOURS)
    assert 0 < fit.scale < float("inf")


@every_kind
def test_of_equal_examples_too(kind: InstantKind) -> None:
    fit = fit_scale(kind, torch.ones(6, 4), [3, 3], NEIGHBOURS)
    assert 0 < fit.scale < float("inf")


@every_kind
def test_a_sample_of_many_examples_decides(
    kind: InstantKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = [60] * 4
    features = clusters(counts, 8, spread=3)
    all_of_them = fit_scale(kind, features, counts, 5)
    monkeypatch.setattr(scale, "MAX_JUDGED", 80)
    some = fit_scale(kind, features, counts, 5)
    assert 0.4 < some.scale / all_of_them.scale < 2.5
    assert some.accuracy == pytest.approx(all_of_them.accuracy, abs=0.1)
