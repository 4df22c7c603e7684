"""Decisions of tasks that may abstain, beside the engine and over its socket."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facet_vision.service.errors import BadRequest, NoThreshold
from facet_vision.service.predictor.bulk import MAX_ANSWER_LABELS, label_count
from facet_vision.service.predictor.protocol import Decision, Prediction
from facet_vision.service.predictor.wire import predictions_bytes, predictions_of
from tests.service.predictor.test_features import BYTES, SMALL, ask, predicting
from tests.service.support.app import png, sure, task_file

PETS = sure(SMALL, task_file(SMALL, "pets"), [png(1), png(2)], most=1e-9)
SOME = task_file(
    SMALL,
    "some",
    labels=("a", "b", "c"),
    bias=[1.0, 0.0, -1.0],
    activation="sigmoid",
    class_thresholds=(0.5, 0.5, 0.2),
)


@pytest.fixture(params=["beside", "over a socket"])
def where(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.anyio
async def test_decisions_arrive(where: str, tmp_path: Path) -> None:
    async with predicting(where, tmp_path, PETS, SOME) as predictor:
        pets, some = await ask(predictor, ["pets", "some"], BYTES, abstain=True)
        plain = await ask(predictor, ["pets", "some"], BYTES)
        with pytest.raises(NoThreshold, match="version 1 of task 'deep', which states none"):
            await ask(predictor, ["deep"], BYTES, abstain=True)
    assert pets.decision is not None
    assert (list(pets.decision.labels), pets.decision.several) == ([], False)
    assert pets.decision.distance is not None
    assert pets.decision.distance > pets.decision.threshold == 1e-9
    assert pets.decision.reason is not None
    assert some.decision == Decision(["a", "b", "c"], True)
    assert [each.decision for each in plain] == [None, None]
    for one, other in zip((pets, some), plain, strict=True):
        assert [tuple(pair) for pair in one.best] == [tuple(pair) for pair in other.best]


@given(
    labels=st.lists(st.text(max_size=9), max_size=3),
    several=st.booleans(),
    distance=st.none() | st.floats(0, 1e6),
    reason=st.none() | st.text(max_size=30),
    numbers=st.booleans(),
)
def test_they_travel_with_their_predictions(
    labels: list[str], several: bool, distance: float | None, reason: str | None, numbers: bool
) -> None:
    decision = Decision(labels, several, distance, distance, reason)
    scores = np.ones(3, np.float32) if numbers else None
    sent = Prediction("pets", 3, "probability", [("a", 0.5)], 0.1, 0.2, scores, decision)
    (arrived,) = predictions_of(predictions_bytes([sent]))
    assert arrived.decision == decision
    assert (arrived.numbers is None) == (scores is None)


@pytest.mark.anyio
async def test_all_labels_that_there_may_be_count_as_the_answers(tmp_path: Path) -> None:
    many = [f"label{number}" for number in range(1000)]
    given = {"labels": many, "bias": [1.0] * 1000, "activation": "sigmoid"}
    file = task_file(SMALL, "many", class_thresholds=(0.1,) * 1000, **given)
    images = MAX_ANSWER_LABELS // 1000 + 1
    async with predicting("beside", tmp_path, file) as predictor:
        with pytest.raises(BadRequest, match="at most 100000 labels"):
            await ask(predictor, ["many"], *[BYTES] * images, abstain=True, top_k=1)
        (found,) = await ask(predictor, ["many"], BYTES, abstain=True, top_k=1)
    assert label_count([found]) == 1001
