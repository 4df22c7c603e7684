"""A part of the data on which a method is measured while it is fitted."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from facet_vision.training.data.datasets import TaskData
from facet_vision.training.data.images import Inputs, prepare
from facet_vision.training.methods import Method
from facet_vision.training.metrics import measure, predict_prepared

Record = dict[str, float]
"""What an epoch of a fitting did, by name; "epoch" counts from 1. A line of the log."""

PREFIX = "validation_"
"""Of what is measured on this part, among other names."""


@dataclass(frozen=True)
class Validation:
    """What the method's `prepare` made of the images, and their targets."""

    inputs: Inputs
    targets: Tensor

    @classmethod
    def of(cls, data: TaskData, method: Method) -> Validation:
        """The validation part of `data`; after the training part, by which some methods standardise."""
        assert data.validation is not None
        method.eval()
        inputs = method.prepare(prepare(data.validation, method.backbone.preprocess))
        return cls(inputs, data.targets(data.validation))

    def measure(self, method: Method) -> Record:
        """The first of the metrics, under its name behind PREFIX; leaves the method in evaluation mode."""
        name, value = next(
            iter(measure(predict_prepared(method.eval(), self.inputs), self.targets).items())
        )
        return {PREFIX + name: value}


def measured(record: Record) -> Record:
    """What was measured on the validation part, if anything was."""
    return {name: value for name, value in record.items() if name.startswith(PREFIX)}


def best_measured(records: list[Record]) -> Record:
    """The best of what was measured on the validation part, if anything was."""
    return max(
        (measured(record) for record in records), key=lambda found: [*found.values()], default={}
    )
