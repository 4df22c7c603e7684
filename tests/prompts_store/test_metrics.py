"""The order of metrics."""

from facet_vision.prompts_store.metrics import metric_words, ranked


def test_the_main_metric_is_first_and_the_number_of_images_last() -> None:
    names = ("accuracy", "held_out_images", "macro_f1", "validation_accuracy")
    one = dict.fromkeys(names, 0.5)
    assert list(ranked(one, "softmax")) == [
        "accuracy",
        "macro_f1",
        "validation_accuracy",
        "held_out_images",
    ]
    several = dict.fromkeys(
        ("accuracy", "held_out_images", "macro_f1", "mean_average_precision", "mine"), 0.5
    )
    assert next(iter(ranked(several, "sigmoid"))) == "mean_average_precision"
    assert next(iter(ranked(several, "softmax"))) == "accuracy"
    assert next(iter(ranked({"mine": 1.0, "held_out_images": 2.0}, "none"))) == "mine"
    assert list(ranked(several, "none"))[-2:] == ["mine", "held_out_images"]
    assert ranked(several, None) == several


def test_words() -> None:
    assert metric_words("macro_f1") == "macro F1"
    assert metric_words("mean_average_precision") == "mean average precision"
