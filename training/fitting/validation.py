"""Validation part on which a method is measured while it is fitted."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from facet_vision.training.data.datasets import TaskData
from facet_vision.training.data.images import Inputs, prepare
from facet_vision.training.methods import Method
from facet_vision.training.metrics import measure, predict_prepared

Record = dict[str, float]
"""Values of one epoch by name; "epoch" counts from 1. A line of the log."""

PREFIX = "validation_"
"""Of the names of metrics on this part."""


@dataclass(frozen=True)
class Validation:
    """Inputs, as the method's `prepare` gives them, and their targets."""

    inputs: Inputs
    targets: Tensor

    @classmethod
    def of(cls, data: TaskData, method: Method) -> Validation:
        """Prepare the validation part of `data`.

        The training part must have been prepared before, since some methods standardise by it.
        """
        assert data.validation is not None
        method.eval()
        inputs = method.prepare(prepare(data.validation, method.backbone.preprocess))
        return cls(inputs, data.targets(data.validation))

    def measure(self, method: Method) -> Record:
        """Return the first metric under its name behind PREFIX.

        The method is left in evaluation mode.
        """
        metrics = measure(predict_prepared(method.eval(), self.inputs), self.targets)
        name, value = next(iter(metrics.items()))
        return {PREFIX + name: value}


def measured(record: Record) -> Record:
    """Return the metrics on the validation part; empty where there are none."""
    return {name: value for name, value in record.items() if name.startswith(PREFIX)}


def best_measured(records: list[Record]) -> Record:
    """Return the best metrics on the validation part; empty where there are none."""
    found = [measured(record) for record in records]
    return max(found, key=lambda metrics: [*metrics.values()], default={})
