"""Report on the classes before training."""

from facet_vision.training.data.datasets import Examples, TaskData, balance


def _data(targets: list, *, multi_label: bool = False) -> TaskData:
    examples = Examples([None] * len(targets), targets)
    return TaskData(
        examples, Examples([], []), ("cat", "dog"), "table t.csv", multi_label=multi_label
    )


def test_balanced_classes_are_one_line() -> None:
    assert list(balance(_data([0, 1] * 3))) == [
        "data: table t.csv, 6 training and 0 held-out images; 2 classes with 3 training images each"
    ]


def test_imbalance_is_noted() -> None:
    first, second = balance(_data([0] + [1] * 3))
    assert first.endswith("2 classes with 1 to 3 training images each")
    assert second.startswith("imbalance: 'dog' has 3 training images, 'cat' has 1; ")
    assert len(list(balance(_data([0] * 2 + [1] * 5)))) == 1


def test_labels_per_image() -> None:
    lines = list(balance(_data([(0,), (0, 1), (1,), ()], multi_label=True)))
    assert lines[0].endswith("2 labels with 2 training images each")
    assert lines[1] == "labels: 1.00 on an image, none on 1"
