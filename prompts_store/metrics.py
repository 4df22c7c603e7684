"""The order and the names in which the metrics of a task are shown."""

from collections.abc import Iterable, Mapping

MAIN = {"softmax": "accuracy", "sigmoid": "mean_average_precision"}
"""The metric by which trainings are compared, by the task's activation."""

HELD_OUT_IMAGES = "held_out_images"
"""Stands among the metrics, but is the number of images that they were measured on."""

_KNOWN = ("accuracy", "mean_average_precision", "macro_f1", "micro_f1", "top_5_accuracy")


def ranked(metrics: Mapping[str, float], activation: str | None) -> dict[str, float]:
    """Return the metrics with the task's main one first.

    A file keeps them in the order of the alphabet. Those of a validation part are behind those on
    held-out images, and the number of images is last.
    """
    return {name: metrics[name] for name in _in_order(metrics, MAIN.get(activation or ""))}


def _in_order(names: Iterable[str], main: str | None) -> list[str]:
    def place(name: str) -> tuple[bool, bool, bool, int]:
        known = _KNOWN.index(name) if name in _KNOWN else len(_KNOWN)
        return name == HELD_OUT_IMAGES, name.startswith("validation"), name != main, known

    return sorted(names, key=place)


def metric_words(name: str) -> str:
    """Return the name of a metric as people read it."""
    return name.replace("_", " ").replace("f1", "F1")
