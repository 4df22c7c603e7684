"""The numbers of an evaluation, against values computed by hand."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from facet_vision.training.confidence.calibration import BINS, calibration
from facet_vision.training.evaluation.abstention import Abstention, abstention
from facet_vision.training.evaluation.measures import activated, evaluate
from facet_vision.training.evaluation.texts import MATRIX_LABELS, MOST_LABELS, text

LABELS = ("cat", "dog", "owl")
# Six images: cats answered cat (0.8), cat (0.6), dog (0.5); dogs dog (0.9), cat (0.4); an owl dog.
SCORES = torch.tensor(
    [
        [0.8, 0.1, 0.1],
        [0.6, 0.3, 0.1],
        [0.3, 0.5, 0.2],
        [0.05, 0.9, 0.05],
        [0.4, 0.3, 0.3],
        [0.2, 0.7, 0.1],
    ]
)
TARGETS = torch.tensor([0, 0, 0, 1, 1, 2])


def test_one_label() -> None:
    found = evaluate(SCORES, TARGETS, LABELS, "softmax")
    assert found.images == 6
    assert list(found.metrics) == ["accuracy", "macro_f1"]
    assert found.metrics["accuracy"] == pytest.approx(3 / 6)
    # F1 of cat 2/3, of dog 2 * (1/3 * 1/2) / (1/3 + 1/2) = 0.4, of owl 0
    assert found.metrics["macro_f1"] == pytest.approx((2 / 3 + 0.4 + 0) / 3)
    assert found.confusion == ((2, 1, 0), (1, 1, 0), (0, 1, 0))
    cat, dog, owl = found.labels
    assert (cat.images, cat.precision, cat.recall, cat.f1) == pytest.approx(
        (3, 2 / 3, 2 / 3, 2 / 3)
    )
    assert (dog.images, dog.precision, dog.recall, dog.f1) == pytest.approx((2, 1 / 3, 1 / 2, 0.4))
    assert (owl.images, owl.precision, owl.recall, owl.f1) == (1, None, 0.0, 0.0)
    # Each answer has a bin of its own: right 0.8, 0.6, 0.9; wrong 0.5, 0.4, 0.7.
    assert found.calibration is not None
    expected = (0.2 + 0.4 + 0.1 + 0.5 + 0.4 + 0.7) / 6
    assert found.calibration.error == pytest.approx(expected)
    assert found.calibration.probability == pytest.approx(3.9 / 6)
    assert found.calibration.right == pytest.approx(0.5)
    document = found.as_json()
    assert "average_precision" not in document["labels"][0]
    assert json.loads(json.dumps(document, allow_nan=False))["confusion"][0] == [2, 1, 0]


def test_a_label_that_neither_occurs_nor_is_answered() -> None:
    found = evaluate(SCORES[:2], TARGETS[:2], LABELS, "softmax")
    assert found.metrics["accuracy"] == 1
    assert (found.labels[2].precision, found.labels[2].recall, found.labels[2].f1) == (None,) * 3
    assert found.confusion == ((2, 0, 0), (0, 0, 0), (0, 0, 0))


def test_several_labels() -> None:
    scores = torch.tensor([[0.9, 0.6, 0.1], [0.8, 0.4, 0.2], [0.5, 0.7, 0.3], [0.1, 0.2, 0.4]])
    targets = torch.tensor([[1.0, 1, 0], [0, 1, 0], [1, 0, 0], [0, 0, 0]])
    found = evaluate(scores, targets, LABELS, "sigmoid")
    assert found.confusion is None
    cat, dog, owl = found.labels
    # Cats are first and third by their scores; dogs second and third.
    assert cat.average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert dog.average_precision == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert owl.average_precision is None
    assert list(found.metrics) == ["mean_average_precision", "macro_f1", "micro_f1"]
    assert found.metrics["mean_average_precision"] == pytest.approx((5 / 6 + 7 / 12) / 2)
    # A probability of 0.5 counts: cat is given three times, dog twice.
    assert (cat.precision, cat.recall) == pytest.approx((2 / 3, 1))
    assert (dog.precision, dog.recall) == pytest.approx((1 / 2, 1 / 2))
    assert (owl.precision, owl.recall, owl.f1) == (None, None, None)
    assert found.metrics["micro_f1"] == pytest.approx(2 * 3 / (5 + 4))
    assert found.calibration is not None
    assert sum(each.answers for each in found.calibration.bins) == 12
    assert found.calibration.right == pytest.approx(4 / 12)
    # Alone in their bins: 0.9, 0.8, 0.7, 0.5, 0.3. In (5/15, 6/15] 0.4 twice, in (2/15, 3/15] 0.2
    # twice, in (1/15, 2/15] 0.1 twice; 0.6 ends the bin (8/15, 9/15].
    alone = 0.1 + 0.8 + 0.7 + 0.5 + 0.3 + 0.4
    pairs = 2 * abs(0.4 - 0.5) + 2 * 0.2 + 2 * 0.1
    assert found.calibration.error == pytest.approx((alone + pairs) / 12, abs=1e-6)


def test_labels_by_thresholds_of_their_own() -> None:
    scores = torch.tensor([[0.9, 0.6], [0.8, 0.4], [0.5, 0.7], [0.1, 0.2]])
    targets = torch.tensor([[1.0, 1], [0, 1], [1, 0], [0, 0]])
    found = evaluate(scores, targets, LABELS[:2], "sigmoid", (0.85, 0.3)).metrics
    # cat: one of two, none wrong; dog: both, one wrong
    assert found["macro_f1_at_thresholds"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert found["micro_f1_at_thresholds"] == pytest.approx(2 * 3 / (4 + 4))
    assert found["macro_f1"] == evaluate(scores, targets, LABELS[:2], "sigmoid").metrics["macro_f1"]


def test_what_a_task_does_that_may_abstain() -> None:
    right = torch.tensor([True, True, False, True])
    answered = torch.tensor([True, True, True, False])
    found = abstention(right, answered, torch.tensor([False, True, False, False]))
    assert found == Abstention(0.75, pytest.approx(2 / 3), 4, 0.75)
    nobody = torch.zeros(0, dtype=torch.bool)
    assert abstention(right, answered & False, nobody) == Abstention(0.0, None, 0, None)
    shown = replace(evaluate(SCORES, TARGETS, LABELS, "softmax"), abstention=found)
    assert text(shown, "pets", "images").splitlines()[2] == (
        "where it may abstain: 0.750 answered, 0.667 of these right; "
        "of 4 images of no label of it 0.750 not answered"
    )


def test_scores_without_activation_have_no_calibration() -> None:
    found = evaluate(SCORES * 10 - 5, TARGETS, LABELS, "none")
    assert found.calibration is None
    assert found.metrics["accuracy"] == pytest.approx(0.5)


def test_answers_in_a_bin_are_averaged_before_they_are_compared() -> None:
    probabilities = np.array([0.81, 0.85, 0.0, 1 / BINS, 1.0])
    found = calibration(probabilities, np.array([True, False, False, False, True]))
    low, middle, high = found.bins
    assert (low.low, low.high, low.answers) == (0, 1 / BINS, 2)
    assert (middle.answers, middle.probability, middle.right) == pytest.approx((2, 0.83, 0.5))
    assert (high.high, high.answers) == (1, 1)
    assert found.error == pytest.approx((2 * 0.5 / BINS + 2 * 0.33 + 0) / 5)


@pytest.mark.parametrize(
    ("activation", "expected"),
    [("softmax", [0.25, 0.75]), ("sigmoid", [0.5, 0.75]), ("none", [0.0, np.log(3)])],
)
def test_activations_are_those_of_the_server(activation: str, expected: list[float]) -> None:
    logits = torch.tensor([[0.0, np.log(3)]])
    assert activated(logits, activation).tolist()[0] == pytest.approx(expected)


def test_text_begins_with_the_main_metric_and_shows_the_matrix() -> None:
    lines = text(evaluate(SCORES, TARGETS, LABELS, "softmax"), "pets (linear)", "images of x")
    assert lines.splitlines() == [
        "pets (linear): accuracy 0.500, macro F1 0.356 on 6 images of x",
        "calibration error 0.383 in 15 bins: mean probability 0.650, answers right 0.500",
        "",
        "label  images  precision  recall  F1",
        "cat    3       0.667      0.667   0.667",
        "dog    2       0.333      0.500   0.400",
        "owl    1       -          0.000   0.000",
        "",
        "images by their label (rows) and by the answer (columns):",
        "     cat  dog  owl",
        "cat  2    1    0",
        "dog  1    1    0",
        "owl  0    1    0",
    ]


def test_text_of_many_labels_is_cut_to_the_worst() -> None:
    count = MOST_LABELS + 10
    assert count > MATRIX_LABELS
    scores = torch.eye(count)
    scores[3] = scores[4]
    labels = tuple(f"label{number}" for number in range(count))
    lines = text(evaluate(scores, torch.arange(count), labels, "softmax"), "t", "images").split(
        "\n"
    )
    assert f"the {MOST_LABELS} labels of lowest F1, of {count} (--json has all):" in lines
    assert lines[5].startswith("label3 ")
    assert lines[-2:] == [
        "most frequent confusions (--json has the whole matrix):",
        "label3 as label4: 1",
    ]
    assert len(lines) < MOST_LABELS + 12
